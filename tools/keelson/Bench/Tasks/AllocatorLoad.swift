internal import KeelsonClient
internal import Measuring
internal import Scheduling
internal import StateMachine

/// The target `allocator`: the allocator alone, in this process, with agents that tasks of many
/// frameworks hold for the most part. Two questions: how long a pass over all of it takes, and one
/// after a single agent has changed.
struct AllocatorLoad {
    let agentCount: Int
    let tasksPerAgent: Int

    private static let frameworkCount = 100
    private static let changes = 1_000

    func run() throws -> AllocatorReport {
        // Nothing is bounded by what is outstanding: the first pass offers all of it.
        var allocator = Scheduling.Allocator(offersMax: agentCount)
        let task = try ResourcesParser.parse("cpus:0.1;mem:16")
        let room = tasksPerAgent + 4
        let total = try ResourcesParser.parse("cpus:\(Double(room) / 10);mem:\(room * 16)")
        for agent in 0..<agentCount {
            try allocator.addAgent(
                Self.agent(agent), AllocatorAgent(total: total),
                allocations: (0..<tasksPerAgent).map { Self.held($0 + agent, task) })
        }
        for framework in 0..<Self.frameworkCount {
            try allocator.addFramework(
                Self.framework(framework), AllocatorFramework(roles: ["*"]))
        }
        var report = AllocatorReport(agents: agentCount, tasks: agentCount * tasksPerAgent)
        let begin = monotonicNanoseconds()
        let offers = allocator.allocate(now: 1)
        report.fullPass = monotonicNanoseconds() - begin
        report.offers = offers.count
        for offer in offers { try allocator.decline(offer.number, until: .max) }
        _ = allocator.allocate(now: 2)
        for change in 0..<Self.changes {
            let agent = Self.agent(change * 7919 % agentCount)
            let begin = monotonicNanoseconds()
            try allocator.changeAllocation(
                onAgent: agent, framework: Self.framework(0), role: "*", added: task)
            try allocator.changeAllocation(
                onAgent: agent, framework: Self.framework(0), role: "*", removed: task)
            let made = allocator.allocate(now: UInt64(3 + change))
            report.changes.append(monotonicNanoseconds() - begin)
            for offer in made { try allocator.decline(offer.number, until: .max) }
        }
        return report
    }

    private static func agent(_ number: Int) -> AgentID { AgentID("agent-\(number)") }
    private static func framework(_ number: Int) -> FrameworkID { FrameworkID("f-\(number)") }

    private static func held(_ number: Int, _ task: Resources) -> Allocation {
        Allocation(
            framework: framework(number % frameworkCount), role: "*", resources: task)
    }
}

/// What ``AllocatorLoad`` came to; times in ns.
struct AllocatorReport {
    let agents: Int
    let tasks: Int
    var offers = 0
    var fullPass: UInt64 = 0
    var changes: [UInt64] = []

    init(agents: Int, tasks: Int) {
        self.agents = agents
        self.tasks = tasks
    }

    private func change(_ share: Double) -> Double {
        let sorted = changes.sorted()
        guard !sorted.isEmpty else { return 0 }
        return Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]) / 1e3
    }

    func print(to output: inout Output) {
        func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
        output.line("agents      \(agents) with \(tasks) tasks")
        output.line(
            "full pass   \(tenths(Double(fullPass) / 1e6)) ms, \(offers) offers made")
        output.line(
            "one agent   p50 \(tenths(change(0.5)))  p99 \(tenths(change(0.99)))  us from its"
                + " change to the end of the pass")
    }

    var json: JSONValue {
        .object([
            ("target", .string("allocator")), ("agents", .integer(Int64(agents))),
            ("tasks", .integer(Int64(tasks))), ("offers", .integer(Int64(offers))),
            ("full_pass_ms", .number(Double(fullPass) / 1e6)),
            ("one_change_us_p50", .number(change(0.5))),
            ("one_change_us_p99", .number(change(0.99))),
        ])
    }
}
