internal import Primitives

/// The changes that really happened, prepared for the questions that watches raise.
package struct WatchTruth: Sendable {
    package struct Change: Sendable {
        var event: RecordedEvent
        /// The key's live version just before.
        var previous: RecordedPair?
    }

    struct Position: Hashable, Sendable {
        var revision: Int64
        var key: Bytes
    }

    /// What somebody asked to compact: the revision, and when.
    struct Compaction: Sendable {
        var revision: Int64
        var start: Int64
    }

    let writes: WriteHistory
    /// All changes, in order.
    let changes: [Change]
    private let changesOfKey: [Bytes: [Int]]
    private let place: [Position: Int]
    let compactions: [Compaction]

    /// `writes` must be complete: from an empty store to beyond everything a watch was told.
    package init(_ writes: WriteHistory, operations: [RecordedOperation]) {
        self.writes = writes
        var live: [Bytes: RecordedPair] = [:]
        var changes: [Change] = []
        var ofKey: [Bytes: [Int]] = [:]
        var place: [Position: Int] = [:]
        for revision in writes.revisions {
            for event in revision.events {
                place[Position(revision: revision.revision, key: event.key)] = changes.count
                ofKey[event.key, default: []].append(changes.count)
                changes.append(Change(event: event, previous: live[event.key]))
                live[event.key] = event.kind == .put ? event.pair : nil
            }
        }
        self.changes = changes
        changesOfKey = ofKey
        self.place = place
        compactions = operations.compactMap { operation in
            guard case .compact(let revision) = operation.request else { return nil }
            if case .failed = operation.outcome { return nil }
            return Compaction(revision: revision, start: operation.start)
        }
    }

    func change(at revision: Int64, _ key: Bytes) -> Change? {
        place[Position(revision: revision, key: key)].map { changes[$0] }
    }

    /// Its place among all changes.
    func order(_ event: RecordedEvent) -> Int? {
        place[Position(revision: event.revision, key: event.key)]
    }

    /// Whether somebody had asked to compact at or above `revision` by then.
    func mayBeCompacted(_ revision: Int64, by time: Int64) -> Bool {
        compactions.contains { $0.revision >= revision && $0.start <= time }
    }

    /// What a watch is owed in these revisions, in order.
    func events(for watch: RecordedWatch, in revisions: ClosedRange<Int64>) -> [RecordedEvent] {
        if watch.interval.isSingleKey {
            let places = changesOfKey[watch.interval.key] ?? []
            let first = firstPlace(places.count, from: revisions.lowerBound) { places[$0] }
            let end = firstPlace(places.count, from: revisions.upperBound &+ 1) { places[$0] }
            return owed(watch, places[first..<max(first, end)])
        }
        let first = firstPlace(changes.count, from: revisions.lowerBound) { $0 }
        let end = firstPlace(changes.count, from: revisions.upperBound &+ 1) { $0 }
        return owed(watch, first..<max(first, end))
    }

    private func owed(
        _ watch: RecordedWatch, _ places: some Sequence<Int>
    ) -> [RecordedEvent] {
        places.compactMap { place in
            let event = changes[place].event
            return watch.wants(event) ? event : nil
        }
    }

    /// The first of `count` places of changes, ascending, that lies at or after `revision`.
    private func firstPlace(
        _ count: Int, from revision: Int64, _ place: (Int) -> Int
    ) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if changes[place(middle)].event.revision < revision {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    /// The first event that the watch is owed in these revisions and was not sent.
    func firstMissing(
        of watch: RecordedWatch, in revisions: ClosedRange<Int64>
    ) -> RecordedEvent? {
        var sent: Set<Position> = []
        for response in watch.responses {
            for event in response.events {
                sent.insert(Position(revision: event.revision, key: event.key))
            }
        }
        return events(for: watch, in: revisions).first {
            !sent.contains(Position(revision: $0.revision, key: $0.key))
        }
    }
}

extension RecordedWatch {
    var name: String { "watch \(id)" }

    /// The revisions of which it has to have everything: from where it began to its last complete
    /// event; nil where it had none.
    var deliveredRevisions: ClosedRange<Int64>? {
        var last: Int64?
        for response in responses {
            guard let event = response.events.last else { continue }
            // Of a message that was cut off in the middle only what is before its last revision.
            let isCut = response.isFragment && response == responses.last
            last = max(last ?? 0, isCut ? event.revision - 1 : event.revision)
        }
        let firstEvent = responses.lazy.compactMap { $0.events.first }.first
        guard let last, let firstEvent else { return nil }
        // "After now" may lie before what the `created` answer says.
        let first =
            startRevision > 0
            ? startRevision : min(firstEvent.revision, firstRevision ?? firstEvent.revision)
        return first <= last ? first...last : nil
    }
}
