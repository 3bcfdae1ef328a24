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

    @Test("one that stands when a leader begins is taken back where that one has room")
    func ofEarlierLeaders() {
        let request = AlarmRequest(.deactivate, member: raised.member, kind: .noSpace)
        // It was restarted with a larger quota, or has purged sooner than the one before.
        for (inUse, quota) in [(1001, 2000), (300, 1000)] as [(Int64, Int64)] {
            var duty = SpaceAlarmDuty()
            #expect(ask(&duty, inUse, quota: quota, [raised]) == request)
        }
        var full = SpaceAlarmDuty()
        #expect(ask(&full, 950, [raised]) == nil)
    }

    @Test("one is taken back though there was room again before it was on record")
    func soonOver() {
        var duty = SpaceAlarmDuty()
        #expect(ask(&duty, 1001)?.action == AlarmRequest.Action.activate.rawValue)
        #expect(ask(&duty, 10, [raised])?.action == AlarmRequest.Action.deactivate.rawValue)
    }

    @Test("one that is raised by hand while there is room stays as long as that leader")
    func byHand() {
        var duty = SpaceAlarmDuty()
        #expect(ask(&duty, 10) == nil)
        #expect(ask(&duty, 10, [raised]) == nil)
        // Near the quota is not above it.
        #expect(ask(&duty, 950, [raised]) == nil)
        #expect(ask(&duty, 900, [raised]) == nil)
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
