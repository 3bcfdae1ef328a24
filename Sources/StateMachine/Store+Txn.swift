internal import Primitives

extension Store {
    /// Compares, checks everything that the chosen path needs, then carries it out: from there on
    /// nothing can fail, so a transaction is done whole or not at all.
    func txn(
        _ body: UnsafeRawBufferPointer, _ evaluate: Bool, _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        let request = try StoreError.decoding { () throws(ProtobufError) in
            try TxnRequest.decode(body)
        }
        if request.hasPut, alarms.isRaised(.noSpace) { throw .noSpace }
        let path = choosePath(request)
        var step = 0
        #if KEELSON_MUTANTS
            let checks = evaluate || !planted(.checksOnlyWhereAnswered)
        #else
            let checks = true
        #endif
        if checks { try check(request, path, &step) }
        var batch = beginWrite()
        step = 0
        let result = execute(request, path, &step, evaluate, &batch)
        endWrite(batch, &applied)
        return .txn(result)
    }

    /// A transaction of ranges only, answered at once from the current state.
    package func readOnlyTxn(_ request: TxnRequest) throws(StoreError) -> TxnResult {
        let path = choosePath(request)
        var step = 0
        try check(request, path, &step)
        var batch = beginWrite()
        step = 0
        return execute(request, path, &step, true, &batch)
    }

    /// Which branch every transaction on the way takes, in the order in which they are met. All of
    /// it is decided on the state before the first change.
    private func choosePath(_ request: TxnRequest) -> [Bool] {
        let holds = request.compares.allSatisfy { self.holds($0) }
        var path = [holds]
        for case .txn(let nested) in holds ? request.success : request.failure {
            path += choosePath(nested)
        }
        return path
    }

    private func check(
        _ request: TxnRequest, _ path: [Bool], _ step: inout Int
    ) throws(StoreError) {
        let ops = path[step] ? request.success : request.failure
        step += 1
        for op in ops {
            switch op {
            case .range(let range): try checkInTxn(range)
            case .put(let put):
                try put.withView { view throws(StoreError) in try check(view) }
            case .deleteRange(let delete): try delete.check()
            case .txn(let nested): try check(nested, path, &step)
            case .empty: break
            }
        }
    }

    /// etcd lets a negative revision pass for the newest only while nothing was compacted.
    private func checkInTxn(_ range: RangeRequest) throws(StoreError) {
        try range.check()
        if range.revision == 0 { return }
        if range.revision > mainRevision { throw .futureRevision }
        if range.revision < keySpace(.of(range.key)).floor { throw .compacted }
    }

    private func execute(
        _ request: TxnRequest, _ path: [Bool], _ step: inout Int, _ evaluate: Bool,
        _ batch: inout WriteBatch
    ) -> TxnResult {
        let succeeded = path[step]
        step += 1
        var responses: [OperationResult] = []
        let ops = succeeded ? request.success : request.failure
        responses.reserveCapacity(ops.count)
        for op in ops {
            switch op {
            case .range(let range):
                let now = revision(during: batch)
                let result = evaluate ? self.result(of: range, current: now) : nil
                responses.append(.range(Revision(now), result))
            case .put(let put):
                let previous = put.withUncheckedView { self.put($0, &batch) }
                responses.append(
                    .put(Revision(batch.revision), previous: put.prevKV ? previous : nil))
            case .deleteRange(let request):
                let (deleted, previous) = delete(request, &batch)
                responses.append(
                    .deleteRange(
                        Revision(revision(during: batch)), deleted: deleted, previous: previous))
            case .txn(let nested):
                responses.append(.txn(execute(nested, path, &step, evaluate, &batch)))
            case .empty: responses.append(.empty)
            }
        }
        return TxnResult(succeeded: succeeded, responses: responses)
    }

    /// The revision that a reader inside the transaction is at.
    private func revision(during batch: WriteBatch) -> Int64 {
        batch.events.isEmpty ? mainRevision : batch.revision
    }

    // MARK: - Compares

    /// A compare must hold for every live key of its range. Where there is none it is made with
    /// zeros, except that a value is never equal, nor anything else, to one that is missing.
    private func holds(_ compare: Compare) -> Bool {
        let space = keySpace(.of(compare.key))
        var found = false
        var holds = true
        let range = KeyRange(key: compare.key, rangeEnd: compare.rangeEnd)
        space.forEachLive(range, at: .max) { record in
            found = true
            holds = Store.holds(compare, record)
            return holds
        }
        #if KEELSON_MUTANTS
            if planted(.comparesMissingAsEqual), !found { return true }
        #endif
        if found { return holds }
        return compare.target != Compare.Target.value.rawValue && Store.holds(compare, nil)
    }

    /// An unknown target compares as equal, an unknown relation always holds (etcd).
    private static func holds(_ compare: Compare, _ record: Record?) -> Bool {
        let order: Int
        switch Compare.Target(rawValue: compare.target) {
        case .version:
            var operand: Int64 = 0
            if case .version(let given) = compare.operand { operand = given }
            order = Store.order(record?.version ?? 0, operand)
        case .create:
            var operand: Int64 = 0
            if case .createRevision(let given) = compare.operand { operand = given }
            order = Store.order(record?.createRevision ?? 0, operand)
        case .mod:
            var operand: Int64 = 0
            if case .modRevision(let given) = compare.operand { operand = given }
            order = Store.order(record?.modRevision ?? 0, operand)
        case .lease:
            var operand: Int64 = 0
            if case .lease(let given) = compare.operand { operand = given }
            order = Store.order(record?.lease ?? 0, operand)
        case .value:
            var operand: [UInt8] = []
            if case .value(let given) = compare.operand { operand = given }
            order = operand.withUnsafeBytes { operand in
                record?.withValue { Bytes.compare($0, operand) }
                    ?? Bytes.compare(.empty, operand)
            }
        case nil: order = 0
        }
        switch Compare.Relation(rawValue: compare.result) {
        case .equal: return order == 0
        case .greater: return order > 0
        case .less: return order < 0
        case .notEqual: return order != 0
        case nil: return true
        }
    }

    private static func order(_ a: Int64, _ b: Int64) -> Int { a < b ? -1 : a > b ? 1 : 0 }
}

extension PutRequest {
    func withUncheckedView<R>(_ body: (PutView) -> R) -> R {
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                var view = PutView()
                view.key = key
                view.value = value
                view.lease = lease
                view.prevKV = prevKV
                view.ignoreValue = ignoreValue
                view.ignoreLease = ignoreLease
                return body(view)
            }
        }
    }
}
