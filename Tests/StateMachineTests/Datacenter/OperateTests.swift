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

    @Test("what would have more parts than a record may have is refused, on every node alike")
    func tooManyParts() throws {
        #expect(master.error(master.launch([try master.task("t", "mem:1024")])) == nil)
        // What the task holds is one part, and what is left of the processors another one.
        let entry = try #require(try ResourcesParser.parse("cpus:0.001").entries.first)
        let roles = (0..<ResourceLimits.entriesMax - 1).map { number in
            var entry = entry
            entry.reservations = [
                Reservation(.dynamic, role: ByteText("r\(number)"), principal: "ops")
            ]
            return entry
        }
        let error = master.error(.operate(a1, [.reserve(try Resources(roles))]))
        #expect(error == .invalidOperation(0, .tooManyEntries(limit: ResourceLimits.entriesMax)))
        let fewer = try Resources(Array(roles.dropLast()))
        #expect(master.error(.operate(a1, [.reserve(fewer)])) == nil)
        try master.check()
    }

    @Test("what runs may hold more parts together than one of them may ask for")
    func manyHeldParts() throws {
        let most = UInt64(ResourceLimits.rangesMax)
        try master.agent(
            new: "a2", "cpus:4;mem:1024;ports:[1-\(4 * most)]", incarnation: 8)
        func ports(_ first: UInt64) throws -> String {
            "ports:["
                + (0..<most).map { "\(first + 2 * $0)-\(first + 2 * $0)" }
                .joined(separator: ",") + "]"
        }
        for (name, first) in [("t1", UInt64(1)), ("t2", 2 * most + 2)] {
            let task = try master.task(name, try ports(first))
            #expect(master.error(master.launch([task], on: "a2")) == nil)
        }
        try master.check()
    }

    @Test("a volume that a task holds is not made a second time")
    func volumeInUse() throws {
        let disk = try reserved("disk:100")
        try master.agent(new: "a2", "cpus:4;mem:1024;disk:1000", incarnation: 8)
        let a2 = AgentID("a2")
        #expect(master.error(.operate(a2, [.reserve(try reserved("disk:200"))])) == nil)
        var entry = try #require(disk.entries.first)
        entry.disk = DiskInformation()
        entry.disk?.persistence = .init(id: "v", principal: "ops")
        let volume = try Resources([entry])
        #expect(master.error(.operate(a2, [.create(volume)])) == nil)
        var task = try master.task("t", "disk:1")
        task.resources = volume
        task.role = "web"
        #expect(master.error(master.launch([task], on: "a2")) == nil)
        #expect(
            master.error(.operate(a2, [.create(volume)]))
                == .invalidOperation(0, .duplicateVolume("v")))
        try master.check()
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
