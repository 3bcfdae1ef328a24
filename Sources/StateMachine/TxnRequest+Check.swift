internal import Primitives

/// What etcd checks before it proposes a transaction.
extension TxnRequest {
    /// - Parameter operationsMax: etcd's `--max-txn-ops`; nested transactions share what is left.
    /// - Throws: ``StoreError``. Cost: O(n log n) in the number of operations.
    package func check(operationsMax: Int) throws(StoreError) {
        try checkOperations(operationsMax)
        _ = try TxnRequest.checkOverlaps(success)
        _ = try TxnRequest.checkOverlaps(failure)
    }

    private func checkOperations(_ left: Int) throws(StoreError) {
        let used = max(compares.count, success.count, failure.count)
        if used > left { throw .tooManyOperations }
        for compare in compares where compare.key.isEmpty { throw .emptyKey }
        for op in success { try TxnRequest.check(op, left - used) }
        for op in failure { try TxnRequest.check(op, left - used) }
    }

    private static func check(_ op: RequestOp, _ left: Int) throws(StoreError) {
        switch op {
        case .range(let range): try range.check()
        case .put(let put): try put.check()
        case .deleteRange(let delete): try delete.check()
        case .txn(let txn): try txn.checkOperations(left)
        case .empty: throw .keyNotFound
        }
    }

    /// A key may be put once on a path, and not where the path deletes. The branches of one nested
    /// transaction may overlap, since only one of them runs; deletions may overlap deletions.
    private static func checkOverlaps(
        _ ops: [RequestOp]
    ) throws(StoreError) -> (puts: KeySet, deletions: KeyIntervals) {
        var deletions = KeyIntervals()
        for case .deleteRange(let delete) in ops {
            // A range without an end is left out: etcd takes its `range_end` for the key that it
            // looks like, the byte zero, and so finds no put inside (seen on 3.5.1).
            if delete.range.isSingleKey || delete.range.end != nil {
                deletions.insert(delete.range)
            }
        }
        var puts = KeySet()
        for case .txn(let txn) in ops {
            let then = try checkOverlaps(txn.success)
            let otherwise = try checkOverlaps(txn.failure)
            for key in then.puts.keys {
                if puts.contains(key) || deletions.contains(key) { throw .duplicateKey }
            }
            for key in otherwise.puts.keys {
                if deletions.contains(key) { throw .duplicateKey }
                if puts.contains(key), !then.puts.contains(key) { throw .duplicateKey }
            }
            for key in then.puts.keys { puts.insert(key) }
            for key in otherwise.puts.keys { puts.insert(key) }
            deletions.formUnion(then.deletions)
            deletions.formUnion(otherwise.deletions)
        }
        for case .put(let put) in ops {
            let key = Bytes(put.key)
            if puts.contains(key) || deletions.contains(key) { throw .duplicateKey }
            puts.insert(key)
        }
        return (puts, deletions)
    }
}

/// Keys in the order of their arrival, with fast look-up.
private struct KeySet {
    private(set) var keys: [Bytes] = []
    private var members: Set<Bytes> = []

    func contains(_ key: Bytes) -> Bool { members.contains(key) }

    mutating func insert(_ key: Bytes) {
        if members.insert(key).inserted { keys.append(key) }
    }
}
