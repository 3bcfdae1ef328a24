/// Where the time of one request went.
///
/// Source of the words: docs/monitoring.md, "Slow requests".
package struct RequestStages: Equatable, Sendable {
    package enum Name: String, Sendable, CaseIterable {
        /// From the request's first byte to its place in the log: on a follower, with the way to
        /// the leader and back.
        case queued
        /// From there until this member's disk had it.
        case persisted
        /// From its place in the log until a majority had it: beside ``persisted``, not behind it.
        case committed
        /// From then until it was done to the store.
        case applied
        /// Of a read: until the store was known to be new enough.
        case confirmed
        /// From there until there was an answer: of a read, looking it up.
        case answered
        /// From there until the last of it left for the socket.
        case sent
    }

    package struct Stage: Equatable, Sendable {
        package var name: Name
        /// By the clock of the times that it was made from.
        package var began: UInt64
        package var nanoseconds: UInt64
    }

    /// Those that are known, in the order in which they are gone through.
    package private(set) var stages: [Stage] = []

    /// Times in nanoseconds of one clock.
    /// - Parameters:
    ///   - entry: nil for what has no place in the log.
    ///   - readable: nil for what is no read.
    ///   - sent: nil where it never was.
    package init(
        began: UInt64, entry: LogMilestones.Times?, readable: UInt64?, answered: UInt64,
        sent: UInt64?
    ) {
        var last = began
        if let entry {
            let appended = max(began, entry.appended ?? began)
            if entry.appended != nil { add(.queued, from: began, to: appended) }
            add(entry, appended: appended)
            last = max(last, entry.applied ?? last)
        } else if let readable {
            add(.confirmed, from: began, to: readable)
            last = max(last, readable)
        }
        add(.answered, from: last, to: answered)
        if let sent { add(.sent, from: answered, to: sent) }
    }

    /// Of an entry on a member whose client it is not. Nil where that member does not know when the
    /// entry came into its log.
    package init?(replicated entry: LogMilestones.Times) {
        guard let appended = entry.appended else { return nil }
        add(entry, appended: appended)
    }

    private mutating func add(_ entry: LogMilestones.Times, appended: UInt64) {
        if let durable = entry.durable { add(.persisted, from: appended, to: durable) }
        guard let committed = entry.committed else { return }
        add(.committed, from: appended, to: committed)
        if let applied = entry.applied {
            add(.applied, from: max(committed, appended), to: applied)
        }
    }

    private mutating func add(_ name: Name, from start: UInt64, to end: UInt64) {
        stages.append(
            Stage(name: name, began: start, nanoseconds: end > start ? end - start : 0))
    }

    /// The stage that took longest; the first of several.
    package var longest: Name? {
        var found: Stage?
        for stage in stages where stage.nanoseconds > found?.nanoseconds ?? 0 { found = stage }
        return found?.name
    }
}
