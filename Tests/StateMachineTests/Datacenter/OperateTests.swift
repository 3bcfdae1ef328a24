import Primitives
import StateMachine
import Testing

@Suite("The datacenter's records: what operators do to resources")
final class OperateTests {
    private let master = DatacenterDriver()
    private let a1 = AgentID("a1")

    init() throws {
        try master.agent()
        try master.framework()
    }

    private func reserved(_ text: String, _ role: ByteText = "web") throws -> Resources {
        var entries = try ResourcesParser.parse(text).entries
        for place in entries.indices {
            entries[place].reservations = [Reservation(.dynamic, role: role, principal: "ops")]
        }
        return try Resources(entries)
    }

    @Test("what is free is reserved and given back, and the sum stays")
    func reserveAndBack() throws {
        let wanted = try reserved("cpus:1;mem:100")
        #expect(master.error(.operate(a1, [.reserve(wanted)])) == nil)
        let agent = try #require(master.table.agents[a1])
        #expect(agent.free.contains(wanted) && agent.free.cpus == 4_000)
        #expect(master.error(.operate(a1, [.unreserve(wanted)])) == nil)
        #expect(master.free() == "cpus:4;mem:1024")
        try master.check()
    }

    @Test("what a task holds cannot be reserved, and nothing is done by halves")
    func held() throws {
        #expect(master.error(master.launch([try master.task("t", "cpus:3")])) == nil)
        let small = try reserved("cpus:1")
        let large = try reserved("cpus:2")
        let error = master.error(.operate(a1, [.reserve(small), .reserve(large)]))
        guard case .invalidOperation(1, _)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(master.free() == "cpus:1;mem:1024")
    }

    @Test("a reservation outlives the agent's next registration, and is nobody's that is gone")
    func registration() throws {
        let wanted = try reserved("cpus:1")
        #expect(master.error(.operate(a1, [.reserve(wanted)])) == nil)
        try master.agent("a1")
        #expect(master.table.agents[a1]?.free.contains(wanted) == true)
        #expect(master.error(.agentGone(a1, byOperator: true)) == nil)
        #expect(master.error(.operate(a1, [.unreserve(wanted)])) == .agentGone(a1))
        let nobody = AgentID("nobody")
        #expect(master.error(.operate(nobody, [.unreserve(wanted)])) == .unknownAgent(nobody))
    }

    @Test("it is of the level that it says, is read as it was written, and launches no task")
    func coding() throws {
        let command = DatacenterCommand.operate(a1, [.reserve(try reserved("cpus:1"))])
        #expect(command.level == .operatorResources)
        let bytes = command.encode()
        #expect(DatacenterCommand.level(of: bytes) == .operatorResources)
        #expect(try bytes.withUnsafeBytes { try DatacenterCommand.decode($0) } == command)
        #expect(throws: StoreError.self) {
            try bytes.withUnsafeBytes {
                try DatacenterCommand.decode($0, known: .recordCompaction)
            }
        }
        let task = Launch.Operation.task(try master.task("t"))
        #expect(master.error(.operate(a1, [task])) != nil && master.task("t") == nil)
    }
}
