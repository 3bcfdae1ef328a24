package import Primitives

/// All watchers of one node as a value: who is to be told of which change, and who still has to
/// catch up.
///
/// A watcher is **synced** when it was told of everything up to ``revision``; then it costs nothing
/// until a key of its range changes. It is **behind** while it reads older revisions from the
/// store's log, **held** while its stream takes nothing, and **early** while its start revision
/// lies in the future. Held and early watchers keep a revision, never events: memory is bounded by
/// the number of watchers.
///
/// Watchers with one spec form a group. An event is matched against groups, so ten thousand
/// watchers of one prefix cost one match and one delivery.
package struct WatchHub: Sendable {
    package enum State: Sendable {
        /// At this place among its group's synced members.
        case synced(at: Int)
        /// At this place in ``behind``; the next revision that it wants.
        case behind(at: Int, next: Int64)
        case held(next: Int64)
        case early
        case free
    }

    package struct Watcher: Sendable {
        var generation: UInt32
        var group: Int
        /// The start revision as it was asked for; 0 means "after now".
        var start: Int64
        var state: State
    }

    package struct Group: Sendable {
        let spec: WatchSpec
        let space: SpaceID
        /// Watchers of this spec in any state. The group goes with the last one.
        var watcherCount = 0
        var synced: [WatcherID] = []
        /// Events collected in the running pass; empty between calls.
        var pending: [WatchEvent] = []
        /// The last pass of ``catchUp(log:recordsMax:)`` in which a watcher of this group takes
        /// part.
        var pass: UInt64 = 0

        init(_ spec: WatchSpec) {
            self.spec = spec
            space = spec.space
        }
    }

    /// The newest revision that the hub was told of.
    package internal(set) var revision: Revision
    package var watchers: [Watcher] = []
    package var freeWatchers: [Int] = []
    package var groups: [Group] = []
    package var freeGroups: [Int] = []
    package var groupBySpec: [WatchSpec: Int] = [:]
    package var exact: [Bytes: [Int]] = [:]
    package var ranges = IntervalTree()
    /// Groups that see the datacenter's records: most nodes have none.
    package var recordGroupCount = 0
    package var behind: [WatcherID] = []
    /// Whose turn it is in `behind`.
    package var turn = 0
    /// Watchers whose start lies in the future, by start.
    package var early: [(start: Int64, id: WatcherID)] = []
    package var passes: UInt64 = 0

    package init(revision: Revision) { self.revision = revision }

    /// How many watchers there are, and how many of them read old revisions.
    package var watcherCount: Int { watchers.count - freeWatchers.count }
    package var behindCount: Int { behind.count }
    /// Watchers that wait for their streams.
    package internal(set) var heldCount = 0
    /// Whether ``catchUp(log:recordsMax:)`` has something to do.
    package var needsCatchUp: Bool { !behind.isEmpty }

    /// Adds a watcher. A start revision of 0 means after ``revision``; it is never negative.
    package mutating func add(_ spec: WatchSpec, start: Int64) -> WatcherID {
        invariant(start >= 0, "a watch starts at revision \(start)")
        let group = joinGroup(spec)
        let slot: Int
        if let free = freeWatchers.popLast() {
            slot = free
            watchers[slot].group = group
            watchers[slot].start = start
        } else {
            slot = watchers.count
            watchers.append(Watcher(generation: 0, group: group, start: start, state: .free))
        }
        let id = WatcherID(slot: slot, generation: watchers[slot].generation)
        settle(id, next: start == 0 ? revision.rawValue + 1 : start)
        return id
    }

    package mutating func remove(_ id: WatcherID) {
        guard contains(id) else { return }
        leaveState(id)
        let group = watchers[id.slot].group
        watchers[id.slot].state = .free
        watchers[id.slot].generation &+= 1
        freeWatchers.append(id.slot)
        groups[group].watcherCount -= 1
        if groups[group].watcherCount == 0 { dissolve(group) }
    }

    package func contains(_ id: WatcherID) -> Bool {
        guard id.slot < watchers.count, watchers[id.slot].generation == id.generation else {
            return false
        }
        if case .free = watchers[id.slot].state { return false }
        return true
    }

    /// Whether "everything up to ``revision`` was told" may be said of the watcher (W6), and its
    /// start revision is not above that (W10).
    package func mayMarkProgress(_ id: WatcherID) -> Bool {
        guard contains(id), case .synced = watchers[id.slot].state else { return false }
        return watchers[id.slot].start <= revision.rawValue
    }

    /// The watcher's stream took nothing from `from` on: it costs nothing until ``resume(_:)``.
    package mutating func hold(_ id: WatcherID, from: Revision) {
        guard contains(id) else { return }
        if case .held = watchers[id.slot].state { return }
        leaveState(id)
        watchers[id.slot].state = .held(next: from.rawValue)
        heldCount += 1
    }

    /// The watcher's stream takes messages again.
    package mutating func resume(_ id: WatcherID) {
        guard contains(id), case .held(let next) = watchers[id.slot].state else { return }
        leaveState(id)
        settle(id, next: next)
    }

    /// The store is another one, at a later revision: everybody reads what was jumped over.
    package mutating func jump(to newRevision: Revision) {
        invariant(newRevision >= revision, "the hub is at \(revision), the store at \(newRevision)")
        guard newRevision > revision else { return }
        let next = revision.rawValue + 1
        revision = newRevision
        for group in groups.indices {
            #if KEELSON_MUTANTS
                if planted(.skipsWhatWasJumped) { continue }
            #endif
            let members = groups[group].synced
            groups[group].synced = []
            for id in members { enqueue(id, next: max(next, watchers[id.slot].start)) }
        }
        wakeEarly()
    }

    /// Tells of what was applied: `records` are all changes in `revision + 1 ... through`, in
    /// order.
    ///
    /// Cost: a look-up a record and a step a matching group; watchers cost nothing here.
    package mutating func publish(
        _ records: [Record], through newRevision: Revision, log: some WatchHistory
    ) -> [WatchOutput] {
        invariant(newRevision >= revision, "revision \(newRevision) follows \(revision)")
        let from = revision.next
        revision = newRevision
        var touched: [Int] = []
        if !groupBySpec.isEmpty {
            for record in records {
                collect(record, log: log, into: &touched) { !$0.synced.isEmpty }
            }
        }
        var outputs: [WatchOutput] = []
        outputs.reserveCapacity(touched.count)
        for group in touched {
            let delivery = WatchDelivery(
                spec: groups[group].spec, from: from, headerRevision: newRevision,
                events: groups[group].pending)
            groups[group].pending = []
            outputs.append(.events(delivery, to: groups[group].synced))
        }
        wakeEarly()
        return outputs
    }

    /// Files a record under the groups that want it and for which `isOpen` holds; true if there are
    /// any.
    @discardableResult
    package mutating func collect(
        _ record: Record, log: some WatchHistory, into touched: inout [Int],
        where isOpen: (Group) -> Bool
    ) -> Bool {
        var isWanted = false
        var matching: [Int] = []
        var space = SpaceID.client
        record.withKey { key in
            space = .of(key)
            if !exact.isEmpty, let found = exact[Bytes(Array(key))] { matching = found }
            if !ranges.isEmpty { ranges.forEach(around: key) { matching.append($0) } }
        }
        var previous: Record??
        for group in matching
        where groups[group].space == space && isOpen(groups[group])
            && groups[group].spec.wants(tombstone: record.isTombstone)
        {
            var event = WatchEvent(record: record, previous: nil)
            if groups[group].spec.withPrevious {
                if previous == nil { previous = .some(log.previousVersion(of: record)) }
                event.previous = previous ?? nil
            }
            isWanted = true
            if groups[group].pending.isEmpty { touched.append(group) }
            groups[group].pending.append(event)
        }
        return isWanted
    }
}
