import StateMachine
import Testing

@Suite("The datacenter's records: launches")
final class LaunchTests {
    private let master = DatacenterDriver()

    init() throws {
        try master.agent()
        try master.framework()
    }

    @Test("a launch books its resources, and its task waits to be sent")
    func books() throws {
        #expect(master.error(master.launch([try master.task("t")])) == nil)
        #expect(master.free() == "cpus:3;mem:924")
        let task = try #require(master.task("t"))
        #expect(task.state == .staging && task.sequence > 0)
        let info = master.driver.store.get(
            bytes("/keelson/local/launches/f1/t").withUnsafeBytes { $0 })
        #expect(info?.value == bytes("info of t"))
        try master.check()
    }

    @Test("no interleaving promises a resource twice")
    func notTwice() throws {
        let first = master.launch([try master.task("t", "cpus:3")])
        let second = master.launch([try master.task("u", "cpus:2")])
        #expect(master.error(first) == nil)
        #expect(master.error(second) == .notFree(AgentID("a1"), operation: 0))
        #expect(master.task("u") == nil && master.free() == "cpus:1;mem:1024")
        try master.check()
    }

    @Test("a launch is done whole or not at all")
    func whole() throws {
        let launch = master.launch([try master.task("t"), try master.task("u", "cpus:4")])
        #expect(master.error(launch) == .notFree(AgentID("a1"), operation: 1))
        #expect(master.task("t") == nil && master.free() == "cpus:4;mem:1024")
    }

    @Test("what was decided about an earlier session of the agent is refused")
    func oldSession() throws {
        let launch = master.launch([try master.task("t")])
        let old = try #require(master.table.agents[AgentID("a1")]).record.session
        let new = try master.agent("a1")
        #expect(
            master.error(launch) == .oldAgentSession(AgentID("a1"), known: new, got: old))
        #expect(master.task("t") == nil)
    }

    @Test("an id is used again only when its task has ended and the framework knows")
    func reuse() throws {
        #expect(master.error(master.launch([try master.task("t")])) == nil)
        #expect(master.error(master.launch([try master.task("t")])) == .duplicateTask(key("t")))
        let first = try #require(master.task("t")).sequence
        #expect(master.report("t", .finished, "u1") == .committed)
        #expect(master.error(master.launch([try master.task("t")])) == .duplicateTask(key("t")))
        master.apply(.acknowledge(key("t"), uuid: bytes("u1")))
        #expect(master.error(master.launch([try master.task("t")])) == nil)
        #expect(try #require(master.task("t")).sequence > first)
        try master.check()
    }

    @Test("sequences grow with every launch, also within one")
    func sequences() throws {
        master.apply(master.launch([try master.task("t"), try master.task("u")]))
        master.apply(master.launch([try master.task("v")]))
        let found = try ["t", "u", "v"].map { try #require(master.task($0)).sequence }
        #expect(found == found.sorted() && Set(found).count == 3)
    }

    @Test(
        "ids that are no names of directories are refused",
        arguments: ["", ".", "..", "a/b", "a b", "a\n", String(repeating: "x", count: 256)])
    func names(id: String) throws {
        let launch = master.launch([try master.task(id)])
        guard id.utf8.count <= 255 else {
            // Not even read.
            #expect(master.apply(launch).error != nil)
            return
        }
        #expect(master.error(launch) == .invalidName(TaskID(id).description))
    }

    @Test("an agent that is away, deactivated, drained or gone gets no launch")
    func notOffered() throws {
        let id = AgentID("a1")
        let launch = master.launch([try master.task("t")])
        for mode in [AgentRecord.Mode.deactivated, .draining] {
            master.apply(.agentMode(id, mode, graceMilliseconds: 0, goneWhenDrained: false))
            #expect(master.error(launch) == .agentNotOffered(id))
        }
        master.apply(.agentMode(id, .active, graceMilliseconds: 0, goneWhenDrained: false))
        let session = try #require(master.table.agents[id]).record.session
        master.apply(.agentUnreachable(id, session: session))
        #expect(master.error(launch) == .agentNotOffered(id))
        master.apply(.agentGone(id, byOperator: true))
        #expect(master.error(launch) == .agentGone(id))
    }

    @Test("an executor's resources are held once, until its agent says that it has ended")
    func executor() throws {
        var tasks: [TaskLaunch] = [try master.task("t"), try master.task("u")]
        let own = TaskLaunch.Executor(
            id: ExecutorID("e"), resources: try ResourcesParser.parse("cpus:0.5"),
            info: bytes("e"))
        for place in tasks.indices { tasks[place].executor = own }
        #expect(master.error(master.launch(tasks)) == nil)
        #expect(master.free() == "cpus:1.5;mem:824")
        _ = master.report("t", .finished, "1")
        _ = master.report("u", .failed, "2")
        #expect(master.free() == "cpus:3.5;mem:1024")
        let executor = ExecutorKey(AgentID("a1"), FrameworkID("f1"), ExecutorID("e"))
        let session = try #require(master.table.agents[AgentID("a1")]).record.session
        master.apply(.executorEnded(executor, session: session))
        #expect(master.free() == "cpus:4;mem:1024")
        try master.check()
    }

    @Test("an executor with tasks on record is not taken off it, once every member knows that")
    func executorInUse() throws {
        var task: TaskLaunch = try master.task("t")
        task.executor = TaskLaunch.Executor(
            id: ExecutorID("e"), resources: try ResourcesParser.parse("cpus:0.5"),
            info: bytes("e"))
        let key = ExecutorKey(AgentID("a1"), FrameworkID("f1"), ExecutorID("e"))
        let session = try #require(master.table.agents[AgentID("a1")]).record.session
        #expect(master.error(master.launch([task])) == nil)
        master.driver.publishLevel()
        #expect(master.error(.executorEnded(key, session: session)) == .executorInUse(key))
        #expect(master.free() == "cpus:2.5;mem:924")
        _ = master.report("t", .failed, "1")
        #expect(master.error(.executorEnded(key, session: session)) == nil)
        #expect(master.free() == "cpus:4;mem:1024")
        try master.check()
    }

    @Test("a reservation stays the agent's, over its next registration, until it is given back")
    func reservation() throws {
        let reserved = try ResourcesParser.parse("cpus(eng):2")
        let dynamic = try Resources(
            reserved.entries.map { entry in
                var entry = entry
                entry.reservations = [Reservation(.dynamic, role: "eng")]
                return entry
            })
        let id = AgentID("a1")
        var session = try #require(master.table.agents[id]).record.session
        master.apply(
            .launch(
                Launch(
                    framework: FrameworkID("f1"), agent: id, session: session,
                    operations: [.reserve(dynamic)])))
        let total = try #require(master.table.agents[id]).record.total
        #expect(total.contains(dynamic) && total.cpus == 4000)
        session = try master.agent("a1")
        #expect(try #require(master.table.agents[id]).record.total == total)
        #expect(throws: StoreError.datacenter(.agentShrank(id))) {
            try master.agent("a1", "cpus:1;mem:1024")
        }
        master.apply(
            .launch(
                Launch(
                    framework: FrameworkID("f1"), agent: id, session: session,
                    operations: [.unreserve(dynamic)])))
        #expect(master.free() == "cpus:4;mem:1024")
        try master.check()
    }
}
