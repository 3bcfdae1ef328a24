internal import Primitives

/// What a run left: the clients' calls, their watches, locks and elections and, where somebody read
/// it from the store itself, the changes revision by revision.
package struct RecordedHistory: Equatable, Sendable {
    package var operations: [RecordedOperation]
    package var watches: [RecordedWatch]
    package var writes: WriteHistory?
    package var queueCalls: [RecordedQueueCall]
    package var observations: [RecordedObservation]

    package init(
        operations: [RecordedOperation] = [], watches: [RecordedWatch] = [],
        writes: WriteHistory? = nil, queueCalls: [RecordedQueueCall] = [],
        observations: [RecordedObservation] = []
    ) {
        self.operations = operations
        self.watches = watches
        self.writes = writes
        self.queueCalls = queueCalls
        self.observations = observations
    }
}

/// One revision's changes, in the order in which the request made them.
package struct RecordedRevision: Hashable, Sendable {
    package var revision: Int64
    package var events: [RecordedEvent]

    package init(_ revision: Int64, _ events: [RecordedEvent]) {
        self.revision = revision
        self.events = events
    }
}

/// Every change of the store from its first revision on: the full account that watches, durability
/// and leases are held against. An empty store is at revision 1, its first change makes 2.
package struct WriteHistory: Equatable, Sendable {
    /// Sorted by revision.
    package private(set) var revisions: [RecordedRevision]

    package init(_ revisions: [RecordedRevision]) {
        self.revisions = revisions.sorted { $0.revision < $1.revision }
    }

    package var lastRevision: Int64 { revisions.last?.revision ?? 1 }

    /// The changes of one revision; nil where there is none.
    package subscript(revision: Int64) -> [RecordedEvent]? {
        let place = firstIndex(from: revision)
        guard place < revisions.count, revisions[place].revision == revision else { return nil }
        return revisions[place].events
    }

    /// Position of the first revision at or after `revision`. O(log n).
    package func firstIndex(from revision: Int64) -> Int {
        var low = 0
        var high = revisions.count
        while low < high {
            let middle = (low + high) / 2
            if revisions[middle].revision < revision { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The live pairs at the end, by key.
    package var finalState: [RecordedPair] {
        var newest: [Bytes: RecordedEvent] = [:]
        for change in revisions {
            for event in change.events { newest[event.key] = event }
        }
        return newest.values.filter { $0.kind == .put }.map { $0.pair }
            .sorted { $0.key < $1.key }
    }
}
