import Primitives
import StateMachine
import Testing

@Suite("Users, roles and permissions: who may do what (ETCD §1; RELIABILITY A02 to A10)")
struct GrantsTests {
    /// All keys that there can be, as far as these tests care: one and two letters out of four.
    private static let letters: [UInt8] = Array("abcd".utf8)
    private static let keys: [[UInt8]] =
        letters.map { [$0] } + letters.flatMap { first in letters.map { [first, $0] } }

    private static func randomRange(_ random: inout SplitMix64) -> (key: [UInt8], end: [UInt8]) {
        let key = keys[Int(random.next(below: UInt64(keys.count)))]
        switch random.next(below: 4) {
        case 0: return (key, [])
        case 1: return (key, [0])
        default: return (key, keys[Int(random.next(below: UInt64(keys.count)))])
        }
    }

    /// By going through every key: an oracle that knows nothing of intervals.
    private static func names(_ key: [UInt8], _ range: (key: [UInt8], end: [UInt8])) -> Bool {
        if range.end.isEmpty { return key == range.key }
        if key.lexicographicallyPrecedes(range.key) { return false }
        return range.end == [0] || key.lexicographicallyPrecedes(range.end)
    }

    /// Whether `granted` allows all that `asked` names, by going through keys. Between two of the
    /// keys there are others, so each stands for those up to the next one.
    private static func allows(
        _ granted: [(key: [UInt8], end: [UInt8])], _ asked: (key: [UInt8], end: [UInt8])
    ) -> Bool {
        var all: [[UInt8]] = keys + keys.map { $0 + [33] }
        all.append([255, 255])
        var wanted = all.filter { names($0, asked) }
        if wanted.isEmpty { wanted = [asked.key] }
        return wanted.allSatisfy { key in granted.contains { names(key, $0) } }
    }

    @Test("a range is allowed exactly if every key in it is", arguments: 0..<20)
    func ranges(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<100 {
            let driver = StoreDriver()
            driver.enableAuth()
            let granted = (0..<random.next(below: 5)).map { _ in Self.randomRange(&random) }
            let sound = granted.filter {
                $0.end.isEmpty || $0.end == [0] || $0.key.lexicographicallyPrecedes($0.end)
            }
            driver.addUser(
                "u", granted.map { KeyPermission(kind: .read, key: $0.key, rangeEnd: $0.end) })
            for _ in 0..<20 {
                let asked = Self.randomRange(&random)
                let grants = try? driver.store.grants(of: driver.principal("u"))
                let isAllowed =
                    (try? grants?.checkRead(KeyRange(key: asked.key, rangeEnd: asked.end))) != nil
                #expect(
                    isAllowed == Self.allows(sound, asked), "\(sound) against \(asked)")
            }
        }
    }

    private static func driver() -> StoreDriver {
        let driver = StoreDriver()
        driver.enableAuth()
        driver.addUser("reader", [KeyPermission(.read, "a", to: "c")])
        driver.addUser("writer", [KeyPermission(.write, "a", to: "c")])
        driver.addUser("both", [KeyPermission(.readWrite, "a", to: "c")])
        driver.addUser("bare", [])
        driver.apply(.put, PutRequest("a", "1").encoded, as: driver.principal("root"))
        driver.apply(.put, PutRequest("x", "1").encoded, as: driver.principal("root"))
        // Lease 5 holds a key that only root may write, lease 6 one that writers may.
        for (lease, key) in [(5, "x"), (6, "a")] as [(Int64, String)] {
            driver.apply(
                .leaseGrant, encodedNumbers((1, 60), (2, lease)), as: driver.principal("root"))
            driver.apply(
                .put, PutRequest(key, "1", lease: lease).encoded, as: driver.principal("root"))
        }
        return driver
    }

    private static func nested(_ op: RequestOp, depth: Int) -> TxnRequest {
        var txn = TxnRequest(then: [op])
        for level in 0..<depth {
            // Hidden in turn in the branch that runs and in the one that does not.
            txn = level % 2 == 0 ? TxnRequest(then: [.txn(txn)]) : TxnRequest(else: [.txn(txn)])
        }
        return txn
    }

    private struct Case {
        var name: String
        var kind: CommandKind
        var body: [UInt8]
        /// Which of the users may do it; root may do everything.
        var allowed: Set<String>
    }

    private static let cases: [Case] = {
        let put = RequestOp.put(PutRequest("x", "2"))
        let read = RequestOp.range(RangeRequest("x"))
        let delete = RequestOp.deleteRange(DeleteRangeRequest("a", to: "z"))
        return [
            Case(
                name: "put", kind: .put, body: PutRequest("a", "2").encoded,
                allowed: ["writer", "both"]),
            Case(
                name: "put elsewhere", kind: .put, body: PutRequest("c", "2").encoded, allowed: []),
            Case(
                name: "put with prev_kv (A05)", kind: .put,
                body: PutRequest("a", "2", prevKV: true).encoded, allowed: ["both"]),
            Case(
                name: "put with a lease of others' keys (A06)", kind: .put,
                body: PutRequest("a", "2", lease: 5).encoded, allowed: []),
            Case(
                name: "put with a lease of one's keys", kind: .put,
                body: PutRequest("a", "2", lease: 6).encoded, allowed: ["writer", "both"]),
            Case(
                name: "delete", kind: .deleteRange, body: DeleteRangeRequest("b", to: "c").encoded,
                allowed: ["writer", "both"]),
            Case(
                name: "delete with prev_kv", kind: .deleteRange,
                body: DeleteRangeRequest("b", to: "c", prevKV: true).encoded, allowed: ["both"]),
            Case(
                name: "delete from a key on (A03)", kind: .deleteRange,
                body: DeleteRangeRequest("b", to: "\0").encoded, allowed: []),
            Case(
                name: "delete of an empty range (A03)", kind: .deleteRange,
                body: DeleteRangeRequest("x", to: "a").encoded, allowed: []),
            Case(
                name: "a transaction that only compares (A10)", kind: .txn,
                body: TxnRequest([Compare("x", .equal, .version, .version(1))]).encoded, allowed: []
            ),
            Case(
                name: "a compare of what may be read", kind: .txn,
                body: TxnRequest([Compare("a", .equal, .version, .version(1))]).encoded,
                allowed: ["reader", "both"]),
            Case(
                name: "a put in a branch that does not run", kind: .txn,
                body: TxnRequest(else: [put]).encoded, allowed: []),
            Case(
                name: "a put hidden seven deep (A04)", kind: .txn,
                body: nested(put, depth: 7).encoded, allowed: []),
            Case(
                name: "a range hidden six deep (A04)", kind: .txn,
                body: nested(read, depth: 6).encoded, allowed: []),
            Case(
                name: "a deletion hidden five deep (A04)", kind: .txn,
                body: nested(delete, depth: 5).encoded, allowed: []),
            Case(
                name: "granting a lease", kind: .leaseGrant, body: encodedNumbers((1, 60), (2, 9)),
                allowed: ["reader", "writer", "both", "bare"]),
            Case(
                name: "ending a lease of others' keys (A06)", kind: .leaseRevoke,
                body: encodedNumbers((1, 5)), allowed: []),
            Case(
                name: "ending a lease of one's keys", kind: .leaseRevoke,
                body: encodedNumbers((1, 6)), allowed: ["writer", "both"]),
            Case(
                name: "compacting (A31)", kind: .compact, body: encodedNumbers((1, 2)),
                allowed: []),
            Case(
                name: "an alarm", kind: .alarm,
                body: AlarmRequest(.deactivate, kind: .noSpace).encode(), allowed: []),
            Case(
                name: "adding a member", kind: .memberAddition,
                body: MemberCommand.addition(as: .joining, peerURLs: ["http://h:1"]), allowed: []),
            Case(
                name: "adding a user", kind: .auth,
                body: AuthCommand.addUser(bytes("n"), hash: [1]).encode(), allowed: []),
            Case(
                name: "the leader's own command", kind: .leaseExpire,
                body: LeaseBatch([]).encode(), allowed: []),
        ]
    }()

    @Test("every kind of command against every kind of principal")
    func matrix() {
        for one in Self.cases {
            for user in ["reader", "writer", "both", "bare"] {
                let driver = Self.driver()
                let applied = driver.apply(one.kind, one.body, as: driver.principal(user))
                let expected: StoreError? =
                    one.allowed.contains(user) ? nil : .permissionDenied
                #expect(applied.error == expected, "\(one.name) by \(user)")
                if applied.error != nil { #expect(applied.events.isEmpty) }
            }
            let driver = Self.driver()
            #expect(
                driver.apply(one.kind, one.body, as: .anonymous).error
                    == (one.kind == .leaseExpire ? .permissionDenied : .userNameEmpty),
                "\(one.name) by nobody")
            let unknown = Principal.user(bytes("ghost"), authRevision: .max)
            let error = driver.apply(one.kind, one.body, as: unknown).error
            #expect(error == .permissionDenied || error == .userNotFound, "\(one.name) by a ghost")
            #expect(driver.apply(one.kind, one.body, as: .node).error == nil, "\(one.name)")
        }
    }

    @Test("root may do everything, and so may anybody while authentication is off")
    func unlimited() {
        for one in Self.cases where one.kind != .leaseExpire {
            let driver = Self.driver()
            let root = driver.apply(one.kind, one.body, as: driver.principal("root"))
            #expect(root.error == nil, "\(one.name)")
            let other = Self.driver()
            other.auth(.disable, as: other.principal("root"))
            #expect(other.apply(one.kind, one.body, as: .anonymous).error == nil, "\(one.name)")
        }
    }

    @Test("what was allowed when it was proposed is judged again when it is applied (A09)")
    func judgedAtApply() {
        let driver = Self.driver()
        let early = driver.principal("both")
        driver.auth(
            .revokePermission(key: bytes("a"), rangeEnd: bytes("c"), from: bytes("both")),
            as: driver.principal("root"))
        let late = driver.apply(.put, PutRequest("a", "2").encoded, as: early)
        #expect(late.error == .permissionDenied)
    }

    @Test("a name that is given anew is another identity")
    func givenAnew() {
        let driver = Self.driver()
        let old = driver.principal("both")
        driver.auth(.deleteUser(bytes("both")), as: driver.principal("root"))
        driver.auth(.addUser(bytes("both"), hash: [9]), as: driver.principal("root"))
        driver.auth(.grantRole(bytes("both"), to: bytes("both")), as: driver.principal("root"))
        let put = PutRequest("a", "2").encoded
        #expect(driver.apply(.put, put, as: old).error == .oldAuthRevision)
        #expect(driver.apply(.put, put, as: driver.principal("both")).error == nil)
    }
}
