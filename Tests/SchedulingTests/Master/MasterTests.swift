import Scheduling
import StateMachine
import Testing

@Suite("The datacenter's master")
final class MasterTests {
    private let desk = MasterDesk()

    /// One agent, one framework, and what is offered to it.
    private func offered() throws -> MasterOffer {
        try desk.registers(1)
        desk.subscribes(1)
        desk.tick()
        return try #require(desk.offers(to: 1).first)
    }

    private func accept(_ offer: MasterOffer, _ tasks: String...) throws {
        desk.call(
            1,
            .accept(
                offers: [offer.id], try tasks.map { try MasterDesk.launch($0) },
                refuseMilliseconds: 5000))
    }

    @Test("what an agent has is offered, launched, reported and acknowledged, in that order")
    func cycle() throws {
        let offer = try offered()
        #expect(offer.resources.description == "cpus:4;mem:4096")
        try accept(offer, "t")
        #expect(desk.launches(to: 1) == ["t"])
        desk.reports(1, "t", .running, "u1")
        #expect(desk.acknowledgements(to: 1) == ["u1"])
        #expect(desk.updates(to: 1).map(\.state) == [.running])
        desk.reports(1, "t", .finished, "u2")
        // One at a time: the next is told when this one is acknowledged.
        #expect(desk.updates(to: 1).map(\.state) == [.running])
        desk.call(1, .acknowledge(TaskID("t"), uuid: Array("u1".utf8)))
        #expect(desk.updates(to: 1).map(\.state) == [.running, .finished])
    }

    @Test("a status whose acknowledgement found no room is told again, and the next one after it")
    func lostAcknowledgement() throws {
        try accept(try offered(), "t")
        desk.reports(1, "t", .running, "u1")
        desk.reports(1, "t", .finished, "u2")
        desk.holdsBack = true
        desk.call(1, .acknowledge(TaskID("t"), uuid: Array("u1".utf8)))
        desk.refuse()
        desk.holdsBack = false
        desk.tick(900)
        #expect(desk.updates(to: 1).map(\.state) == [.running], "not in a loop")
        desk.tick()
        #expect(desk.updates(to: 1).map(\.state) == [.running, .running])
        desk.call(1, .acknowledge(TaskID("t"), uuid: Array("u1".utf8)))
        #expect(desk.updates(to: 1).map(\.state) == [.running, .running, .finished])
    }

    @Test("nothing is sent to an agent, and nothing acknowledged, before it is committed")
    func committedFirst() throws {
        let offer = try offered()
        desk.holdsBack = true
        try accept(offer, "t")
        #expect(desk.launches(to: 1).isEmpty && desk.heldBack.count == 1)
        desk.commit()
        #expect(desk.launches(to: 1) == ["t"])
        desk.reports(1, "t", .running, "u1")
        #expect(desk.acknowledgements(to: 1).isEmpty && desk.updates(to: 1).isEmpty)
        desk.commit()
        #expect(desk.acknowledgements(to: 1) == ["u1"])
    }

    @Test("launches that are sent again go out in the order of their sequences")
    func sentAgainInOrder() throws {
        let offer = try offered()
        // Their names stand in another order.
        try accept(offer, "z", "m", "a")
        #expect(desk.launches(to: 1) == ["z", "m", "a"])
        try desk.registers(2, id: "a1")
        #expect(desk.launches(to: 2) == ["z", "m", "a"])
        desk.tick(5_000)
        #expect(desk.launches(to: 2) == ["z", "m", "a", "z", "m", "a"])
    }

    @Test("offers are of agents that the framework's constraints allow, and of no others")
    func constraints() throws {
        try desk.registers(1, host: "h1")
        try desk.registers(2, new: "a2", host: "h2", incarnation: 8)
        desk.subscribes(1, onlyOn: "h2")
        desk.tick()
        #expect(desk.offers(to: 1).map(\.agent) == [AgentID("a2")])
        #expect(desk.master.offers == desk.offers(to: 1))
        // What it wants now is on record, and counts for the next master.
        desk.failOver()
        try desk.registers(1, id: "a1", host: "h1")
        try desk.registers(2, id: "a2", host: "h2", incarnation: 8)
        desk.subscribes(2, id: "f1", onlyOn: "h1")
        desk.tick()
        #expect(desk.offers(to: 2).map(\.agent) == [AgentID("a1")])
    }

    @Test("a kill has the grace that its caller gave, and none where nobody gave one")
    func grace() throws {
        let offer = try offered()
        try accept(offer, "t", "u")
        desk.reports(1, "t", .running, "u1")
        desk.reports(1, "u", .running, "u2")
        desk.call(1, .kill(TaskID("t"), graceMilliseconds: 0))
        desk.call(1, .kill(TaskID("u"), graceMilliseconds: 700))
        let graces = desk.orders.compactMap { order in
            if case .kill(_, _, let grace) = order.1 { grace } else { nil }
        }
        #expect(graces == [0, 700])
    }

    @Test("a launch that was committed and not sent is sent by the next master, once")
    func sentByTheNext() throws {
        let offer = try offered()
        desk.holdsBack = true
        try accept(offer, "t")
        desk.commitUnseen()
        desk.holdsBack = false
        desk.failOver()
        #expect(desk.launches(to: 1).isEmpty)
        try desk.registers(2, id: "a1")
        #expect(desk.launches(to: 2) == ["t"])
        desk.tick(200)
        #expect(desk.launches(to: 2) == ["t"])
        desk.reports(2, "t", .running, "u1")
        desk.tick(60_000)
        #expect(desk.launches(to: 2) == ["t"])
    }

    @Test("what a deposed master decided has no effect")
    func deposed() throws {
        let offer = try offered()
        desk.holdsBack = true
        try accept(offer, "t")
        let decision = try #require(desk.heldBack.first)
        desk.failOver()
        let applied = desk.apply(decision.1, decidedIn: decision.2)
        guard case .failed(.fenced) = applied.outcome else {
            Issue.record("\(applied.outcome)")
            return
        }
        #expect(desk.table.tasks.isEmpty)
    }

    @Test("an offer is used once, and one that is gone loses its tasks with an answer")
    func usedTwice() throws {
        let offer = try offered()
        try accept(offer, "t")
        try accept(offer, "u")
        #expect(desk.launches(to: 1) == ["t"])
        let lost = try #require(desk.updates(to: 1).last)
        #expect(lost.key.task == TaskID("u") && lost.state == .lost && lost.uuid.isEmpty)
        desk.failOver()
        desk.subscribes(2, id: "f1")
        desk.call(
            2, .accept(offers: [offer.id], [try MasterDesk.launch("v")], refuseMilliseconds: 0))
        #expect(desk.updates(to: 2).last?.state == .lost)
    }

    @Test("a task that needs more than was offered is an error, and the others are launched")
    func tooMuch() throws {
        let offer = try offered()
        desk.call(
            1,
            .accept(
                offers: [offer.id],
                [
                    try MasterDesk.launch("big", "cpus:5"), try MasterDesk.launch("t"),
                ], refuseMilliseconds: 0))
        #expect(desk.launches(to: 1) == ["t"])
        #expect(desk.updates(to: 1).map(\.state) == [.error])
    }

    @Test("a second scheduler of a framework takes over, and the first is told so")
    func schedulerFailover() throws {
        let offer = try offered()
        try accept(offer, "t")
        desk.reports(1, "t", .running, "u1")
        desk.subscribes(2, id: "f1")
        #expect(desk.closed == [SchedulerStreamID(1)])
        #expect(desk.updates(to: 2).map(\.uuid) == [Array("u1".utf8)])
        // The old connection has no say, and its end ends nothing.
        desk.call(1, .teardown)
        desk.step(.scheduler(SchedulerStreamID(1), .disconnected))
        #expect(desk.table.frameworks[FrameworkID("f1")]?.record.phase == .connected)
        desk.tick(10_000)
        #expect(!desk.offers(to: 2).isEmpty)
    }

    @Test("a framework's time runs from when it left, over any number of masters, and then it ends")
    func frameworkTimeout() throws {
        let offer = try offered()
        try accept(offer, "t")
        desk.reports(1, "t", .running, "u1")
        desk.step(.scheduler(SchedulerStreamID(1), .disconnected))
        #expect(desk.table.frameworks[FrameworkID("f1")]?.record.phase == .disconnected)
        for _ in 0..<5 {
            desk.failOver()
            try desk.registers(9, id: "a1")
            desk.tick(8_000)
        }
        #expect(desk.table.frameworks[FrameworkID("f1")]?.record.phase == .disconnected)
        #expect(desk.kills(to: 9).isEmpty)
        desk.step(.agent(AgentConnectionID(9), .heartbeat))
        desk.tick(9_000)
        desk.step(.agent(AgentConnectionID(9), .heartbeat))
        desk.tick(9_000)
        desk.tick(9_000)
        #expect(desk.table.frameworks[FrameworkID("f1")]?.record.phase == .ended)
        #expect(desk.kills(to: 9) == ["t"])
    }

    @Test("no task of a framework ends because masters change, however long it takes to come back")
    func noKillByFailover() throws {
        let offer = try offered()
        try accept(offer, "t")
        desk.reports(1, "t", .running, "u1")
        desk.failOver()
        try desk.registers(2, id: "a1")
        desk.tick(14_000)
        #expect(desk.table.frameworks[FrameworkID("f1")]?.record.phase == .connected)
        desk.subscribes(2, id: "f1")
        #expect(desk.kills(to: 2).isEmpty)
        #expect(desk.updates(to: 2).map(\.state).contains(.running))
    }

    @Test("an agent that is not heard of is unreachable, and its framework hears so and keeps it")
    func unreachable() throws {
        let offer = try offered()
        try accept(offer, "t")
        desk.reports(1, "t", .running, "u1")
        desk.call(1, .acknowledge(TaskID("t"), uuid: Array("u1".utf8)))
        desk.tick(9_000)
        #expect(desk.table.agents[AgentID("a1")]?.record.phase == .reachable)
        desk.tick(2_000)
        #expect(desk.table.agents[AgentID("a1")]?.record.phase == .unreachable)
        let told = try #require(desk.updates(to: 1).last)
        #expect(told.state == .unreachable && told.unreachableSince == desk.now)
        desk.call(1, .reconcile([TaskID("t")]))
        let answer = try #require(desk.updates(to: 1).last)
        #expect(answer.state == .unreachable && answer.unreachableSince == told.unreachableSince)
        #expect(answer.message == "Reconciliation: Task is unreachable")
        try desk.registers(2, id: "a1")
        desk.reports(2, "t", .running, "u1")
        #expect(desk.table.tasks[TaskKey(FrameworkID("f1"), TaskID("t"))]?.state == .running)
        #expect(desk.kills(to: 2).isEmpty)
    }

    @Test("after a change of leader agents have more time, those that are gone count for nothing")
    func timeToComeBack() throws {
        desk.settings.reconnectMicrosecondsPerAgent = 5_000_000
        try desk.registers(1, new: "a1", incarnation: 1)
        try desk.registers(2, new: "a2", incarnation: 2)
        try desk.registers(3, new: "a3", incarnation: 3)
        desk.operate(.agentGone(AgentID("a3"), byOperator: true))
        desk.failOver()
        func isReachable(_ id: String) -> Bool {
            desk.table.agents[AgentID(id)]?.record.phase == .reachable
        }
        desk.tick(1_000)
        // From here on its own ten seconds count.
        try desk.registers(4, id: "a1", incarnation: 1)
        desk.tick(9_000)
        #expect(isReachable("a1") && isReachable("a2"))
        desk.tick(2_000)
        #expect(!isReachable("a1"))
        desk.tick(7_000)
        #expect(isReachable("a2"))
        desk.tick(2_000)
        #expect(!isReachable("a2"))
    }

    @Test("a launch that an agent never heard of, because it was given up, is sent when it is back")
    func launchedWhileAway() throws {
        let offer = try offered()
        desk.step(.agent(AgentConnectionID(1), .disconnected))
        try accept(offer, "t")
        #expect(desk.launches(to: 1).isEmpty)
        desk.tick(11_000)
        #expect(desk.updates(to: 1).map(\.state) == [.unreachable])
        try desk.registers(2, id: "a1")
        #expect(desk.launches(to: 2) == ["t"])
    }

    @Test("an agent that speaks again after it was given up is asked to register again")
    func speaksAgain() throws {
        let offer = try offered()
        try accept(offer, "t")
        desk.tick(11_000)
        #expect(desk.table.agents[AgentID("a1")]?.record.phase == .unreachable)
        desk.step(.agent(AgentConnectionID(1), .heartbeat))
        let last = try #require(desk.orders.last)
        #expect(last.1 == .refused("register again", isFinal: false))
        try desk.registers(2, id: "a1")
        #expect(desk.table.agents[AgentID("a1")]?.record.phase == .reachable)
    }

    @Test("a kill reaches an agent that was away when it was asked for")
    func killWhileAway() throws {
        let offer = try offered()
        try accept(offer, "t")
        desk.reports(1, "t", .running, "u1")
        desk.step(.agent(AgentConnectionID(1), .disconnected))
        desk.call(1, .kill(TaskID("t"), graceMilliseconds: 10))
        #expect(desk.kills(to: 1).isEmpty)
        desk.failOver()
        try desk.registers(2, id: "a1")
        #expect(desk.kills(to: 2) == ["t"])
    }

    @Test("what is declined is offered again when the refusal has ended, or at once when revived")
    func declined() throws {
        let offer = try offered()
        desk.call(1, .decline(offers: [offer.id], refuseMilliseconds: 5000))
        desk.tick(1000)
        #expect(desk.offers(to: 1).count == 1)
        desk.call(1, .revive(roles: []))
        desk.tick()
        #expect(desk.offers(to: 1).count == 2)
    }

    @Test("reconciliation answers from what is on record: what runs, and what nobody knows")
    func reconciles() throws {
        let offer = try offered()
        try accept(offer, "t")
        desk.failOver()
        desk.subscribes(2, id: "f1")
        desk.call(2, .reconcile([]))
        #expect(desk.updates(to: 2).map(\.state) == [.staging])
        desk.call(2, .reconcile([TaskID("other")]))
        #expect(desk.updates(to: 2).last?.state == .unknown)
    }

    @Test("a task whose launch is on its way is not unknown, and a kill of it follows the launch")
    func onItsWay() throws {
        let offer = try offered()
        desk.holdsBack = true
        try accept(offer, "t", "u")
        desk.call(1, .reconcile([TaskID("t")]))
        desk.call(1, .reconcile([]))
        desk.call(1, .kill(TaskID("t"), graceMilliseconds: 300))
        let told = desk.updates(to: 1)
        #expect(told.map { "\($0.key.task)" } == ["t", "t", "u"])
        #expect(told.allSatisfy { $0.state == .staging && $0.agent == AgentID("a1") })
        desk.commit()
        #expect(desk.launches(to: 1) == ["t", "u"] && desk.kills(to: 1) == ["t"])
        desk.reports(1, "t", .killed, "u1")
        desk.commit()
        desk.call(1, .reconcile([TaskID("t")]))
        #expect(desk.updates(to: 1).last?.state == .killed)
    }

    @Test("a launch that the log refuses is dropped, and its task unknown from then on")
    func refusedOnItsWay() throws {
        let offer = try offered()
        desk.holdsBack = true
        try accept(offer, "t")
        desk.call(1, .kill(TaskID("t"), graceMilliseconds: 0))
        desk.apply(
            .agentMode(AgentID("a1"), .draining, graceMilliseconds: 0, goneWhenDrained: false))
        desk.commit()
        desk.call(1, .reconcile([TaskID("t")]))
        #expect(desk.updates(to: 1).map(\.state) == [.dropped, .unknown])
        #expect(desk.kills(to: 1).isEmpty)
    }

    @Test("draining ends what runs, makes no offers, and then the agent is gone")
    func drains() throws {
        let offer = try offered()
        try accept(offer, "t")
        desk.reports(1, "t", .running, "u1")
        desk.operate(
            .agentMode(
                AgentID("a1"), .draining, graceMilliseconds: 10, goneWhenDrained: true))
        desk.tick()
        #expect(desk.kills(to: 1) == ["t"])
        desk.reports(1, "t", .killed, "u2")
        desk.tick()
        #expect(desk.table.agents[AgentID("a1")]?.record.phase == .gone)
    }
}
