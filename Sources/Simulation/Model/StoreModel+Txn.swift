import Primitives
import StateMachine

/// Transactions and ranges, as etcd defines them.
extension StoreModel {
    mutating func transact(_ request: TxnRequest) throws(StoreError) -> ModelTxnResult {
        // Which branch each transaction takes is decided before any of them changes anything.
        var path: [Bool] = []
        choose(request, &path)
        var step = 0
        try checkAll(request, path, &step)
        step = 0
        var changes = 0
        let result = execute(request, path, &step, &changes)
        if changes > 0 { advance(to: revision + 1) }
        return result
    }

    /// A transaction of ranges only, as of an index.
    func readOnly(
        _ request: TxnRequest, at index: LogIndex
    ) throws(StoreError) -> ModelTxnResult {
        guard let step = step(index) else { throw .futureRevision }
        let holds = request.compares.allSatisfy { self.holds($0, at: step.revision) }
        var result = ModelTxnResult(succeeded: holds)
        for case .range(let range) in holds ? request.success : request.failure {
            result.responses.append(.range(try self.range(range, at: index)))
        }
        return result
    }

    private func choose(_ request: TxnRequest, _ path: inout [Bool]) {
        let holds = request.compares.allSatisfy { self.holds($0, at: .max) }
        path.append(holds)
        for case .txn(let nested) in holds ? request.success : request.failure {
            choose(nested, &path)
        }
    }

    private func checkAll(
        _ request: TxnRequest, _ path: [Bool], _ step: inout Int
    ) throws(StoreError) {
        let operations = path[step] ? request.success : request.failure
        step += 1
        for operation in operations {
            switch operation {
            case .range(let range):
                if range.key.isEmpty { throw .emptyKey }
                if range.revision > revision { throw .futureRevision }
                if range.revision > 0, range.revision < compacted { throw .compacted }
            case .put(let put): try check(put)
            case .deleteRange(let delete): if delete.key.isEmpty { throw .emptyKey }
            case .txn(let nested): try checkAll(nested, path, &step)
            case .empty: break
            }
        }
    }

    private mutating func execute(
        _ request: TxnRequest, _ path: [Bool], _ step: inout Int, _ changes: inout Int
    ) -> ModelTxnResult {
        var result = ModelTxnResult(succeeded: path[step])
        step += 1
        for operation in result.succeeded ? request.success : request.failure {
            switch operation {
            case .range(let range):
                result.responses.append(
                    .range(select(range, at: range.revision > 0 ? range.revision : .max)))
            case .put(let put):
                let old = write(put, revision: revision + 1, sub: changes)
                changes += 1
                result.responses.append(.put(previous: put.prevKV ? old : nil))
            case .deleteRange(let delete):
                let doomed = versions(key: delete.key, end: delete.rangeEnd)
                for version in doomed {
                    remove(version, revision: revision + 1, sub: changes)
                    changes += 1
                }
                result.responses.append(
                    .delete(deleted: doomed.count, previous: delete.prevKV ? doomed : []))
            case .txn(let nested):
                result.responses.append(.txn(execute(nested, path, &step, &changes)))
            case .empty: result.responses.append(.empty)
            }
        }
        return result
    }

    private func holds(_ compare: Compare, at revision: Int64) -> Bool {
        let found = versions(key: compare.key, end: compare.rangeEnd, at: revision)
        if found.isEmpty {
            // A value that is not there compares with nothing.
            return compare.target != Compare.Target.value.rawValue && holds(compare, nil)
        }
        return found.allSatisfy { holds(compare, $0) }
    }

    private func holds(_ compare: Compare, _ version: ModelVersion?) -> Bool {
        // An operand that is zero is not on the wire; the target says what it is compared with.
        var number: Int64 = 0
        var text: [UInt8] = []
        switch compare.operand {
        case .version(let given), .createRevision(let given), .modRevision(let given),
            .lease(let given):
            number = given
        case .value(let given): text = given
        case .none: break
        }
        let order: Int
        switch Compare.Target(rawValue: compare.target) {
        case .version: order = Self.order(version?.version ?? 0, number)
        case .create: order = Self.order(version?.create ?? 0, number)
        case .mod: order = Self.order(version?.mod ?? 0, number)
        case .lease: order = Self.order(version?.lease ?? 0, number)
        case .value:
            let value = version?.value ?? []
            order = value == text ? 0 : value.lexicographicallyPrecedes(text) ? -1 : 1
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

    // MARK: Ranges

    /// What a range must answer from the state as of `index`.
    func range(_ request: RangeRequest, at index: LogIndex) throws(StoreError) -> ModelRange {
        guard let step = step(index) else { throw .futureRevision }
        if request.revision > step.revision { throw .futureRevision }
        if request.revision > 0, request.revision < step.compacted { throw .compacted }
        return select(request, at: request.revision > 0 ? request.revision : step.revision)
    }

    private func select(_ request: RangeRequest, at revision: Int64) -> ModelRange {
        var found = versions(key: request.key, end: request.rangeEnd, at: revision)
        let count = found.count
        if request.countOnly { return ModelRange(versions: [], count: count, more: false) }
        var more = false
        if request.limit > 0, found.count > Int(request.limit) {
            found.removeLast(found.count - Int(request.limit))
            more = true
        }
        if request.keysOnly {
            for place in found.indices {
                found[place].value = []
                found[place].lease = 0
            }
        }
        return ModelRange(versions: found, count: count, more: more)
    }
}
