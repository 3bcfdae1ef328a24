import Scheduling
import StateMachine
import Testing

@Suite("Master: launches of which nobody knows whether the log has them (DESIGN §8)")
final class UncertainLaunchTests {
    private let desk = MasterDesk()

    /// All of an agent is offered and used, and the time in which that is agreed on runs out.
    private func launch(isInLog: Bool) throws {
        try desk.registers(1)
        desk.subscribes(1)
        desk.tick()
        let offer = try #require(desk.offers(to: 1).first)
        desk.holdsBack = true
        desk.call(
            1,
            .accept(
                offers: [offer.id], [try MasterDesk.launch("t")], refuseMilliseconds: 0))
        desk.timeOut(isInLog: isInLog)
    }

    private func waitForTime() {
        desk.tick(desk.settings.timeRecordMilliseconds)
        desk.commit()
    }

    @Test("what they may take is not offered before a later decision was applied")
    func staysPut() throws {
        try launch(isInLog: false)
        desk.tick()
        #expect(desk.offers(to: 1).count == 1 && desk.updates(to: 1).isEmpty)
        desk.call(1, .reconcile([TaskID("t")]))
        #expect(desk.updates(to: 1).map(\.state) == [.staging])
        waitForTime()
        #expect(desk.updates(to: 1).map(\.state) == [.staging, .dropped])
        desk.tick()
        let offered = desk.offers(to: 1).map(\.resources.description)
        #expect(offered == ["cpus:4;mem:4096", "cpus:4;mem:4096"])
    }

    @Test("one that the log refused is told, also where a task of that id ended before")
    func earlierTask() throws {
        try desk.registers(1)
        desk.subscribes(1)
        desk.tick()
        let first = try #require(desk.offers(to: 1).first)
        desk.call(
            1,
            .accept(
                offers: [first.id], [try MasterDesk.launch("t")], refuseMilliseconds: 0))
        desk.reports(1, "t", .finished, "u1")
        desk.call(1, .acknowledge(TaskID("t"), uuid: Array("u1".utf8)))
        desk.tick(6000)
        desk.step(.agent(AgentConnectionID(1), .heartbeat))
        let second = try #require(desk.master.offers.last)
        desk.holdsBack = true
        desk.call(
            1,
            .accept(
                offers: [second.id], [try MasterDesk.launch("t")], refuseMilliseconds: 0))
        desk.timeOut(isInLog: false)
        waitForTime()
        #expect(desk.updates(to: 1).map(\.state) == [.finished, .dropped])
    }

    @Test("one that the log has is sent, and killed if that was asked for meanwhile")
    func takesEffect() throws {
        try launch(isInLog: true)
        desk.call(1, .kill(TaskID("t"), graceMilliseconds: 0))
        waitForTime()
        #expect(desk.launches(to: 1) == ["t"] && desk.kills(to: 1) == ["t"])
        #expect(desk.updates(to: 1).isEmpty)
        desk.tick()
        let offered = desk.offers(to: 1).map(\.resources.description)
        #expect(offered == ["cpus:4;mem:4096", "cpus:3;mem:3996"])
    }
}
