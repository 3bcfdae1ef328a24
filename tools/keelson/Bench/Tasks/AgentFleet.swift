internal import KeelsonClient
internal import NIOCore
internal import Primitives

/// Many agents on one event loop, and what they saw together.
///
/// Confined to that loop, hence `@unchecked Sendable`.
final class AgentFleet: @unchecked Sendable {
    struct Count: Sendable {
        var registered = 0
        /// Since the start, each agent's again.
        var registrations = 0
        var lost = 0
        var launched = 0
    }

    let loop: any EventLoop
    let endpoints: [Endpoint]
    /// Of each agent, in Mesos' text form.
    let resources: String
    private var agents: [FleetAgent] = []
    private var heartbeat: RepeatedTask?
    /// Who beats next.
    private var beating = 0
    private(set) var count = Count()
    private(set) var failures: [String: Int] = [:]

    private static let failureKindsMax = 20
    /// New agents in a turn; the turns follow each other every 10 ms.
    private static let startsPerTurn = 40

    init(loop: any EventLoop, endpoints: [Endpoint], resources: String) {
        self.loop = loop
        self.endpoints = endpoints
        self.resources = resources
    }

    /// - Parameter count: so many agents, which begin to register at up to 4,000 a second.
    func start(_ count: Int) {
        loop.execute { [self] in
            agents = (0..<count).map { FleetAgent(self, number: $0) }
            startNext(from: 0)
        }
    }

    private func startNext(from first: Int) {
        for agent in agents[first...].prefix(Self.startsPerTurn) { agent.start() }
        guard first + Self.startsPerTurn < agents.count else { return }
        loop.scheduleTask(in: .milliseconds(10)) { [self] in
            startNext(from: first + Self.startsPerTurn)
        }
    }

    func stop() {
        loop.execute { [self] in
            heartbeat?.cancel()
            for agent in agents { agent.stop() }
        }
    }

    func state() async throws -> (count: Count, failures: [String: Int]) {
        try await loop.submit { [self] in (count, failures) }.get()
    }

    // MARK: - What agents tell

    func registered(heartbeat milliseconds: UInt64) {
        count.registered += 1
        count.registrations += 1
        guard heartbeat == nil else { return }
        let turns = Int64(max(1, milliseconds / 100))
        heartbeat = loop.scheduleRepeatedTask(
            initialDelay: .milliseconds(100), delay: .milliseconds(100)
        ) { [weak self] _ in self?.beat(turns: Int(turns)) }
    }

    /// All agents beat once in `turns`.
    private func beat(turns: Int) {
        let share = (agents.count + turns - 1) / turns
        for _ in 0..<min(share, agents.count) {
            agents[beating % agents.count].beat()
            beating += 1
        }
    }

    func lost() {
        count.registered -= 1
        count.lost += 1
    }

    func launched(_ tasks: Int) { count.launched += tasks }

    func failed(_ why: String) {
        let kind = failures.count < Self.failureKindsMax ? why : "others"
        failures[kind, default: 0] += 1
    }
}
