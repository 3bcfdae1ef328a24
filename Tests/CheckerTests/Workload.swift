import Primitives
import Simulation

/// Makes a history of many clients from a seed: each call has its effect at a moment between its
/// start and its end, except that an unanswered one may have it later or never.
struct Workload {
    var seed: UInt64
    var operations = 400
    var clients = 8
    var keys: UInt64 = 6
    var unknownPercent: UInt64 = 5
    var hasLeases = true
    var hasCompactions = true
    var hasTransactions = true
    /// Whether the history says what each revision held.
    var tellsWrites = false
    var wholeRangePercent: UInt64 = 33

    private struct Call {
        var client: Int
        var start: Int64
        var effect: Int64
        var end: Int64
        var fate: Fate
    }

    private enum Fate { case answered, lost, unanswered }

    /// Nanoseconds in a millisecond.
    static let millisecond: Int64 = 1_000_000

    func run() -> RecordedHistory { runWithStore().history }

    func runWithStore() -> (history: RecordedHistory, store: TinyStore) {
        var random = SplitMix64(seed: seed)
        var store = TinyStore()
        var found: [RecordedOperation] = []
        for (id, call) in calls(&random).enumerated() {
            expire(&store, at: call.effect, &random)
            let request = self.request(id, store, &random)
            var outcome = RecordedOutcome.unknown("etcdserver: request timed out")
            var end: Int64? = call.end
            switch call.fate {
            case .answered: outcome = answer(request, &store, call, &random)
            case .lost: if random.next(below: 2) == 0 { end = nil }
            case .unanswered:
                _ = store.perform(request, at: call.effect)
                if random.next(below: 2) == 0 { end = nil }
            }
            found.append(
                RecordedOperation(
                    id: id, client: call.client, member: call.client % 3, start: call.start,
                    end: end, request: request, outcome: outcome))
        }
        found.sort { ($0.start, $0.id) < ($1.start, $1.id) }
        let writes = tellsWrites ? WriteHistory(store.log) : nil
        return (RecordedHistory(operations: found, writes: writes), store)
    }

    /// In the order of their effects.
    private func calls(_ random: inout SplitMix64) -> [Call] {
        var next = (0..<clients).map { Int64($0) * 1000 }
        var found: [Call] = []
        for _ in 0..<operations {
            let client = next.indices.min { next[$0] < next[$1] } ?? 0
            let start = next[client]
            var effect = start + time(&random, 8)
            let end = effect + time(&random, 8)
            var fate = Fate.answered
            if random.next(below: 100) < unknownPercent {
                fate = random.next(below: 3) == 0 ? .lost : .unanswered
                if random.next(below: 2) == 0 { effect += time(&random, 60) }
            }
            next[client] = end + time(&random, 4)
            found.append(
                Call(client: client, start: start, effect: effect, end: end, fate: fate))
        }
        return found.sorted { ($0.effect, $0.start) < ($1.effect, $1.start) }
    }

    private func time(_ random: inout SplitMix64, _ milliseconds: Int64) -> Int64 {
        1 + Int64(random.next(below: UInt64(milliseconds * Workload.millisecond)))
    }

    /// Some of the leases that have run out, as a server that is late would do it.
    private func expire(_ store: inout TinyStore, at now: Int64, _ random: inout SplitMix64) {
        for id in store.leases.keys.sorted() {
            if let lease = store.leases[id], lease.end <= now, random.next(below: 3) == 0 {
                store.end(id)
            }
        }
    }

    private func answer(
        _ request: RecordedRequest, _ store: inout TinyStore, _ call: Call,
        _ random: inout SplitMix64
    ) -> RecordedOutcome {
        if case .range(let range) = request, range.isSerializable {
            let lag = Int64(random.next(below: 5))
            let old = max(1, store.revision - lag)
            return .ok(revision: old, TinyStore.answer(range, store.pairs(at: old)))
        }
        return store.perform(request, at: call.effect)
    }

    // MARK: - Requests

    private func key(_ random: inout SplitMix64) -> Bytes {
        Bytes("k\(random.next(below: keys))")
    }

    private func put(_ id: Int, _ random: inout SplitMix64) -> RecordedPut {
        var put = RecordedPut(
            key(&random), Bytes("v\(id)"), wantsPrevious: random.next(below: 3) == 0)
        if hasLeases, random.next(below: 3) == 0 { put.lease = 1 + Int64(random.next(below: 4)) }
        return put
    }

    private func range(_ store: TinyStore, _ random: inout SplitMix64) -> RecordedRange {
        var range = RecordedRange(KeyInterval(key(&random)))
        if random.next(below: 100) < wholeRangePercent { range.interval = .prefix(Bytes("k")) }
        switch random.next(below: 8) {
        case 0: range.limit = 2
        case 1: range.countOnly = true
        case 2: range.keysOnly = true
        case 3: range.isSerializable = true
        case 4: if hasCompactions { range.revision = max(1, store.revision - 6) }
        default: break
        }
        return range
    }

    private func request(
        _ id: Int, _ store: TinyStore, _ random: inout SplitMix64
    ) -> RecordedRequest {
        let lease = 1 + Int64(random.next(below: 4))
        switch random.next(below: 20) {
        case 0..<7: return .put(put(id, &random))
        case 7..<13: return .range(range(store, &random))
        case 13:
            return .deleteRange(
                RecordedDeleteRange(
                    KeyInterval(key(&random)), wantsPrevious: random.next(below: 2) == 0))
        case 14..<16 where hasTransactions: return txn(id, store, &random)
        case 16 where hasCompactions && random.next(below: 4) == 0:
            return .compact(revision: max(1, store.revision - Int64(random.next(below: 12))))
        case 17 where hasLeases: return .leaseGrant(lease: lease, seconds: 1)
        case 18 where hasLeases: return .leaseKeepAlive(lease: lease)
        case 19 where hasLeases:
            return random.next(below: 2) == 0
                ? .leaseRevoke(lease: lease) : .leaseTimeToLive(lease: lease, wantsKeys: true)
        default: return .range(range(store, &random))
        }
    }

    private func txn(
        _ id: Int, _ store: TinyStore, _ random: inout SplitMix64
    ) -> RecordedRequest {
        let key = self.key(&random)
        let known = store.live[key]
        let other = Bytes("k\(keys)")
        let compare = RecordedCompare(
            KeyInterval(key), random.next(below: 4) == 0 ? .greater : .equal,
            random.next(below: 2) == 0
                ? .mod(known?.modRevision ?? 0) : .version(known?.version ?? 0))
        return .txn(
            RecordedTxn(
                compares: [compare],
                success: [
                    .put(RecordedPut(key, Bytes("t\(id)"))),
                    .put(RecordedPut(other, Bytes("u\(id)"), wantsPrevious: true)),
                    .range(
                        RecordedRange(
                            wholeRangePercent > 0 ? .prefix(Bytes("k")) : KeyInterval(key))),
                ],
                failure: [.range(RecordedRange(KeyInterval(key)))]))
    }
}
