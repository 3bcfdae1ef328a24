import Primitives
import Replication
import Storage

/// Servers that come back under another id once their disks are lost: how they find out as whom
/// they start, as ControlPlane's `ClusterJoining` does it.
extension SimulatedCluster {
    static let directory = "/data"

    /// As its disk says; as the cluster says where the disk says nothing; or as one of those with
    /// whom the cluster begins.
    func identify(_ machine: SimulatedMachine) {
        do {
            let known = try DataDirectory.identity(at: Self.directory, fileSystem: machine.disk)
            guard let known else { return look(machine, .directory) }
            become(known.memberID, met: known.initialVoters, machine)
            machine.hasFounded = true
            open(machine)
        } catch { recoveryFailed(machine, error) }
    }

    private func found(_ machine: SimulatedMachine) {
        let founders = (1...settings.nodeCount).map { NodeID(UInt64($0)) }
        become(founders[machine.index], met: founders, machine)
        machine.hasFounded = true
        open(machine)
    }

    private func become(
        _ member: NodeID, met voters: [NodeID], _ machine: SimulatedMachine
    ) {
        let isAnother = machine.id != member
        machine.become(member, met: voters)
        guard isAnother else { return }
        // Another member has promised nothing, and is found by whoever knows of it.
        rules.promised[machine.index] = .initial
        for process in machines.compactMap(\.process) { process.followMembers() }
    }

    /// The process has ended, and its server goes on.
    func comeBack(_ machine: SimulatedMachine, _ lost: LostPlace) {
        if case .membership(let id, _) = lost, !rules.out.contains(id) {
            violated("M10 only who was removed leaves", "n\(machine.index + 1), member \(id)")
        }
        machine.life += 1
        look(machine, lost)
    }

    private func look(_ machine: SimulatedMachine, _ lost: LostPlace) {
        trace.note(now, machine.index, "looks for its place, life", UInt64(machine.life))
        // Half of the operators have changed the flag that says that the cluster is new.
        let waits = lost != .directory || machine.hasFounded && settings.seed % 2 == 0
        let search = SimulatedSearch(world: self, machine: machine, lost, waits: waits)
        search.begin()
    }

    /// What a search has come to.
    func found(_ answer: JoinAnswer?, on machine: SimulatedMachine, _ lost: LostPlace) {
        guard let answer else {
            if lost == .directory { return found(machine) }
            return left(machine)
        }
        if lost == .directory, answer.memberID == NodeID(UInt64(machine.index) + 1) {
            return found(machine)
        }
        do {
            let known = try DataDirectory.identity(at: Self.directory, fileSystem: machine.disk)
            if let known {
                let place = try RetiredDirectory.retire(
                    Self.directory, of: known.memberID, fileSystem: machine.disk)
                trace.note(
                    now, machine.index, "puts away", known.memberID.rawValue, text: place ?? "")
            }
            trace.note(now, machine.index, "is member", answer.memberID.rawValue)
            counters.count(CoverageMark.memberCameBack)
            counters.count(FaultKind.rejoin)
            become(answer.memberID, met: answer.voters.map(\.id), machine)
            machine.isReturning = true
            machine.hasFounded = true
            open(machine)
        } catch { recoveryFailed(machine, error) }
    }

    /// Whether the disk could put one more directory away.
    func hasRoomToPutAway(_ machine: SimulatedMachine) -> Bool {
        guard settings.rejoins else { return true }
        let kept = try? RetiredDirectory.names(
            beside: Self.directory, fileSystem: machine.disk)
        return (kept?.count ?? 0) < RetiredDirectory.keptMax - 1
    }
}
