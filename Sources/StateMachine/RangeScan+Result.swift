extension RangeScan {
    /// The rest of the range as ``Store/range(_:)`` would answer `request`, the one that the scan
    /// was made for. Touches nothing but the snapshot, so it may run on any thread.
    ///
    /// Cost: O(keys in range), and O(n log n) where the answer is sorted.
    package mutating func result(of request: RangeRequest) -> RangeResult {
        if request.countOnly {
            let count = Int64(measure(keysMax: .max).count)
            return RangeResult(
                revision: revision, records: [], count: count, more: false, form: form)
        }
        let pushesLimit = request.hasDefaultOrder && !request.hasRevisionFilters
        let isLimited = pushesLimit && request.limit > 0 && request.limit < Int64.max
        var records = next(recordsMax: isLimited ? Int(request.limit) + 1 : .max)
        let count = records.count + measure(keysMax: .max).count
        RangeOrder.filter(&records, request)
        RangeOrder.sort(&records, request)
        var more = false
        if request.limit > 0, records.count > request.limit {
            records.removeLast(records.count - Int(request.limit))
            more = true
        }
        return RangeResult(
            revision: revision, records: records, count: Int64(count), more: more, form: form)
    }
}
