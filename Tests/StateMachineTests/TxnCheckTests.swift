import Primitives
import StateMachine
import Testing

@Suite("Checks before a transaction is proposed (etcd v3 API, KV.Txn)")
struct TxnCheckTests {
    func error(_ request: TxnRequest, max: Int = 128) -> StoreError? {
        do throws(StoreError) {
            try request.check(operationsMax: max)
            return nil
        } catch {
            return error
        }
    }

    func put(_ key: String) -> RequestOp { .put(PutRequest(key, "1")) }
    func delete(_ key: String, to end: String = "") -> RequestOp {
        .deleteRange(DeleteRangeRequest(key, to: end))
    }

    @Test("A28 the longest of the three lists may have as many operations as the limit")
    func limit() {
        let ops = (0..<3).map { put("\($0)") }
        #expect(error(TxnRequest(then: ops), max: 3) == nil)
        #expect(error(TxnRequest(then: ops), max: 2) == .tooManyOperations)
        #expect(error(TxnRequest(else: ops), max: 2) == .tooManyOperations)
        let compares = (0..<3).map { Compare("\($0)", .equal, .version, .version(0)) }
        #expect(error(TxnRequest(compares, then: ops), max: 3) == nil)
        #expect(error(TxnRequest(compares), max: 2) == .tooManyOperations)
    }

    @Test("nested transactions share what their parent has left")
    func sharedLimit() {
        let inner = TxnRequest(then: [put("a"), put("b")])
        #expect(error(TxnRequest(then: [.txn(inner)]), max: 3) == nil)
        #expect(error(TxnRequest(then: [.txn(inner)]), max: 2) == .tooManyOperations)
        let outer = TxnRequest(then: [.txn(inner), put("c"), put("d")])
        #expect(error(outer, max: 4) == .tooManyOperations)
        #expect(error(outer, max: 5) == nil)
    }

    @Test("an empty operation is 'key not found', an empty key 'key is not provided'")
    func empties() {
        #expect(error(TxnRequest(then: [.empty])) == .keyNotFound)
        #expect(error(TxnRequest(else: [put("")])) == .emptyKey)
        #expect(error(TxnRequest([Compare("", .equal, .version, .none)])) == .emptyKey)
        #expect(error(TxnRequest(then: [.txn(TxnRequest(then: [.empty]))])) == .keyNotFound)
    }

    @Test("each operation is checked as a request of its own")
    func operations() {
        var range = RangeRequest("a")
        range.sortOrder = 9
        #expect(error(TxnRequest(then: [.range(range)])) == .invalidSortOption)
        #expect(
            error(TxnRequest(then: [.put(PutRequest("a", "1", ignoreValue: true))]))
                == .valueProvided)
        #expect(error(TxnRequest(then: [delete("")])) == .emptyKey)
        #expect(error(TxnRequest(then: [put("/keelson/x")])) == .permissionDenied)
        #expect(error(TxnRequest(then: [delete("/keelson/x")])) == .permissionDenied)
    }

    @Test("A28 a key put twice on one path is a duplicate")
    func duplicatePut() {
        #expect(error(TxnRequest(then: [put("a"), put("a")])) == .duplicateKey)
        #expect(error(TxnRequest(then: [put("a")], else: [put("a")])) == nil)
        let inner = RequestOp.txn(TxnRequest(then: [put("a")]))
        #expect(error(TxnRequest(then: [put("a"), inner])) == .duplicateKey)
        #expect(error(TxnRequest(then: [inner, inner])) == .duplicateKey)
    }

    @Test("a key put inside a deleted range is a duplicate, deletions may overlap")
    func deletedPut() {
        #expect(error(TxnRequest(then: [delete("a"), put("a")])) == .duplicateKey)
        #expect(error(TxnRequest(then: [put("b"), delete("a", to: "c")])) == .duplicateKey)
        #expect(error(TxnRequest(then: [put("c"), delete("a", to: "c")])) == nil)
        #expect(error(TxnRequest(then: [put("b"), delete("a", to: "b")])) == nil)
        #expect(error(TxnRequest(then: [delete("a", to: "c"), delete("b", to: "d")])) == nil)
        #expect(
            error(
                TxnRequest(then: [delete("a", to: "c"), delete("b", to: "e"), put("d")]))
                == .duplicateKey)
        let inner = RequestOp.txn(TxnRequest(then: [delete("a", to: "c")]))
        #expect(error(TxnRequest(then: [inner, put("b")])) == .duplicateKey)
        #expect(
            error(TxnRequest(then: [delete("a"), .txn(TxnRequest(else: [put("a")]))]))
                == .duplicateKey)
    }

    @Test("a deletion without an end does not clash, as in etcd")
    func openDeletion() {
        #expect(error(TxnRequest(then: [delete("a", to: "\0"), put("b")])) == nil)
    }

    @Test("the branches of a nested transaction may put the same key, two transactions may not")
    func branches() {
        let both = RequestOp.txn(TxnRequest(then: [put("a")], else: [put("a")]))
        #expect(error(TxnRequest(then: [both])) == nil)
        #expect(error(TxnRequest(then: [both, both])) == .duplicateKey)
        let other = RequestOp.txn(TxnRequest(else: [put("a")]))
        #expect(error(TxnRequest(then: [both, other])) == .duplicateKey)
    }

    @Test("transactions nested too deep are refused by the decoder")
    func depth() throws {
        var request = TxnRequest()
        for _ in 1..<txnDepthMax { request = TxnRequest(then: [.txn(request)]) }
        let fine = request.encoded
        #expect(try TxnRequest.decode(fine) == request)
        let deep = TxnRequest(then: [.txn(request)]).encoded
        #expect(throws: StoreError.nestedTooDeep(limit: txnDepthMax)) {
            try TxnRequest.decode(deep)
        }
        let driver = StoreDriver()
        #expect(driver.apply(.txn, deep).error == .nestedTooDeep(limit: txnDepthMax))
        #expect(driver.apply(.txn, fine).error == nil)
    }

    @Test("a thousand overlapping operations are checked in no time")
    func manyOperations() {
        let puts = (0..<2000).map { put("k\($0)") }
        let deletes = (0..<2000).map { delete("x\($0)", to: "x\($0 + 7)") }
        #expect(error(TxnRequest(then: puts + deletes), max: 5000) == nil)
        #expect(error(TxnRequest(then: puts + deletes + [put("x1")]), max: 5000) == .duplicateKey)
    }
}
