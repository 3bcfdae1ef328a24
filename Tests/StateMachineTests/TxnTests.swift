import Primitives
import StateMachine
import Testing

@Suite("Txn (etcd v3 API, KV.Txn)")
struct TxnTests {
    let driver = StoreDriver()

    func result(_ applied: Applied) throws -> TxnResult {
        guard case .txn(let result) = applied.outcome else {
            throw applied.error ?? StoreError.corrupt
        }
        return result
    }

    func holds(_ compares: Compare...) throws -> Bool {
        try driver.store.readOnlyTxn(TxnRequest(compares)).succeeded
    }

    @Test("all writes of a transaction share one revision, in order of operation")
    func oneRevision() throws {
        driver.put("z", "1")
        let applied = driver.txn(
            TxnRequest(then: [
                .put(PutRequest("b", "1")), .deleteRange(DeleteRangeRequest("z")),
                .put(PutRequest("a", "2")),
            ]))
        #expect(
            applied.events.map(\.line) == ["b=1 3/3.0/1", "z deleted 3.1", "a=2 3/3.2/1"])
        #expect(applied.revision == Revision(3))
        #expect(try result(applied).succeeded)
    }

    @Test("a transaction that changes nothing makes no revision")
    func noChange() throws {
        let applied = driver.txn(TxnRequest(then: [.deleteRange(DeleteRangeRequest("a"))]))
        #expect(applied.revision == Revision(1) && applied.events.isEmpty)
        #expect(driver.txn(TxnRequest()).revision == Revision(1))
    }

    @Test("without compares the transaction succeeds, with a false one it takes the other branch")
    func branches() throws {
        let request = TxnRequest(
            [Compare("a", .equal, .version, .version(0))],
            then: [.put(PutRequest("a", "then"))], else: [.put(PutRequest("a", "else"))])
        #expect(try result(driver.txn(request)).succeeded)
        #expect(driver.get("a") == "then")
        #expect(try !result(driver.txn(request)).succeeded)
        #expect(driver.get("a") == "else")
    }

    @Test("a missing key compares as zeros, except that no compare of its value holds")
    func missingKey() throws {
        #expect(try holds(Compare("a", .equal, .version, .version(0))))
        #expect(try holds(Compare("a", .equal, .create, .createRevision(0))))
        #expect(try holds(Compare("a", .equal, .mod, .modRevision(0))))
        #expect(try holds(Compare("a", .equal, .lease, .lease(0))))
        for relation in [Compare.Relation.equal, .greater, .less, .notEqual] {
            #expect(try !holds(Compare("a", relation, .value, .value([]))))
            #expect(try !holds(Compare("a", relation, .value, .value([1]))))
        }
    }

    @Test("each relation holds exactly when it should")
    func relations() throws {
        driver.put("a", "m")
        driver.put("a", "m")
        for (relation, below, same, above) in [
            (Compare.Relation.equal, false, true, false), (.notEqual, true, false, true),
            (.greater, true, false, false), (.less, false, false, true),
        ] {
            #expect(try holds(Compare("a", relation, .version, .version(1))) == below)
            #expect(try holds(Compare("a", relation, .version, .version(2))) == same)
            #expect(try holds(Compare("a", relation, .version, .version(3))) == above)
            #expect(try holds(Compare("a", relation, .value, .value(bytes("l")))) == below)
            #expect(try holds(Compare("a", relation, .value, .value(bytes("m")))) == same)
            #expect(try holds(Compare("a", relation, .value, .value(bytes("ma")))) == above)
            #expect(try holds(Compare("a", relation, .create, .createRevision(1))) == below)
            #expect(try holds(Compare("a", relation, .create, .createRevision(2))) == same)
            #expect(try holds(Compare("a", relation, .mod, .modRevision(3))) == same)
            #expect(try holds(Compare("a", relation, .mod, .modRevision(4))) == above)
        }
    }

    @Test("a compare of the lease sees the key's lease")
    func leaseCompare() throws {
        driver.grant(3)
        driver.put("a", "1", lease: 3)
        #expect(try holds(Compare("a", .equal, .lease, .lease(3))))
        #expect(try !holds(Compare("a", .equal, .lease, .lease(0))))
    }

    @Test("a compare over a range must hold for every key, and is made with zeros for none")
    func rangeCompare() throws {
        driver.put("a1", "1")
        driver.put("a2", "1")
        #expect(try holds(Compare("a", to: "b", .greater, .create, .createRevision(1))))
        #expect(try !holds(Compare("a", to: "b", .equal, .create, .createRevision(2))))
        #expect(try holds(Compare("b", to: "c", .equal, .create, .createRevision(0))))
        #expect(try !holds(Compare("b", to: "c", .greater, .create, .createRevision(0))))
        #expect(try holds(Compare("a", to: "\0", .equal, .version, .version(1))))
    }

    @Test("an operand of another type than the target counts as zero")
    func foreignOperand() throws {
        #expect(try holds(Compare("a", .equal, .version, .modRevision(7))))
        driver.put("a", "1")
        #expect(try holds(Compare("a", .greater, .version, .modRevision(7))))
        #expect(try holds(Compare("a", .greater, .value, .none)))
    }

    @Test("a range after a put in the same transaction sees the put")
    func readYourWrites() throws {
        driver.put("a", "old")
        let applied = driver.txn(
            TxnRequest(then: [
                .range(RangeRequest("a")), .put(PutRequest("a", "new", prevKV: true)),
                .range(RangeRequest("a")), .range(RangeRequest("a", revision: 2)),
            ]))
        let responses = try result(applied).responses
        guard case .range(let before, let first) = responses[0],
            case .put(let during, let previous) = responses[1],
            case .range(let after, let second) = responses[2],
            case .range(_, let third) = responses[3]
        else {
            Issue.record("\(responses)")
            return
        }
        #expect(before == Revision(2) && during == Revision(3) && after == Revision(3))
        #expect(first?.records.map(\.line) == ["a=old 2/2.0/1"])
        #expect(previous?.line == "a=old 2/2.0/1")
        #expect(second?.records.map(\.line) == ["a=new 2/3.0/2"])
        #expect(third?.records.map(\.line) == ["a=old 2/2.0/1"])
    }

    @Test("where nobody is answered the ranges are not read, and the state is the same")
    func unevaluated() throws {
        let other = StoreDriver()
        let request = TxnRequest(then: [.put(PutRequest("a", "1")), .range(RangeRequest("a"))])
        driver.txn(request, evaluate: true)
        let applied = other.txn(request, evaluate: false)
        guard case .range(Revision(2), nil) = try result(applied).responses[1] else {
            Issue.record("a range was read")
            return
        }
        #expect(driver.store.digest == other.store.digest)
        #expect(driver.store.fullHash() == other.store.fullHash())
    }

    @Test("a range at a compacted or future revision fails the whole transaction on every node")
    func revisionCheck() {
        for value in 1...5 { driver.put("a", "\(value)") }
        driver.compact(4)
        for evaluate in [true, false] {
            for (revision, error) in [(3, StoreError.compacted), (9, .futureRevision)] {
                let request = TxnRequest(then: [
                    .put(PutRequest("b", "1")),
                    .range(RangeRequest("a", revision: Int64(revision))),
                ])
                #expect(driver.txn(request, evaluate: evaluate).error == error)
            }
        }
        #expect(driver.get("b") == nil)
        #expect(driver.store.revision == Revision(6))
    }

    @Test("an unknown lease or a missing key under ignore_value fails the whole transaction")
    func putChecks() {
        #expect(
            driver.txn(
                TxnRequest(then: [
                    .put(PutRequest("a", "1")), .put(PutRequest("b", "1", lease: 4)),
                ])
            ).error == .leaseNotFound)
        #expect(
            driver.txn(
                TxnRequest(then: [
                    .put(PutRequest("a", "1")), .put(PutRequest("b", "", ignoreValue: true)),
                ])
            ).error == .keyNotFound)
        #expect(driver.keys(.everything) == [])
        #expect(driver.store.revision == Revision(1))
    }

    @Test("what the branch not taken asks for is not checked")
    func otherBranch() {
        let request = TxnRequest(
            then: [.put(PutRequest("a", "1"))], else: [.put(PutRequest("b", "1", lease: 4))])
        #expect(driver.txn(request).error == nil)
    }

    @Test("nested transactions decide on the state before the first change")
    func nested() throws {
        let inner = TxnRequest(
            [Compare("a", .equal, .version, .version(0))],
            then: [.put(PutRequest("b", "fresh"))], else: [.put(PutRequest("b", "seen"))])
        let applied = driver.txn(
            TxnRequest(then: [.put(PutRequest("a", "1")), .txn(inner), .txn(inner)]))
        #expect(driver.get("b") == "fresh")
        #expect(applied.events.count == 3)
        let again = driver.txn(TxnRequest(then: [.txn(inner)]))
        #expect(again.events.map(\.line) == ["b=seen 2/3.0/3"])
        guard case .txn(let nested) = try result(again).responses[0] else {
            Issue.record("no nested result")
            return
        }
        #expect(!nested.succeeded)
    }

    @Test("only ranges make a transaction read-only, only serializable ones a serializable one")
    func readOnly() {
        var serializable = RangeRequest("a")
        serializable.isSerializable = true
        let plain = TxnRequest(then: [.range(RangeRequest("a"))])
        #expect(plain.isReadOnly && !plain.isSerializable)
        #expect(TxnRequest(then: [.range(serializable)]).isSerializable)
        #expect(TxnRequest().isReadOnly && TxnRequest().isSerializable)
        #expect(!TxnRequest(else: [.put(PutRequest("a", "1"))]).isReadOnly)
        #expect(!TxnRequest(then: [.txn(plain)]).isReadOnly)
    }

    @Test("a read-only transaction answers from the current state and changes nothing")
    func readOnlyAnswer() throws {
        driver.put("a", "1")
        let before = driver.store.digest
        let found = try driver.store.readOnlyTxn(
            TxnRequest(
                [Compare("a", .equal, .version, .version(1))],
                then: [.range(RangeRequest("a"))]))
        guard case .range(Revision(2), let range) = found.responses[0] else {
            Issue.record("\(found)")
            return
        }
        #expect(range?.records.map(\.line) == ["a=1 2/2.0/1"])
        #expect(driver.store.digest == before)
        #expect(throws: StoreError.futureRevision) {
            try driver.store.readOnlyTxn(
                TxnRequest(then: [.range(RangeRequest("a", revision: 3))]))
        }
    }
}
