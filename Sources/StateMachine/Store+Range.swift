internal import Primitives

extension Store {
    /// Answers a range at once, from the current state.
    /// Cost: O(log n + result); an unlimited count at an old revision is O(keys in range).
    package func range(_ request: RangeRequest) throws(StoreError) -> RangeResult {
        try request.check()
        try checkRevision(request)
        return result(of: request, current: mainRevision)
    }

    func checkRevision(_ request: RangeRequest) throws(StoreError) {
        if request.revision > mainRevision { throw .futureRevision }
        #if KEELSON_MUTANTS
            if planted(.servesCompactedReads) { return }
        #endif
        if request.revision > 0, request.revision < keySpace(.of(request.key)).floor {
            throw .compacted
        }
    }

    /// Evaluates a range whose revision is known to be readable. `current` is the reader's
    /// revision: inside a transaction that has written it is ahead of the store's.
    func result(of request: RangeRequest, current: Int64) -> RangeResult {
        let space = keySpace(.of(request.key))
        let revision = request.revision > 0 ? request.revision : .max
        let form = request.form
        if request.range.isSingleKey, !request.countOnly, !request.hasRevisionFilters {
            let found = request.key.withUnsafeBytes { space.get($0, at: revision) }
            return RangeResult(
                revision: Revision(current), records: found.map { [$0] } ?? [],
                count: found == nil ? 0 : 1, more: false, form: form)
        }
        let isNewest = revision >= current
        if request.countOnly {
            let count = Store.count(space, request.range, revision, isNewest)
            return RangeResult(
                revision: Revision(current), records: [], count: Int64(count), more: false,
                form: form)
        }
        // As etcd does it: the limit is applied by key, with one more to tell `more`, unless an
        // order or a filter needs all of them.
        let pushesLimit = request.hasDefaultOrder && !request.hasRevisionFilters
        let bound = pushesLimit && request.limit > 0 ? request.limit.advanced(saturating: 1) : .max
        var records: [Record] = []
        var stopped = false
        space.forEachLive(request.range, at: revision) { record in
            if records.count >= bound {
                stopped = true
                return false
            }
            records.append(record)
            return true
        }
        let count =
            stopped ? Store.count(space, request.range, revision, isNewest) : records.count
        RangeOrder.filter(&records, request)
        RangeOrder.sort(&records, request)
        var more = false
        if request.limit > 0, records.count > request.limit {
            records.removeLast(records.count - Int(request.limit))
            more = true
        }
        return RangeResult(
            revision: Revision(current), records: records, count: Int64(count), more: more,
            form: form)
    }

    private static func count(
        _ space: KeySpace, _ range: KeyRange, _ revision: Int64, _ isNewest: Bool
    ) -> Int {
        if isNewest {
            return range.withBounds { start, end in space.tree.countLive(from: start, to: end) }
        }
        var count = 0
        space.forEachLive(range, at: revision) { _ in
            count += 1
            return true
        }
        return count
    }
}

/// etcd's filters and orders over the records of a range.
enum RangeOrder {
    static func filter(_ records: inout [Record], _ request: RangeRequest) {
        guard request.hasRevisionFilters else { return }
        records.removeAll { record in
            let header = record.header
            return (request.maxModRevision != 0 && header.modRevision > request.maxModRevision)
                || (request.minModRevision != 0 && header.modRevision < request.minModRevision)
                || (request.maxCreateRevision != 0
                    && header.createRevision > request.maxCreateRevision)
                || (request.minCreateRevision != 0
                    && header.createRevision < request.minCreateRevision)
        }
    }

    /// Sorts by the target; ties are in key order. Without an order, a target other than the key
    /// sorts ascending.
    static func sort(_ records: inout [Record], _ request: RangeRequest) {
        guard let target = SortTarget(rawValue: request.sortTarget) else { return }
        let descends = request.sortOrder == SortOrder.descend.rawValue
        switch target {
        case .key: if descends { records.reverse() }
        case .version: sort(&records, descends) { $0.version }
        case .create: sort(&records, descends) { $0.createRevision }
        case .mod: sort(&records, descends) { $0.modRevision }
        case .value:
            records.sort { a, b in
                let order = Bytes.compare(a.valueView, b.valueView)
                if order != 0 { return descends ? order > 0 : order < 0 }
                return Bytes.compare(a.keyView, b.keyView) < 0
            }
        }
    }

    private static func sort(
        _ records: inout [Record], _ descends: Bool, by field: (Record) -> Int64
    ) {
        records.sort { a, b in
            let (left, right) = (field(a), field(b))
            if left != right { return descends ? left > right : left < right }
            return Bytes.compare(a.keyView, b.keyView) < 0
        }
    }
}

extension Int64 {
    func advanced(saturating amount: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(amount)
        return overflow ? .max : sum
    }
}
