internal import Primitives

/// What is known of every lease, from answered calls and from the store's changes.
package struct LeaseTruth: Sendable {
    /// One life of a lease, from a grant to the next grant of the same id.
    struct Life: Sendable {
        var lease: Int64
        var seconds: Int64
        var requestedSeconds: Int64
        /// The grant and the renewals that succeeded, by start.
        var renewals: [Call] = []
        /// Renewals that nobody answered.
        var openRenewals: [Call] = []
        /// Renewals that were told that there is no such lease.
        var refusals: [Call] = []
        var questions: [Question] = []
        /// Answered ones.
        var revocations: [Call] = []
        /// Where its keys went without anybody having asked for it.
        var expiry: Ending?
        var name: String { "lease \(lease)" }
        var nanoseconds: Int64 { seconds &* 1_000_000_000 }
    }

    struct Call: Sendable {
        var operation: Int
        var start: Int64
        var end: Int64
        var revision: Int64
    }

    struct Question: Sendable {
        var call: Call
        var remaining: Int64
        var granted: Int64
    }

    /// A revision that deleted keys of a lease.
    struct Ending: Sendable {
        var revision: Int64
        /// When somebody first knew of the revision.
        var seenAt: Int64
        var deleted: Set<Bytes>
        /// What was attached just before.
        var attached: Set<Bytes>
    }

    private(set) var lives: [Life] = []
    /// The revisions that deleted all or some keys of a lease, by the lease.
    private(set) var endings: [Int64: [Ending]] = [:]
    /// Answered and unanswered ones: what may have begun a life.
    private(set) var grants: [Int64: [Call]] = [:]
    /// Answered and unanswered ones, of all lives.
    private(set) var revocations: [Int64: [Call]] = [:]
    let operations: [RecordedOperation]
    /// Those that some call other than a revocation was answered that it made.
    let answeredRevisions: Set<Int64>

    package init(_ history: RecordedHistory, _ writes: WriteHistory) {
        operations = history.operations.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
        answeredRevisions = Set(operations.compactMap { $0.writtenRevision })
        var lifeOfLease: [Int64: Int] = [:]
        for operation in operations { note(operation, &lifeOfLease) }
        findEndings(writes, FirstSight(history))
        findExpiries(history)
    }

    private mutating func note(
        _ operation: RecordedOperation, _ lifeOfLease: inout [Int64: Int]
    ) {
        let call = Call(
            operation: operation.id, start: operation.start, end: operation.end ?? .max,
            revision: operation.revision ?? 0)
        switch (operation.request, operation.outcome) {
        case (.leaseGrant(_, let asked), .ok(_, .leaseGrant(let lease, let seconds))):
            grants[lease, default: []].append(call)
            lifeOfLease[lease] = lives.count
            var life = Life(lease: lease, seconds: seconds, requestedSeconds: asked)
            life.renewals = [call]
            lives.append(life)
        case (.leaseGrant(let lease, _), .unknown):
            var open = call
            open.end = .max
            grants[lease, default: []].append(open)
        case (.leaseKeepAlive(let lease), let outcome):
            guard let place = lifeOfLease[lease] else { return }
            switch outcome {
            case .ok(_, .leaseKeepAlive(let seconds)):
                if seconds > 0 {
                    lives[place].renewals.append(call)
                    if seconds != lives[place].seconds {
                        lives[place].questions.append(
                            Question(call: call, remaining: seconds, granted: seconds))
                    }
                } else {
                    lives[place].refusals.append(call)
                }
            case .unknown, .failed: lives[place].openRenewals.append(call)
            case .ok: break
            }
        case (.leaseRevoke(let lease), let outcome):
            if case .failed = outcome { return }
            var ending = call
            if case .unknown = outcome { ending.end = .max }
            revocations[lease, default: []].append(ending)
            guard let place = lifeOfLease[lease] else { return }
            if case .ok = outcome { lives[place].revocations.append(call) }
        case (
            .leaseTimeToLive(let lease, _),
            .ok(_, .leaseTimeToLive(let remaining, let granted, _))
        ):
            guard let place = lifeOfLease[lease] else { return }
            lives[place].questions.append(
                Question(call: call, remaining: remaining, granted: granted))
        default: break
        }
    }

    /// Whether a grant of the same id may have come between: what the call found alive may be
    /// another life.
    func mayLiveAgain(_ life: Life, after time: Int64, by call: Call) -> Bool {
        (grants[life.lease] ?? []).contains { $0.end >= time && $0.start <= call.end }
    }

    /// Whether a revocation may have taken effect between those times.
    func mayBeRevoked(_ lease: Int64, from: Int64, until: Int64) -> Bool {
        (revocations[lease] ?? []).contains { $0.end >= from && $0.start <= until }
    }

    /// Goes through the changes, and keeps which keys are attached to what.
    private mutating func findEndings(_ writes: WriteHistory, _ sight: FirstSight) {
        var leaseOfKey: [Bytes: Int64] = [:]
        var attached: [Int64: Set<Bytes>] = [:]
        for change in writes.revisions {
            let leases = Set(change.events.compactMap { leaseOfKey[$0.key] })
            let onlyDeletes = change.events.allSatisfy { $0.kind == .delete }
            if onlyDeletes, leases.count == 1, let lease = leases.first {
                endings[lease, default: []].append(
                    Ending(
                        revision: change.revision, seenAt: sight.time(of: change.revision),
                        deleted: Set(change.events.map { $0.key }),
                        attached: attached[lease] ?? []))
            }
            for event in change.events {
                if let old = leaseOfKey.removeValue(forKey: event.key) {
                    attached[old]?.remove(event.key)
                }
                guard event.kind == .put, event.pair.lease != 0 else { continue }
                leaseOfKey[event.key] = event.pair.lease
                attached[event.pair.lease, default: []].insert(event.key)
            }
        }
    }

    /// An ending is an expiry if no call can have made it.
    private mutating func findExpiries(_ history: RecordedHistory) {
        let answered = answeredRevisions
        let openDeletions = history.operations.filter { operation in
            guard case .unknown = operation.outcome else { return false }
            return operation.request.hasDeletion
        }
        var placesOfLease: [Int64: [Int]] = [:]
        for (place, life) in lives.enumerated() {
            placesOfLease[life.lease, default: []].append(place)
        }
        for lease in endings.keys.sorted() {
            for ending in endings[lease] ?? [] where !answered.contains(ending.revision) {
                let places = placesOfLease[lease] ?? []
                // A key is put after the grant and before the end.
                let place = places.last { place in
                    let grant = lives[place].renewals.first
                    return grant?.start ?? .max <= ending.seenAt
                        && grant?.revision ?? 0 < ending.revision
                }
                let mayBeDeleted = openDeletions.contains { operation in
                    operation.start <= ending.seenAt
                        && ending.deleted.allSatisfy { operation.request.mayDelete($0) }
                }
                guard let place, !mayBeDeleted else { continue }
                // An answered one says which revision it made.
                let isRevoked = (revocations[lease] ?? []).contains { call in
                    call.revision == ending.revision
                        || call.end == .max && call.start <= ending.seenAt
                }
                if !isRevoked { lives[place].expiry = ending }
            }
        }
    }
}

/// When somebody first knew that the store had come to a revision.
struct FirstSight {
    private var points: [(revision: Int64, time: Int64)] = []

    init(_ history: RecordedHistory) {
        for operation in history.operations {
            if let revision = operation.revision, let end = operation.end {
                points.append((revision, end))
            }
        }
        for watch in history.watches {
            for response in watch.responses {
                points.append((response.revision, response.time))
                if let last = response.events.last {
                    points.append((last.revision, response.time))
                }
            }
        }
        points.sort { $0 < $1 }
        var earliest = Int64.max
        for place in points.indices.reversed() {
            earliest = min(earliest, points[place].time)
            points[place].time = earliest
        }
    }

    /// The end of time if nobody ever saw it.
    func time(of revision: Int64) -> Int64 {
        var low = 0
        var high = points.count
        while low < high {
            let middle = (low + high) / 2
            if points[middle].revision < revision { low = middle + 1 } else { high = middle }
        }
        return low < points.count ? points[low].time : .max
    }
}
