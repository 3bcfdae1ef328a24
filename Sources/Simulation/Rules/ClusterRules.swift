import Primitives
import RaftCore
import Replication
import StateMachine

/// The promises that are checked while a run goes on, and what they remember. One file a group of
/// properties, named as in docs/testing.md.
final class ClusterRules {
    unowned(unsafe) let world: SimulatedCluster
    var model = StoreModel()

    // Raft.
    /// Who led each term.
    var leaders: [Term: Int] = [:]
    /// In which terms entries were committed, as far as whoever applied them first knew.
    var commitTerms: [LogIndex: Term] = [:]
    /// Every entry that a leader or a follower ever wrote, by index; one for each term.
    var written: [[LogEntry]] = [[]]
    /// Term and vote that each machine promised to keep.
    var promised: [HardState]
    /// The store's digest after each index, where somebody knew it.
    var digests: [UInt64?] = [nil]

    /// What was committed before the run began.
    private(set) var inheritance: [LogEntry] = []

    /// Members that were removed.
    var removed: Set<NodeID> = []
    /// Members that joined and are to vote.
    var promoted: Set<NodeID> = []
    /// Of those that were removed, members without whom a configuration is committed somewhere.
    var out: Set<NodeID> = []
    /// Removals that were asked for and are perhaps not carried out yet.
    var removalsOnTheWay: Set<NodeID> = []

    /// Places that are given anew, one after another.
    func placesGiven(_ members: MemberTable, voters: [NodeID]) {
        let joining = members.records.filter { $0.role == .joining }
        if joining.count > 1 {
            violated("J1 one place is given anew at a time", "\(joining.map(\.id)) are joining")
        }
        for machine in world.machines where voters.contains(machine.id) {
            machine.isReturning = false
        }
    }

    /// The highest level of the cluster that any node has applied.
    var clusterLevel = FeatureLevel.first

    // Requests.
    var indexOfRequest: [RequestID: LogIndex] = [:]
    var refusedRequests: Set<RequestID> = []
    /// The highest index whose effect any client was told of.
    var acknowledgedFloor = LogIndex.zero

    // Leases.
    var leaseDeadlines: [Int64: LeaseDeadline] = [:]

    init(world: SimulatedCluster) {
        self.world = world
        promised = Array(repeating: .initial, count: world.settings.machineCount)
    }

    func violated(_ property: String, _ what: @autoclosure () -> String) {
        world.violated(property, what())
    }

    func begin(with prehistory: Prehistory) {
        inheritance = prehistory.committed
        leaders = prehistory.leaders
        guard let last = inheritance.last else { return }
        completed(through: last.index)
    }

    /// Nothing is written that a member's build does not know.
    func checkLevel(_ members: MemberTable) {
        guard members.clusterLevel > clusterLevel else { return }
        clusterLevel = members.clusterLevel
        world.counters.count(CoverageMark.levelRaised)
        for machine in world.machines
        where members[machine.id] != nil && machine.known < clusterLevel && !machine.isOutdated {
            violated(
                "U1 the level rises behind the last upgrade",
                "level \(clusterLevel), and n\(machine.index + 1) knows \(machine.known)")
        }
    }

    /// Something was told to a client: whoever begins from now on must see it.
    func completed(through index: LogIndex) {
        acknowledgedFloor = max(acknowledgedFloor, index)
    }
}
