import StateMachine
import Testing

@Suite("The datacenter's records: statuses, agents and frameworks that go and come")
final class StatusTests {
    private let master = DatacenterDriver()
    private let id = AgentID("a1")

    init() throws {
        try master.agent()
        try master.framework(failoverMilliseconds: 5000)
        master.apply(master.launch([try master.task("t"), try master.task("u")]))
    }

    private var session: UInt64 { master.table.agents[id]?.record.session ?? 0 }
    private func waiting(_ task: String) -> [TaskState] {
        (master.task(task)?.waiting ?? []).map(\.state)
    }

    @Test("statuses wait for their framework, in order, and go when it acknowledges them")
    func order() throws {
        #expect(master.report("t", .starting, "1") == .committed)
        #expect(master.report("t", .running, "2") == .committed)
        #expect(waiting("t") == [.starting, .running])
        // Not the oldest: it is of an earlier connection.
        master.apply(.acknowledge(key("t"), uuid: bytes("2")))
        #expect(waiting("t") == [.starting, .running])
        master.apply(.acknowledge(key("t"), uuid: bytes("1")))
        #expect(waiting("t") == [.running])
        try master.check()
    }

    @Test("a status that comes twice is there once")
    func duplicate() throws {
        #expect(master.report("t", .running, "1") == .committed)
        #expect(master.report("t", .running, "1") == .duplicate)
        #expect(waiting("t") == [.running])
    }

    @Test("no report brings back a task that has ended, and its resources are free once")
    func terminal() throws {
        #expect(master.report("t", .failed, "1") == .committed)
        #expect(master.free() == "cpus:3;mem:924")
        #expect(master.report("t", .running, "2") == .moot)
        #expect(master.report("t", .finished, "3") == .moot)
        #expect(master.task("t")?.state == .failed && master.free() == "cpus:3;mem:924")
        try master.check()
    }

    @Test("a report about another launch of the same id is about nothing")
    func otherLaunch() throws {
        let session = session
        let report = StatusReport(
            key: key("t"), sequence: 1,
            status: WaitingStatus(uuid: bytes("1"), state: .failed, body: []))
        let applied = master.apply(.reportStatuses(id, session: session, [report]))
        guard case .datacenter(.statuses(let verdicts)) = applied.outcome else {
            Issue.record("\(applied.outcome)")
            return
        }
        #expect(verdicts == [.moot] && master.task("t")?.state == .staging)
    }

    @Test("what finds no room is left to the agent, and nothing that waits is lost")
    func bound() throws {
        for number in 0..<DatacenterLimits.waitingStatusesMax {
            #expect(master.report("t", .running, "\(number)") == .committed)
        }
        #expect(master.report("t", .finished, "late") == .busy)
        #expect(master.task("t")?.state == .running)
        master.apply(.acknowledge(key("t"), uuid: bytes("0")))
        #expect(master.report("t", .finished, "late") == .committed)
        #expect(waiting("t").last == .finished)
    }

    @Test("an agent that is away keeps what its tasks hold, and tells the same when it is back")
    func unreachable() throws {
        _ = master.report("t", .running, "1")
        master.apply(.acknowledge(key("t"), uuid: bytes("1")))
        master.apply(.agentUnreachable(id, session: session))
        #expect(master.task("t")?.state == .unreachable && waiting("t") == [.unreachable])
        #expect(master.task("u")?.stateBefore == .staging)
        #expect(master.table.agents[id]?.used.cpus == 2000)
        // An earlier connection has no say.
        let old = session
        try master.agent("a1")
        #expect(
            master.error(.agentUnreachable(id, session: old))
                == .oldAgentSession(id, known: session, got: old))
        #expect(master.report("t", .running, "1") == .committed)
        #expect(master.task("t")?.state == .running)
        #expect(waiting("t") == [.unreachable, .running])
        try master.check()
    }

    @Test("tasks of an agent that never comes back end, with a status that waits")
    func gone() throws {
        master.apply(.agentGone(id, byOperator: true))
        #expect(master.task("t")?.state == .goneByOperator)
        #expect(waiting("t") == [.goneByOperator])
        #expect(master.task("t")?.waiting.first?.uuid.count == 16)
        #expect(master.table.agents[id]?.used.isEmpty == true)
        #expect(throws: StoreError.datacenter(.agentGone(id))) { try master.agent("a1") }
        try master.check()
    }

    @Test("an agent that never heard the answer to its registration is still the same one")
    func registersTwice() throws {
        try master.agent(new: "other")
        #expect(master.table.agentIDs == [id])
        #expect(master.table.agents[id]?.record.session == session)
    }

    @Test("two work directories under one id are two agents, and the second is refused")
    func incarnation() throws {
        #expect(
            throws: StoreError.datacenter(.otherIncarnation(id, known: 7, got: 8))
        ) { try master.agent("a1", incarnation: 8) }
        #expect(throws: StoreError.datacenter(.unknownAgent(AgentID("other")))) {
            try master.agent("other")
        }
    }

    @Test("a framework that is away has its time, in the cluster's time, and then ends")
    func failover() throws {
        let session = try #require(master.table.frameworks[FrameworkID("f1")]).record.session
        master.driver.clusterTime = 20_000
        master.apply(.frameworkDisconnected(FrameworkID("f1"), session: session))
        let record = try #require(master.table.frameworks[FrameworkID("f1")]).record
        #expect(record.phase == .disconnected && record.deadline == 25_000)
        #expect(
            master.error(master.launch([try master.task("v")]))
                == .frameworkNotConnected(FrameworkID("f1")))
        let next = try master.framework("f1")
        #expect(
            master.error(.endFramework(FrameworkID("f1"), session: session))
                == .oldFrameworkSession(FrameworkID("f1"), known: next, got: session))
        #expect(master.error(.endFramework(FrameworkID("f1"), session: next)) == nil)
        #expect(throws: StoreError.datacenter(.frameworkEnded(FrameworkID("f1")))) {
            try master.framework("f1")
        }
        // Its tasks hold what they hold until they have ended; nobody hears of them.
        #expect(master.free() == "cpus:2;mem:824")
        #expect(master.report("t", .killed, "1") == .committed)
        #expect(waiting("t").isEmpty && master.free() == "cpus:3;mem:924")
        try master.check()
    }

    @Test("a kill is on record until the task has ended")
    func kill() throws {
        master.apply(.kill(key("t"), graceMilliseconds: 3000))
        #expect(try #require(master.task("t")).killIndex > 0)
        _ = master.report("t", .killed, "1")
        let index = master.task("t")?.killIndex
        master.apply(.kill(key("t"), graceMilliseconds: 1))
        #expect(master.task("t")?.killIndex == index)
        #expect(master.error(.kill(key("x"), graceMilliseconds: 1)) == .unknownTask(key("x")))
    }

    @Test("of the tasks that have ended the last thousand stay, and those whose end is not known")
    func trimmed() throws {
        for number in 0..<1100 {
            master.apply(master.launch([try master.task("n\(number)", "cpus:0.1")]))
            _ = master.report("n\(number)", .finished, "1")
            if number > 0 { master.apply(.acknowledge(key("n\(number)"), uuid: bytes("1"))) }
        }
        #expect(master.task("n0") != nil && master.task("n1") == nil)
        let kept = try #require(master.table.frameworks[FrameworkID("f1")]).endedTasks.count
        #expect(kept == DatacenterLimits.endedTasksMax)
        try master.check()
    }
}
