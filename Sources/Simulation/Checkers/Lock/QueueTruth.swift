internal import Primitives

/// What the store's changes say of every queue of keys: who was in it from when to when, and from
/// when on as the first.
package struct QueueTruth: Sendable {
    /// A key from its creation to its deletion. Numbers are revisions.
    struct Place: Sendable {
        var key: Bytes
        var created: Int64
        var deleted: Int64?
        /// From when on it was the first; nil where it never was.
        var turn: Int64?

        func isThere(at revision: Int64) -> Bool {
            created <= revision && deleted ?? .max > revision
        }
    }

    /// Who led from a revision on, with what; nil for nobody.
    struct Reign: Sendable {
        var from: Int64
        var leader: RecordedPair?
    }

    let calls: [RecordedQueueCall]
    let observations: [RecordedObservation]
    let operations: [RecordedOperation]
    private var places: [Bytes: [Place]] = [:]
    private(set) var reigns: [Bytes: [Reign]] = [:]
    private let sight: FirstSight
    private let earliest: EarliestTimes

    package init(_ history: RecordedHistory, _ writes: WriteHistory) {
        calls = history.queueCalls
        observations = history.observations
        operations = history.operations
        sight = FirstSight(history)
        earliest = EarliestTimes(history.operations)
        let names = Set(calls.map(\.name) + observations.map(\.name))
        for name in names { note(name, writes) }
    }

    /// By creation.
    func places(_ name: Bytes) -> [Place] { places[name] ?? [] }

    func place(_ name: Bytes, _ key: Bytes, at revision: Int64) -> Place? {
        places(name).first { $0.key == key && $0.isThere(at: revision) }
    }

    func place(_ name: Bytes, _ key: Bytes, created revision: Int64) -> Place? {
        places(name).first { $0.key == key && $0.created == revision }
    }

    /// The name of the queue that a key is in.
    func name(of key: Bytes) -> Bytes? {
        places.keys.sorted().first { key.storage.starts(with: RecordedQueueCall.prefix($0)) }
    }

    func reign(_ name: Bytes, at revision: Int64) -> Reign? {
        reigns[name]?.last { $0.from <= revision }
    }

    /// When a revision was made at the latest: somebody knew of it.
    func latest(_ revision: Int64) -> Int64 { sight.time(of: revision) }

    /// When a revision was made at the earliest: what was answered before had not seen it.
    func earliest(_ revision: Int64) -> Int64 { earliest.time(of: revision) }

    private mutating func note(_ name: Bytes, _ writes: WriteHistory) {
        let prefix = RecordedQueueCall.prefix(name)
        var all: [Place] = []
        var live: [Bytes: Int] = [:]
        var values: [Bytes: RecordedPair] = [:]
        var reigns: [Reign] = []
        for change in writes.revisions {
            var isConcerned = false
            for event in change.events where event.key.storage.starts(with: prefix) {
                isConcerned = true
                switch event.kind {
                case .put:
                    values[event.key] = event.pair
                    guard live[event.key] == nil else { continue }
                    live[event.key] = all.count
                    all.append(Place(key: event.key, created: change.revision))
                case .delete:
                    values[event.key] = nil
                    guard let place = live.removeValue(forKey: event.key) else { continue }
                    all[place].deleted = change.revision
                }
            }
            guard isConcerned else { continue }
            let leader = live.values.min().flatMap { values[all[$0].key] }
            if reigns.last?.leader != leader {
                reigns.append(Reign(from: change.revision, leader: leader))
            }
        }
        var free: Int64? = 0
        for place in all.indices {
            if let free {
                let turn = max(free, all[place].created)
                if all[place].deleted ?? .max > turn { all[place].turn = turn }
            }
            free = free.flatMap { before in all[place].deleted.map { max(before, $0) } }
        }
        places[name] = all
        self.reigns[name] = reigns
    }
}

/// The time before which a revision cannot have been made: some call that had begun by then was
/// answered an earlier one, and would have seen it.
private struct EarliestTimes: Sendable {
    private var points: [(revision: Int64, time: Int64)] = []

    init(_ operations: [RecordedOperation]) {
        for operation in operations where Self.isCurrent(operation.request) {
            guard let revision = operation.revision else { continue }
            points.append((revision, operation.start))
        }
        points.sort { $0 < $1 }
        var latest = Int64.min
        for place in points.indices {
            latest = max(latest, points[place].time)
            points[place].time = latest
        }
    }

    /// Whether its answer's revision is not older than its begin.
    private static func isCurrent(_ request: RecordedRequest) -> Bool {
        switch request {
        case .put, .deleteRange, .range, .txn: !request.isSerializable
        case .compact, .leaseGrant, .leaseRevoke, .leaseKeepAlive, .leaseTimeToLive: false
        }
    }

    func time(of revision: Int64) -> Int64 {
        var low = 0
        var high = points.count
        while low < high {
            let middle = (low + high) / 2
            if points[middle].revision < revision { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? points[low - 1].time : .min
    }
}

extension QueueTruth {
    /// When the key of an answered lock was created; nil where it is not there.
    package func created(of call: RecordedQueueCall) -> Int64? { held(by: call)?.created }

    /// From when on it was the first; nil where it never was.
    package func turn(of call: RecordedQueueCall) -> Int64? { held(by: call)?.turn }

    private func held(by call: RecordedQueueCall) -> Place? {
        guard case .ok(let revision) = call.outcome else { return nil }
        let key = RecordedQueueCall.key(call.name, lease: call.lease)
        return place(call.name, key, at: revision)
    }
}
