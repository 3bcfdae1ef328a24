import Primitives
import Replication
import StateMachine
import Testing

@Suite("When a leader raises the space alarm, and when it takes it back")
struct SpaceAlarmTests {
    private let own = NodeID(1)
    private let raised = AlarmMember(member: NodeID(2), kind: .noSpace)

    private func ask(
        _ duty: inout SpaceAlarmDuty, _ inUse: Int64, quota: Int64 = 1000,
        _ alarms: [AlarmMember] = []
    ) -> AlarmRequest? {
        duty.request(inUse: inUse, quota: quota, raised: alarms, by: own)
    }

    @Test("it is raised above the quota, and not where there is none")
    func raises() {
        var duty = SpaceAlarmDuty()
        #expect(ask(&duty, 1000) == nil)
        #expect(ask(&duty, 1001) == AlarmRequest(.activate, member: own, kind: .noSpace))
        #expect(ask(&duty, .max, quota: 0) == nil)
    }

    @Test("it is taken back, whoever raised it, once a tenth of the quota is free")
    func takesBack() {
        var duty = SpaceAlarmDuty()
        #expect(ask(&duty, 1001, [raised]) == nil)
        #expect(ask(&duty, 901, [raised]) == nil)
        let request = AlarmRequest(.deactivate, member: raised.member, kind: .noSpace)
        #expect(ask(&duty, 900, [raised]) == request)
        // Until that is applied.
        #expect(ask(&duty, 900, [raised]) == request)
        #expect(ask(&duty, 950) == nil)
    }

    @Test("one that was raised by hand, in a store with room, stays")
    func byHand() {
        var duty = SpaceAlarmDuty()
        #expect(ask(&duty, 10, [raised]) == nil)
        // What was seen of an alarm that has gone says nothing of the next one.
        _ = ask(&duty, 1001, [raised])
        #expect(ask(&duty, 10) == nil)
        #expect(ask(&duty, 10, [raised]) == nil)
    }

    @Test("CORRUPT is none of its business")
    func corrupt() {
        var duty = SpaceAlarmDuty()
        let corrupt = AlarmMember(member: own, kind: .corrupt)
        #expect(ask(&duty, 10, [corrupt]) == nil)
        #expect(ask(&duty, 1001, [corrupt])?.action == AlarmRequest.Action.activate.rawValue)
    }
}
