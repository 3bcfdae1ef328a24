internal import Primitives

/// Why the store's rules refuse a call.
enum ModelFailure: Equatable {
    case compacted
    case futureRevision
    case leaseNotFound(Int64)
    case leaseExists(Int64)
    case keyNotFound

    /// The refusal that a text stands for; nil for those that the model knows nothing of.
    init?(text: String) {
        switch text {
        case "etcdserver: mvcc: required revision has been compacted": self = .compacted
        case "etcdserver: mvcc: required revision is a future revision": self = .futureRevision
        case "etcdserver: requested lease not found": self = .leaseNotFound(0)
        case "etcdserver: lease already exists": self = .leaseExists(0)
        case "etcdserver: key not found": self = .keyNotFound
        default: return nil
        }
    }

    /// Whether both are of one kind, whatever lease they name.
    func isLike(_ other: ModelFailure) -> Bool {
        switch (self, other) {
        case (.compacted, .compacted), (.futureRevision, .futureRevision),
            (.leaseNotFound, .leaseNotFound), (.leaseExists, .leaseExists),
            (.keyNotFound, .keyNotFound):
            true
        default: false
        }
    }
}

enum ModelResult: Equatable {
    case answer(RecordedAnswer)
    case failure(ModelFailure)
}

extension ModelStore {
    /// Carries a call out at once. A refused one changes nothing. `time` is when it was asked, in
    /// nanoseconds; leases remember it.
    mutating func apply(_ request: RecordedRequest, at time: Int64) -> ModelResult {
        clearChanges()
        switch request {
        case .put(let put):
            if let failure = check(put) { return .failure(failure) }
            let previous = self.put(put, at: revision + 1)
            endWrite()
            return .answer(.put(previous: previous))
        case .range(let range):
            if let failure = check(range) { return .failure(failure) }
            return .answer(self.range(range))
        case .deleteRange(let delete):
            let answer = self.delete(delete, at: revision + 1)
            endWrite()
            return .answer(answer)
        case .txn(let txn): return self.txn(txn)
        case .compact(let target):
            if target <= floor { return .failure(.compacted) }
            if target > revision { return .failure(.futureRevision) }
            setFloor(target)
            return .answer(.compact)
        case .leaseGrant(let id, let seconds):
            if leases[id] != nil { return .failure(.leaseExists(id)) }
            setLease(id, Lease(seconds: seconds, renewedAt: time))
            return .answer(.leaseGrant(lease: id, seconds: seconds))
        case .leaseRevoke(let id):
            if leases[id] == nil { return .failure(.leaseNotFound(id)) }
            endLease(id)
            return .answer(.leaseRevoke)
        case .leaseKeepAlive(let id):
            guard var lease = leases[id] else { return .answer(.leaseKeepAlive(seconds: 0)) }
            if time > lease.renewedAt {
                lease.renewedAt = time
                setLease(id, lease)
            }
            return .answer(.leaseKeepAlive(seconds: lease.seconds))
        case .leaseTimeToLive(let id, let wantsKeys):
            guard let lease = leases[id] else {
                return .answer(.leaseTimeToLive(remaining: -1, granted: 0, keys: nil))
            }
            return .answer(
                .leaseTimeToLive(
                    remaining: lease.seconds, granted: lease.seconds,
                    keys: wantsKeys ? lease.slots.map { keys[$0] } : nil))
        }
    }

    /// Revocation and expiry: the keys go in key order and in one revision, then the lease.
    mutating func endLease(_ id: Int64) {
        clearChanges()
        for slot in leases[id]?.slots ?? [] { remove(slot, at: revision + 1) }
        setLease(id, nil)
        endWrite()
    }

    private mutating func endWrite() { if !changes.isEmpty { setRevision(revision + 1) } }

    // MARK: - Put and delete

    private func check(_ put: RecordedPut) -> ModelFailure? {
        if put.lease != 0, leases[put.lease] == nil { return .leaseNotFound(put.lease) }
        if put.ignoresValue || put.ignoresLease {
            guard let slot = slot(put.key), version(slot) != nil else { return .keyNotFound }
        }
        return nil
    }

    private mutating func put(_ put: RecordedPut, at next: Int64) -> RecordedPair? {
        guard let slot = slot(put.key) else {
            impossible("the key \(put.key) was not named when the model was made")
        }
        let old = version(slot)
        let lease = put.ignoresLease ? old?.lease ?? 0 : put.lease
        let value = put.ignoresValue ? old?.value ?? Bytes([]) : put.value
        let oldLease = old?.lease ?? 0
        append(
            slot, value: value, create: old?.create ?? next, mod: next,
            version: (old?.version ?? 0) + 1, lease: lease, isLive: true)
        if oldLease != lease {
            if oldLease != 0 { detach(slot, from: oldLease) }
            if lease != 0 { attach(slot, to: lease) }
        }
        return put.wantsPrevious ? old.map { pair($0, slot) } : nil
    }

    private mutating func remove(_ slot: Int, at next: Int64) {
        guard let old = version(slot) else { return }
        append(
            slot, value: Bytes([]), create: 0, mod: next, version: 0, lease: 0, isLive: false)
        if old.lease != 0 { detach(slot, from: old.lease) }
    }

    private mutating func delete(
        _ delete: RecordedDeleteRange, at next: Int64
    ) -> RecordedAnswer {
        var doomed: [Int] = []
        var previous: [RecordedPair] = []
        forEachLive(delete.interval) { slot, version in
            doomed.append(slot)
            if delete.wantsPrevious { previous.append(pair(version, slot)) }
            return true
        }
        for slot in doomed { remove(slot, at: next) }
        return .deleteRange(deleted: Int64(doomed.count), previous: previous)
    }

    // MARK: - Range

    private func check(_ range: RecordedRange) -> ModelFailure? {
        if range.revision > revision { return .futureRevision }
        if range.revision > 0, range.revision < floor { return .compacted }
        return nil
    }

    /// A range whose revision can be read.
    func range(_ range: RecordedRange) -> RecordedAnswer {
        var pairs: [RecordedPair] = []
        var count: Int64 = 0
        forEachLive(range.interval, at: range.revision > 0 ? range.revision : nil) {
            slot, version in
            count += 1
            if !range.countOnly, range.limit <= 0 || count <= range.limit {
                var found = pair(version, slot)
                if range.keysOnly {
                    found.value = Bytes([])
                    found.lease = 0
                }
                pairs.append(found)
            }
            return true
        }
        return .range(
            pairs: pairs, count: count,
            more: !range.countOnly && range.limit > 0 && count > range.limit)
    }

    // MARK: - Txn

    /// The branches are chosen, and everything on them checked, before the first change.
    private mutating func txn(_ txn: RecordedTxn) -> ModelResult {
        var path: [Bool] = []
        choose(txn, &path)
        var step = 0
        if let failure = check(txn, path, &step) { return .failure(failure) }
        step = 0
        let answer = execute(txn, path, &step, at: revision + 1)
        endWrite()
        return .answer(answer)
    }

    private func choose(_ txn: RecordedTxn, _ path: inout [Bool]) {
        let holds = txn.compares.allSatisfy { self.holds($0) }
        path.append(holds)
        for case .txn(let nested) in holds ? txn.success : txn.failure { choose(nested, &path) }
    }

    private func check(
        _ txn: RecordedTxn, _ path: [Bool], _ step: inout Int
    ) -> ModelFailure? {
        let ops = path[step] ? txn.success : txn.failure
        step += 1
        for op in ops {
            var failure: ModelFailure?
            switch op {
            case .put(let put): failure = check(put)
            case .range(let range): failure = check(range)
            case .txn(let nested): failure = check(nested, path, &step)
            case .deleteRange, .compact, .leaseGrant, .leaseRevoke, .leaseKeepAlive,
                .leaseTimeToLive:
                break
            }
            if let failure { return failure }
        }
        return nil
    }

    private mutating func execute(
        _ txn: RecordedTxn, _ path: [Bool], _ step: inout Int, at next: Int64
    ) -> RecordedAnswer {
        let succeeded = path[step]
        step += 1
        var answers: [RecordedAnswer] = []
        for op in succeeded ? txn.success : txn.failure {
            switch op {
            case .put(let put): answers.append(.put(previous: self.put(put, at: next)))
            case .range(let range): answers.append(self.range(range))
            case .deleteRange(let delete): answers.append(self.delete(delete, at: next))
            case .txn(let nested): answers.append(execute(nested, path, &step, at: next))
            case .compact, .leaseGrant, .leaseRevoke, .leaseKeepAlive, .leaseTimeToLive: break
            }
        }
        return .txn(succeeded: succeeded, answers: answers)
    }

    /// It must hold for every live key of the interval. Where there is none it is made with zeros,
    /// except that no value compares with one that is missing.
    private func holds(_ compare: RecordedCompare) -> Bool {
        var found = false
        var holds = true
        forEachLive(compare.interval) { _, version in
            found = true
            holds = ModelStore.holds(compare, version)
            return holds
        }
        return found ? holds : ModelStore.holds(compare, nil)
    }

    private static func holds(_ compare: RecordedCompare, _ version: Version?) -> Bool {
        let order: Int
        switch compare.target {
        case .version(let number): order = ModelStore.order(version?.version ?? 0, number)
        case .create(let number): order = ModelStore.order(version?.create ?? 0, number)
        case .mod(let number): order = ModelStore.order(version?.mod ?? 0, number)
        case .lease(let number): order = ModelStore.order(version?.lease ?? 0, number)
        case .value(let value):
            guard let version else { return false }
            order = Bytes.compare(version.value.storage, value.storage)
        }
        switch compare.relation {
        case .equal: return order == 0
        case .greater: return order > 0
        case .less: return order < 0
        case .notEqual: return order != 0
        }
    }

    private static func order(_ a: Int64, _ b: Int64) -> Int { a < b ? -1 : a > b ? 1 : 0 }
}
