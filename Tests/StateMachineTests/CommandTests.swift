import Primitives
import StateMachine
import Testing

@Suite("Commands, apply closed and total (DESIGN §6)")
struct CommandTests {
    let driver = StoreDriver()

    @Test("a header comes back as it was written, with the user's name and the body behind it")
    func roundTrip() throws {
        var header = CommandHeader(
            kind: .txn,
            request: RequestID(origin: NodeID(1), boot: BootNumber(2), sequence: 3))
        header.flags = 0x1234
        header.leaseSecondsMin = 9
        header.clock = 77
        header.fenceTerm = Term(5)
        header.authRevision = 8
        header.proposedID = -4
        header.user = bytes("root")
        var payload = Command.encode(header, body: [9, 9])
        #expect(payload.count == CommandHeader.fixedByteCount + 6)
        func decoded() throws -> (header: CommandHeader, bodyOffset: Int) {
            try payload.withUnsafeBytes { try Command.decodeHeader($0) }
        }
        #expect(try decoded().header == header)
        #expect(try decoded().bodyOffset == payload.count - 2)
        Command.stamp(&payload, clock: 100, clusterTime: 7, fenceTerm: Term(6))
        header.clock = 100
        header.fenceTerm = Term(6)
        #expect(try decoded().header == header)
        #expect(Command.requestID(of: payload) == header.request)
    }

    @Test("an unknown kind or version stops the node, a short one of a known kind is refused")
    func unknown() {
        var payload = Command.encode(
            CommandHeader(
                kind: .put,
                request: RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: 1)),
            body: [])
        payload[1] = 200
        #expect(driver.apply(payload: payload).mustStop)
        payload[1] = 1
        payload[0] = 3
        #expect(driver.apply(payload: payload).error == .unknownCommand(version: 3, kind: 1))
        payload[0] = 1
        #expect(driver.apply(payload: Array(payload[..<65])).error == .malformed(offset: 65))
        #expect(driver.apply(payload: []).error == .malformed(offset: 0))
        #expect(!driver.apply(payload: []).mustStop)
    }

    @Test("entries that are no commands move the applied index and nothing else")
    func otherEntries() {
        let applied = driver.apply(payload: [], kind: .noop)
        #expect(applied.request == nil && applied.error == nil)
        driver.apply(payload: [1, 2, 3], kind: .configuration)
        #expect(driver.store.appliedIndex == LogIndex(2))
        #expect(driver.store.digest == Digest())
    }

    @Test("the clock never goes back")
    func clock() {
        driver.clock = 50
        driver.put("a", "1")
        driver.clock = 40
        driver.put("a", "2")
        #expect(driver.store.clock == 50)
    }

    @Test("a fenced command of another term changes nothing")
    func fence() {
        driver.term = Term(3)
        let refused = driver.apply(.put, PutRequest("a", "1").encoded, fence: Term(2))
        #expect(refused.error == .fenced(decidedIn: 2, committedIn: 3))
        #expect(driver.get("a") == nil)
        #expect(driver.apply(.put, PutRequest("a", "1").encoded, fence: Term(3)).error == nil)
    }

    @Test("the outcome names its request, refused ones too")
    func request() {
        let applied = driver.put("", "")
        #expect(
            applied.request
                == RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: 1))
        #expect(applied.error == .emptyKey)
    }

    @Test("a refused command changes neither digest nor hash")
    func refusal() {
        driver.put("a", "1")
        let before = driver.store.digest
        let hash = driver.store.fullHash()
        driver.put("a", "2", lease: 5)
        driver.compact(99)
        driver.revoke(4)
        driver.txn(TxnRequest(then: [.put(PutRequest("a", "2")), .put(PutRequest("", ""))]))
        #expect(driver.store.digest == before)
        #expect(driver.store.fullHash() == hash)
    }

    @Test("each kind of change moves the digest, and its place in the order counts")
    func digest() {
        var seen = [driver.store.digest.value]
        func note() {
            let value = driver.store.digest.value
            #expect(!seen.contains(value))
            seen.append(value)
        }
        driver.put("a", "1")
        note()
        driver.put("a", "1")
        note()
        driver.grant(1)
        note()
        driver.put("a", "1", lease: 1)
        note()
        let leases = driver.store.leases.all
        driver.apply(
            .leaseCheckpoint, LeaseBatch(leases.map { .init($0, remainingSeconds: 3) }).encode())
        note()
        driver.compact(2)
        note()
        driver.revoke(1)
        note()
        driver.apply(.alarm, AlarmRequest(.activate, kind: .noSpace).encode())
        note()
        let attributes = MemberAttributes(
            member: NodeID(1), name: "n", clientURLs: [], peerURLs: [], version: "1",
            level: .newest)
        driver.apply(.memberAttributes, attributes.encode())
        note()
        driver.apply(.clusterLevel, ClusterLevelCommand.encode(.newest))
        note()
        driver.apply(.downgrade, DowngradeRequest.enable(target: "3.6.0").encode())
        note()
        for request in [PutRequest("a", "1", lease: 1), PutRequest("b", "1"), PutRequest("a", "2")]
        {
            let (left, right) = (StoreDriver(), StoreDriver())
            for driver in [left, right] { driver.grant(1) }
            left.put("a", "1")
            right.put(request)
            #expect(left.store.digest != right.store.digest)
        }
        let (left, right) = (StoreDriver(), StoreDriver())
        left.put("a", "1")
        left.put("b", "1")
        right.put("b", "1")
        right.put("a", "1")
        #expect(left.store.digest != right.store.digest)
    }

    @Test("the cost of a command is about the records that it would change")
    func cost() {
        driver.grant(7)
        driver.grant(8)
        for number in 0..<200 { driver.put("k\(number)", "v", lease: number < 30 ? 7 : 0) }
        func cost(_ kind: CommandKind, _ body: [UInt8]) -> Int {
            let request = RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: 1)
            return driver.store.costHint(
                Command.encode(CommandHeader(kind: kind, request: request), body: body))
        }
        let all = DeleteRangeRequest("k", to: "l")
        #expect(cost(.put, PutRequest("a", "1").encoded) == 1)
        #expect(cost(.deleteRange, all.encoded) == 200)
        #expect(cost(.leaseRevoke, encodedNumbers((1, 7))) == 31)
        #expect(cost(.leaseRevoke, encodedNumbers((1, 8))) == 1)
        let ended = [7, -1].map { LeaseBatch.Item(id: $0, grantIndex: LogIndex(1)) }
        #expect(cost(.leaseExpire, LeaseBatch(ended).encode()) == 33)
        let inner = TxnRequest(else: [.deleteRange(all), .put(PutRequest("a", "1"))])
        #expect(cost(.txn, TxnRequest(then: [.txn(inner)]).encoded) == 203)
        #expect(driver.store.costHint([1]) == 1)
    }

    @Test("errors have etcd's codes and texts")
    func errors() {
        #expect(StoreError.leaseNotFound.message == "etcdserver: requested lease not found")
        #expect(StoreError.leaseNotFound.grpcCode == 5)
        #expect(StoreError.compacted.grpcCode == 11)
        #expect(
            StoreError.compacted.message
                == "etcdserver: mvcc: required revision has been compacted")
        #expect(StoreError.noSpace.grpcCode == 8)
        #expect(StoreError.duplicateKey.grpcCode == 3)
        #expect(StoreError.leaseExists.message == "etcdserver: lease already exists")
        #expect(StoreError.leaseExists.grpcCode == 9)
    }
}
