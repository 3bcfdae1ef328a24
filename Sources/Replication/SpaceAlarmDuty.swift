package import Primitives
package import StateMachine

/// When a leader raises the space alarm, and when it takes it back, as a value: one a leadership.
///
/// What stands when a leader begins was raised by an earlier one for want of space: who that was,
/// and how full that member's own disk of versions was, is not on record. An alarm that comes up
/// under a leader in whose store there is room was raised by hand, and stays while that one leads.
package struct SpaceAlarmDuty: Equatable, Sendable {
    /// The alarm that stands, or is to come, is for want of space.
    private var wasNeeded = true

    package init() {}

    /// What to propose now, if anything.
    /// - Parameters:
    ///   - inUse: bytes of keys and values, with their history, on this member.
    ///   - quota: in bytes; 0 is none.
    ///   - raised: the alarms of the store.
    package mutating func request(
        inUse: Int64, quota: Int64, raised: [AlarmMember], by member: NodeID
    ) -> AlarmRequest? {
        guard quota > 0 else { return nil }
        let isFull = inUse > quota
        guard let alarm = raised.first(where: { $0.kind == .noSpace }) else {
            wasNeeded = isFull
            return isFull ? AlarmRequest(.activate, member: member, kind: .noSpace) : nil
        }
        if isFull { wasNeeded = true }
        #if KEELSON_MUTANTS
            if planted(.takesBackWhatItNeverSaw) { wasNeeded = true }
            if planted(.forgetsWhyItWasRaised), !isFull { wasNeeded = false }
        #endif
        // With room for more than the next write, so that it does not come and go with each.
        guard wasNeeded, inUse <= quota - quota / 10 else { return nil }
        return AlarmRequest(.deactivate, member: alarm.member, kind: .noSpace)
    }
}
