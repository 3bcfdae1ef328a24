import Primitives
import Scheduling
import StateMachine

/// The agents and frameworks of a simulated cluster, their connections, and what is known of the
/// datacenter by those who look at everything: the log, and what really runs.
final class SimulatedDatacenter {
    unowned(unsafe) let world: SimulatedCluster
    var agents: [SimulatedAgent] = []
    var frameworks: [SimulatedFramework] = []
    /// Who keeps services, where somebody does.
    private(set) var user: SimulatedOperator?
    private var links: [DatacenterLink] = []

    // What entries have said, in their order (Rules/Datacenter).
    var ledger = DatacenterLedger()
    var services = ServiceLedger()
    /// What schedulers of services decided, until the log has it.
    var serviceDecisions: [RequestID: ServiceDecision] = [:]
    /// What the node had applied whose scheduler of services asked for a launch last.
    var launchViews: [InstanceID: LogIndex] = [:]
    /// How often a process of a task began.
    var starts: [TaskKey: Int] = [:]
    /// Tasks of which a framework was told that they were never launched.
    var dropped: Set<TaskKey> = []
    /// When a master took office.
    var officeSince: [Term: Micros] = [:]

    init(world: SimulatedCluster) { self.world = world }

    func populate(_ random: inout SplitMix64) {
        for number in 0..<world.settings.agentCount {
            agents.append(SimulatedAgent(world: world, number: number, random: random.fork()))
        }
        for number in 0..<world.settings.frameworkCount {
            frameworks.append(
                SimulatedFramework(world: world, number: number, random: random.fork()))
        }
        guard world.settings.serviceCount > 0, !agents.isEmpty else { return }
        // From a generator of its own, so that the other runs are what they are.
        let own = SplitMix64(seed: world.settings.seed ^ 0x6B65_6570_7365_7276)
        user = SimulatedOperator(world: world, random: own)
    }

    func start() {
        for agent in agents { agent.restartLater(after: 1000) }
        for framework in frameworks { framework.begin() }
        user?.begin()
    }

    func dismantle() {
        agents = []
        frameworks = []
        user = nil
        links = []
    }

    func officeTaken(in term: Term) {
        officeSince[term] = world.now
        if !services.deployments.isEmpty {
            world.counters.count(CoverageMark.deploymentTakenOver)
        }
    }

    // MARK: Connections

    func connect(
        _ client: any LinkClient, to process: SimulatedProcess, _ random: inout SplitMix64
    ) -> DatacenterLink {
        links.removeAll { !$0.isOpenAtClient && !$0.isOpenAtNode }
        let link = DatacenterLink(
            world: world, client: client, process: process, random: random.fork())
        links.append(link)
        return link
    }

    func heal(links client: any LinkClient) {
        for link in links where link.client === client { link.heal() }
    }

    /// Its system says so to whoever is connected, unless it has lost its power.
    func processEnded(on machine: Int, life: UInt32, silently: Bool) {
        guard !silently else { return }
        for link in links where link.machine == machine && link.processLife == life {
            link.closeAtNode()
        }
    }

    func agent(_ id: AgentID) -> SimulatedAgent? { agents.first { $0.id == id.description } }

    func framework(_ id: FrameworkID) -> SimulatedFramework? {
        frameworks.first { $0.id == id }
    }

    /// Whether clocks lie in this run: then nothing is said of times.
    var clocksLie: Bool {
        let kinds = [FaultKind.clockDrift, .clockLeap, .clockStop, .pause]
        return kinds.contains { world.settings.enables($0) }
    }
}
