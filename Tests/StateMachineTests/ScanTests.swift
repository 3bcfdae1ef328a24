import Primitives
import StateMachine
import Testing

@Suite("Scans and responses in pieces (DESIGN §6)")
struct ScanTests {
    let driver = StoreDriver()
    let header = ResponseHeader(clusterID: 1, memberID: 2, revision: 3, raftTerm: 4)

    init() {
        for number in 0..<900 {
            driver.put("k\(number)", String(repeating: "v", count: number % 90))
        }
        driver.delete("k3", to: "k4")
    }

    @Test("the pieces of a scan are the pairs of the whole response", arguments: [1, 7, 100, 5000])
    func pieces(step: Int) throws {
        let request = RangeRequest("k1", to: "k8")
        let result = try driver.store.range(request)
        var scan = try driver.store.makeScan(request)
        var measured = (count: 0, byteCount: 0)
        while !scan.isDone {
            let part = scan.measure(keysMax: step)
            measured.count += part.count
            measured.byteCount += part.byteCount
        }
        #expect(measured.count == Int(result.count))
        scan = try driver.store.makeScan(request)
        var writer = ProtobufWriter()
        header.encodeField(into: &writer)
        var encoded = 0
        while !scan.isDone {
            let before = writer.bytes.count
            encoded += scan.encode(into: &writer, bytesMax: step)
            #expect(writer.bytes.count - before <= step + 200)
        }
        Response.encodeRangeTail(more: false, count: result.count, &writer)
        #expect(encoded == measured.count)
        let whole = Response.range(header, result)
        #expect(writer.bytes == whole)
        #expect(
            header.embeddedByteCount + measured.byteCount
                + Response.rangeTailByteCount(more: false, count: result.count) == whole.count)
        #expect(Response.rangeByteCount(header, result) == whole.count)
    }

    @Test("a scan at an old revision reads that revision, stepped by keys looked at")
    func oldRevision() throws {
        driver.delete("k", to: "l")
        var scan = try driver.store.makeScan(RangeRequest("k", to: "l", revision: 901))
        var found = 0
        while !scan.isDone { found += scan.next(recordsMax: 50, keysMax: 20).count }
        #expect(found == 900)
        scan = try driver.store.makeScan(RangeRequest("k", to: "l"))
        #expect(scan.next(recordsMax: 50, keysMax: 20).isEmpty)
        #expect(!scan.isDone)
    }

    @Test("a scan of one key gives the key and is done")
    func oneKey() throws {
        var scan = try driver.store.makeScan(RangeRequest("k7"))
        #expect(scan.next(recordsMax: 1).map(\.key.description) == ["k7"])
        #expect(scan.next(recordsMax: 1).isEmpty)
        #expect(scan.isDone)
    }

    @Test("what is small is answered at once, what is large is to be scanned")
    func small() {
        #expect(driver.store.isSmall(RangeRequest("k", limit: 0), keysMax: 10))
        #expect(!driver.store.isSmall(RangeRequest("k", to: "l"), keysMax: 10))
        #expect(driver.store.isSmall(RangeRequest("k", to: "l", limit: 10), keysMax: 10))
        #expect(
            !driver.store.isSmall(RangeRequest("k", to: "l", limit: 10, revision: 5), keysMax: 10))
        #expect(driver.store.isSmall(RangeRequest("k10", to: "k100"), keysMax: 10))
        #expect(
            !driver.store.isSmall(
                RangeRequest("k", to: "l", limit: 1, order: .descend), keysMax: 10))
        #expect(driver.store.liveCount(RangeRequest("k", to: "l").range) == driver.store.keyCount)
    }

    @Test("a response is encoded as protobuf has it")
    func encoding() throws {
        let small = StoreDriver()
        small.put("a", "1")
        small.put("a", "2")
        let range = Response.range(header, try small.store.range(RangeRequest("a")))
        let head: [UInt8] = [0x0A, 8, 8, 1, 0x10, 2, 0x18, 3, 0x20, 4]
        let pair: [UInt8] = [0x0A, 1, 0x61, 0x10, 2, 0x18, 3, 0x20, 2, 0x2A, 1, 0x32]
        #expect(range == head + [0x12, 12] + pair + [0x20, 1])
        let put = small.put(PutRequest("a", "3", prevKV: true))
        #expect(put.outcome.encodeResponse(header) == head + [0x12, 12] + pair)
        let txn = small.txn(
            TxnRequest(then: [
                .deleteRange(DeleteRangeRequest("a")), .txn(TxnRequest()),
                .range(RangeRequest("a")),
            ]))
        #expect(
            txn.outcome.encodeResponse(header)
                == head + [0x10, 1]
                + [0x1A, 8, 0x1A, 6, 0x0A, 2, 0x18, 5, 0x10, 1]
                + [0x1A, 6, 0x22, 4, 0x0A, 0, 0x10, 1]
                + [0x1A, 6, 0x0A, 4, 0x0A, 2, 0x18, 5])
        let grant = small.grant(300, seconds: 7)
        #expect(grant.outcome.encodeResponse(header) == head + [0x10, 0xAC, 2, 0x18, 7])
        let alarm = small.apply(
            .alarm, AlarmRequest(.activate, member: NodeID(5), kind: .noSpace).encode())
        #expect(alarm.outcome.encodeResponse(header) == head + [0x12, 4, 8, 5, 0x10, 1])
        #expect(Response.leases(header, ids: [1, -1]).count == head.count + 4 + 13)
        #expect(
            Response.leaseTimeToLive(
                header, id: 9, remainingSeconds: -1, grantedSeconds: 0, keys: [])
                == head + [0x10, 9, 0x18] + [UInt8](repeating: 0xFF, count: 9) + [1])
        #expect(small.put("", "").outcome.encodeResponse(header) == nil)
    }
}
