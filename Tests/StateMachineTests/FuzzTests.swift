import Primitives
import StateMachine
import Testing

@Suite("Any bytes give an outcome (DESIGN §6)")
struct FuzzTests {
    /// Bodies of every kind that make sense, for the fuzzer to break. Empty: a ``decision``.
    static func seeds() -> [(CommandKind, [UInt8])] {
        let inner = TxnRequest(
            [Compare("a", to: "c", .less, .value, .value(bytes("5")))],
            then: [.put(PutRequest("x", "1", lease: 1)), .deleteRange(DeleteRangeRequest("a"))])
        var range = RangeRequest(
            "a", to: "\0", limit: 3, revision: 2, order: .descend, target: .value)
        range.minModRevision = 1
        range.keysOnly = true
        let txn = TxnRequest(
            [Compare("a", .equal, .create, .createRevision(2))],
            then: [.range(range), .txn(inner)],
            else: [.txn(inner), .put(PutRequest("y", "", ignoreValue: true)), .empty])
        let attributes = MemberAttributes(
            member: NodeID(2), name: "n", clientURLs: ["u"], peerURLs: ["p"], version: "1",
            level: .newest)
        return [
            (.put, PutRequest("a", "value", lease: 1, prevKV: true).encoded),
            (.put, PutRequest("a", "", ignoreLease: true).encoded),
            (.deleteRange, DeleteRangeRequest("a", to: "b", prevKV: true).encoded),
            (.txn, txn.encoded), (.txn, inner.encoded),
            (.compact, encodedNumbers((1, 5), (2, 1))),
            (.leaseGrant, encodedNumbers((1, 60), (2, 1))),
            (.leaseRevoke, encodedNumbers((1, 1))),
            (.leaseExpire, []), (.leaseCheckpoint, []),
            (.alarm, AlarmRequest(.deactivate, member: NodeID(1), kind: .noSpace).encode()),
            (.memberAttributes, attributes.encode()),
            (.clusterLevel, ClusterLevelCommand.encode(.newest)),
            (.downgrade, DowngradeRequest.enable(target: "3.6.0").encode()),
            (.downgrade, DowngradeRequest.cancel.encode()),
            (.memberRemoval, [2, 0, 0, 0, 0, 0, 0, 0]),
            (.memberRejoin, MemberCommand.rejoin(NodeID(1), name: "n", peerURLs: ["u"])),
            (.memberSuccession, MemberCommand.succession(of: NodeID(1), by: NodeID(2))),
            (.auth, AuthCommand.addUser(bytes("root"), hash: [1]).encode()),
            (.auth, AuthCommand.grantRole(bytes("root"), to: bytes("root")).encode()),
            (.auth, AuthCommand.enable.encode()), (.auth, AuthCommand.addRole([1]).encode()),
            (.auth, AuthCommand.grantPermission(KeyPermission(.read, "a"), to: [1]).encode()),
        ]
    }

    /// A leader's decision about leases as they are in the store.
    func decision(_ store: Store, _ random: inout SplitMix64) -> [UInt8] {
        let few = store.leases.all.prefix(Int(random.next(below: 3)))
        return LeaseBatch(few.map { .init($0, remainingSeconds: 5) }).encode()
    }

    func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
        for _ in 0..<(1 + random.next(below: 3)) {
            guard !bytes.isEmpty else { return }
            let place = Int(random.next(below: UInt64(bytes.count)))
            switch random.next(below: 6) {
            case 0: bytes[place] ^= UInt8(1 << random.next(below: 8))
            case 1: bytes[place] = UInt8(truncatingIfNeeded: random.next())
            case 2: bytes.removeLast(bytes.count - place)
            case 3: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
            case 4: bytes.remove(at: place)
            default: bytes.insert(contentsOf: bytes[place...], at: place)
            }
            if bytes.count > 4096 { bytes.removeLast(bytes.count - 4096) }
        }
    }

    @Test("broken commands never trap, and two stores that saw them are equal", arguments: 0..<20)
    func apply(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let seeds = Self.seeds()
        let driver = StoreDriver()
        let other = Store()
        for step in 0..<1500 {
            let (kind, seed) = seeds[Int(random.next(below: UInt64(seeds.count)))]
            let body = seed.isEmpty ? decision(driver.store, &random) : seed
            var header = CommandHeader(
                kind: kind,
                request: RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: 1))
            header.proposedID = Int64(random.next(below: 3))
            var changed = body
            if random.next(below: 4) != 0 { mutate(&changed, &random) }
            var payload = Command.encode(header, body: changed)
            if random.next(below: 8) == 0 { mutate(&payload, &random) }
            let applied = driver.apply(payload: payload, evaluate: step % 2 == 0)
            _ = applied.outcome.encodeResponse(
                ResponseHeader(clusterID: 1, memberID: 1, revision: 1, raftTerm: 1))
            _ = other.apply(driver.log[driver.log.count - 1], evaluate: step % 3 == 0)
            if step % 50 == 0 { _ = other.purge(budget: 5) }
            if step % 200 == 0 {
                driver.apply(.alarm, AlarmRequest(.deactivate, kind: .noSpace).encode())
                _ = other.apply(driver.log[driver.log.count - 1])
            }
        }
        driver.store.checkInvariants()
        other.checkInvariants()
        #expect(driver.store.digest == other.digest)
        #expect(driver.store.fullHash() == other.fullHash())
        #expect(try driver.reloaded().fullHash() == other.fullHash())
    }

    @Test("A24 broken requests never trap a reader", arguments: 0..<8)
    func read(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let driver = StoreDriver()
        for number in 0..<50 { driver.put("\(number)", "v") }
        driver.compact(20)
        let range = RangeRequest("1", to: "4", limit: 2, revision: 30, order: .ascend, target: .mod)
        for _ in 0..<3000 {
            var bytes = range.encoded
            mutate(&bytes, &random)
            guard let request = try? RangeRequest.decode(bytes) else { continue }
            _ = try? driver.store.range(request)
            if var scan = try? driver.store.makeScan(request) {
                while !scan.isDone { _ = scan.next(recordsMax: 7) }
            }
            _ = try? driver.store.readOnlyTxn(TxnRequest(then: [.range(request)]))
        }
    }

    @Test("A26 numbers at the ends of their range are taken or refused, never trapped")
    func extremes() {
        let driver = StoreDriver()
        for number in [Int64.min, .min + 1, -1, 0, 1, .max - 1, .max] {
            driver.put("a", "1")
            driver.compact(number)
            driver.grant(number, seconds: number)
            driver.put("b", "1", lease: number)
            var range = RangeRequest("a", to: "\0", limit: number, revision: number)
            _ = try? driver.store.range(range)
            range.revision = 0
            range.minModRevision = number
            range.maxCreateRevision = number
            _ = try? driver.store.range(range)
            driver.txn(
                TxnRequest(
                    [Compare("a", .greater, .mod, .modRevision(number))],
                    then: [.range(range)], else: [.range(range)]))
            driver.apply(
                .leaseCheckpoint,
                LeaseBatch(
                    driver.store.leases.all.map { .init($0, remainingSeconds: number) }
                ).encode())
            driver.revoke(number)
            _ = driver.store.events(from: Revision(number), max: Int(number))
        }
        driver.store.checkInvariants()
    }
}
