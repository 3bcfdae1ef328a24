package import Primitives
package import StateMachine

/// When a leader raises the space alarm, and when it takes it back, as a value.
///
/// It takes back what it has seen to be right: an alarm that somebody raised by hand, in a store
/// with room, stays until somebody takes it back.
package struct SpaceAlarmDuty: Equatable, Sendable {
    /// The store was full while the alarm was raised.
    private var wasFull = false

    package init() {}

    /// What to propose now, if anything.
    /// - Parameters:
    ///   - inUse: bytes of keys and values, with their history.
    ///   - quota: in bytes; 0 is none.
    ///   - raised: the alarms of the store.
    package mutating func request(
        inUse: Int64, quota: Int64, raised: [AlarmMember], by member: NodeID
    ) -> AlarmRequest? {
        guard quota > 0 else { return nil }
        guard let alarm = raised.first(where: { $0.kind == .noSpace }) else {
            wasFull = false
            return inUse > quota ? AlarmRequest(.activate, member: member, kind: .noSpace) : nil
        }
        // With room for more than the next write, so that it does not come and go with each.
        if inUse > quota - quota / 10 {
            wasFull = true
            return nil
        }
        #if KEELSON_MUTANTS
            if planted(.takesBackWhatItNeverSaw) { wasFull = true }
        #endif
        guard wasFull else { return nil }
        return AlarmRequest(.deactivate, member: alarm.member, kind: .noSpace)
    }
}
