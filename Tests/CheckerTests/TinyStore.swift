import Primitives
import Simulation

/// A store for making histories: live pairs in a dictionary and a log of revisions. It shares
/// nothing with the checkers' model, so that neither can hide the other's mistakes.
struct TinyStore {
    struct Lease {
        var seconds: Int64
        /// On the histories' clock.
        var end: Int64
    }

    var live: [Bytes: RecordedPair] = [:]
    var log: [RecordedRevision] = []
    var revision: Int64 = 1
    var floor: Int64 = -1
    var leases: [Int64: Lease] = [:]

    static let compacted = RecordedOutcome.failed(
        "etcdserver: mvcc: required revision has been compacted")
    static let future = RecordedOutcome.failed(
        "etcdserver: mvcc: required revision is a future revision")
    static let noLease = RecordedOutcome.failed("etcdserver: requested lease not found")
    static let leaseExists = RecordedOutcome.failed("etcdserver: lease already exists")
    static let noKey = RecordedOutcome.failed("etcdserver: key not found")

    /// The live pairs at a revision, by taking the log back.
    func pairs(at wanted: Int64) -> [Bytes: RecordedPair] {
        var state = live
        for change in log.reversed() {
            if change.revision <= wanted { break }
            for event in change.events.reversed() { state[event.key] = event.previous }
        }
        return state
    }

    mutating func perform(_ request: RecordedRequest, at now: Int64) -> RecordedOutcome {
        switch request {
        case .put, .deleteRange, .txn:
            if let refusal = refusal(request) { return refusal }
            var events: [RecordedEvent] = []
            let answer = execute(request, &events)
            commit(events)
            return .ok(revision: revision, answer)
        case .range(let range):
            return refusal(request)
                ?? .ok(revision: revision, TinyStore.answer(range, pairs(at: at(range))))
        case .compact(let target):
            if target <= floor { return TinyStore.compacted }
            if target > revision { return TinyStore.future }
            floor = target
            return .ok(revision: revision, .compact)
        case .leaseGrant(let id, let seconds):
            if leases[id] != nil { return TinyStore.leaseExists }
            leases[id] = Lease(seconds: seconds, end: now + seconds * 1_000_000_000)
            return .ok(revision: revision, .leaseGrant(lease: id, seconds: seconds))
        case .leaseRevoke(let id):
            if leases[id] == nil { return TinyStore.noLease }
            end(id)
            return .ok(revision: revision, .leaseRevoke)
        case .leaseKeepAlive(let id):
            guard let lease = leases[id] else {
                return .ok(revision: revision, .leaseKeepAlive(seconds: 0))
            }
            leases[id]?.end = now + lease.seconds * 1_000_000_000
            return .ok(revision: revision, .leaseKeepAlive(seconds: lease.seconds))
        case .leaseTimeToLive(let id, let wantsKeys):
            guard let lease = leases[id] else {
                return .ok(
                    revision: revision, .leaseTimeToLive(remaining: -1, granted: 0, keys: nil))
            }
            let left = max(0, (lease.end - now) / 1_000_000_000)
            return .ok(
                revision: revision,
                .leaseTimeToLive(
                    remaining: left, granted: lease.seconds,
                    keys: wantsKeys ? keys(of: id) : nil))
        }
    }

    func keys(of lease: Int64) -> [Bytes] {
        live.values.filter { $0.lease == lease }.map { $0.key }.sorted()
    }

    /// Revocation and expiry.
    mutating func end(_ lease: Int64) {
        leases[lease] = nil
        var events: [RecordedEvent] = []
        for key in keys(of: lease) { bury(key, &events) }
        commit(events)
    }

    private mutating func bury(_ key: Bytes, _ events: inout [RecordedEvent]) {
        var event = RecordedEvent.delete(key, at: revision + 1)
        event.previous = live.removeValue(forKey: key)
        events.append(event)
    }

    mutating func commit(_ events: [RecordedEvent]) {
        guard !events.isEmpty else { return }
        revision += 1
        log.append(RecordedRevision(revision, events))
    }

    // MARK: - Pieces

    private func at(_ range: RecordedRange) -> Int64 {
        range.revision > 0 ? range.revision : .max
    }

    private func refusal(_ request: RecordedRequest) -> RecordedOutcome? {
        switch request {
        case .put(let put):
            if put.lease != 0, leases[put.lease] == nil { return TinyStore.noLease }
            if put.ignoresValue || put.ignoresLease, live[put.key] == nil {
                return TinyStore.noKey
            }
            return nil
        case .range(let range):
            if range.revision > revision { return TinyStore.future }
            return range.revision > 0 && range.revision < floor ? TinyStore.compacted : nil
        case .txn(let txn):
            let ops = txn.compares.allSatisfy(holds) ? txn.success : txn.failure
            for op in ops { if let refusal = refusal(op) { return refusal } }
            return nil
        default: return nil
        }
    }

    private func holds(_ compare: RecordedCompare) -> Bool {
        let pairs = TinyStore.pairs(compare.interval, live)
        let subjects: [RecordedPair?] = pairs.isEmpty ? [nil] : pairs.map { $0 }
        return subjects.allSatisfy { pair in
            switch compare.target {
            case .version(let number): holds(compare.relation, pair?.version ?? 0, number)
            case .create(let number): holds(compare.relation, pair?.createRevision ?? 0, number)
            case .mod(let number): holds(compare.relation, pair?.modRevision ?? 0, number)
            case .lease(let number): holds(compare.relation, pair?.lease ?? 0, number)
            case .value(let value): pair.map { holds(compare.relation, $0.value, value) } ?? false
            }
        }
    }

    private func holds<T: Comparable>(
        _ relation: RecordedCompare.Relation, _ a: T, _ b: T
    ) -> Bool {
        switch relation {
        case .equal: a == b
        case .greater: a > b
        case .less: a < b
        case .notEqual: a != b
        }
    }

    /// Changes `live` as it goes, so that later operations of a transaction see it.
    private mutating func execute(
        _ request: RecordedRequest, _ events: inout [RecordedEvent]
    ) -> RecordedAnswer {
        switch request {
        case .put(let put):
            let old = live[put.key]
            let pair = RecordedPair(
                key: put.key, value: put.ignoresValue ? old!.value : put.value,
                createRevision: old?.createRevision ?? revision + 1, modRevision: revision + 1,
                version: (old?.version ?? 0) + 1, lease: put.ignoresLease ? old!.lease : put.lease)
            live[put.key] = pair
            events.append(RecordedEvent(.put, pair, previous: old))
            return .put(previous: put.wantsPrevious ? old : nil)
        case .deleteRange(let delete):
            let doomed = TinyStore.pairs(delete.interval, live)
            for pair in doomed { bury(pair.key, &events) }
            return .deleteRange(
                deleted: Int64(doomed.count), previous: delete.wantsPrevious ? doomed : [])
        case .range(let range):
            return TinyStore.answer(range, range.revision > 0 ? pairs(at: range.revision) : live)
        case .txn(let txn):
            let succeeded = txn.compares.allSatisfy(holds)
            var answers: [RecordedAnswer] = []
            for op in succeeded ? txn.success : txn.failure {
                answers.append(execute(op, &events))
            }
            return .txn(succeeded: succeeded, answers: answers)
        default: return .compact
        }
    }

    private static func pairs(
        _ interval: KeyInterval, _ state: [Bytes: RecordedPair]
    ) -> [RecordedPair] {
        if interval.isSingleKey { return state[interval.key].map { [$0] } ?? [] }
        return state.values.filter { interval.contains($0.key) }.sorted { $0.key < $1.key }
    }

    static func answer(_ range: RecordedRange, _ state: [Bytes: RecordedPair]) -> RecordedAnswer {
        let found = pairs(range.interval, state)
        if range.countOnly { return .range(pairs: [], count: Int64(found.count), more: false) }
        let limit = range.limit > 0 ? Int(range.limit) : .max
        var pairs = Array(found.prefix(limit))
        if range.keysOnly {
            for place in pairs.indices {
                pairs[place].value = Bytes([])
                pairs[place].lease = 0
            }
        }
        return .range(pairs: pairs, count: Int64(found.count), more: found.count > limit)
    }
}
