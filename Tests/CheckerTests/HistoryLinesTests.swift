import Primitives
import Simulation
import Testing

@Suite("Histories as JSON Lines")
struct HistoryLinesTests {
    @Test("what is written is read again, whatever it holds", arguments: 1...10 as ClosedRange)
    func roundTrip(seed: UInt64) throws {
        var history = Workload(seed: seed, unknownPercent: 20, tellsWrites: true).run()
        history.watches = [
            RecordedWatch(
                id: 4, client: 2, member: 1, start: 5, interval: KeyInterval(Bytes([])),
                startRevision: 3, withoutPuts: true, withoutDeletes: true, wantsPrevious: true,
                wantsFragments: true, resumes: 3,
                responses: [
                    RecordedWatchResponse(time: 6, revision: 9, .created),
                    RecordedWatchResponse(
                        time: 7, revision: 9,
                        .events([.delete(Bytes([0, 255, 10]), at: 4)]), isFragment: true),
                    RecordedWatchResponse(time: 8, revision: 10, .progress),
                    RecordedWatchResponse(
                        time: 9, revision: 0,
                        .canceled(compactRevision: 5, reason: "a \"reason\"\n\u{1F600}")),
                ])
        ]
        history.queueCalls = [
            RecordedQueueCall(
                id: 8, client: 1, member: 2, start: 3, end: 9, .campaign, name: Bytes("e"),
                lease: 7, value: Bytes([0, 255]), key: Bytes("e/7"), created: 5,
                .ok(revision: 6)),
            RecordedQueueCall(
                id: 9, client: 1, start: 3, end: 9, .leader, name: Bytes("e"), .ok(revision: 6),
                leader: RecordedPair(key: Bytes("e/7"), createRevision: 5, modRevision: 6)),
            RecordedQueueCall(
                id: 10, client: 1, start: 3, end: nil, .lock, name: Bytes("m"), lease: -1,
                .unknown("gone")),
            RecordedQueueCall(
                id: 11, client: 1, start: 3, end: 4, .resign, name: Bytes("e"), key: Bytes("k"),
                created: 2, .failed("no")),
        ]
        history.observations = [
            RecordedObservation(
                id: 2, client: 4, member: 0, start: 1, end: 8, name: Bytes("e"),
                tellings: [.init(time: 3, revision: 4, RecordedPair(key: Bytes("e/7")))]),
            RecordedObservation(id: 3, client: 4, start: 1, name: Bytes("e")),
        ]
        #expect(try HistoryLines.decode(HistoryLines.encode(history)) == history)
    }

    @Test("every length of binary keys survives", arguments: 0...8)
    func base64(length: Int) throws {
        let key = Bytes((0..<length).map { UInt8(200 + $0) })
        var script = Script()
        script.add(0...1, .put(RecordedPut(key, Bytes([0x7F]))), .unknown(nil))
        #expect(try HistoryLines.decode(HistoryLines.encode(script.history)) == script.history)
    }

    @Test("lines and fields of other tools are passed over")
    func foreign() throws {
        let text = """
            {"type":"fault","kind":"kill","at":1.5e3}

            {"type":"operation","id":1,"client":2,"start":"3","end":4,"colour":[null,{}],\
            "request":{"op":"leaseKeepAlive","lease":7},"outcome":"failed","error":"x\\u0041"}
            """
        let history = try HistoryLines.decode(Array(text.utf8))
        #expect(history.operations.count == 1)
        #expect(history.operations.first?.start == 3)
        #expect(history.operations.first?.outcome == .failed("xA"))
    }

    @Test(
        "a damaged line is named with what is wrong, and the others are read",
        arguments: [
            (
                "{\"type\":\"operation\",\"id\":1",
                HistoryError.notJSON(line: 2, JSONError(offset: 26, expected: "'}'"))
            ),
            ("{\"type\":\"operation\",\"id\":1}", .missing(line: 2, field: "client")),
            (
                "{\"type\":\"operation\",\"id\":1,\"client\":true}",
                .wrongType(line: 2, field: "client")
            ),
            (
                "{\"type\":\"operation\",\"id\":1,\"client\":1,\"start\":1,"
                    + "\"request\":{\"op\":\"fly\"},\"outcome\":\"ok\"}",
                .unknownWord(line: 2, field: "op", word: "fly")
            ),
            ("{\"type\":\"response\",\"watch\":9,\"time\":1}", .strayResponse(line: 2, watch: 9)),
        ])
    func damaged(line: String, expected: HistoryError) {
        var script = Script()
        script.put(0...1, "a", "1", revision: 2)
        let good = HistoryLines.encode(script.history)
        let (history, problems) = HistoryLines.decodeAll(good + Array(line.utf8))
        #expect(problems == [expected])
        #expect(history == script.history)
        #expect(throws: expected) { try HistoryLines.decode(good + Array(line.utf8)) }
    }

    @Test("an id that comes twice is refused")
    func twice() {
        var script = Script()
        script.put(0...1, "a", "1", revision: 2)
        let lines = HistoryLines.encode(script.history)
        #expect(throws: HistoryError.idTwice(line: 2, id: 0)) {
            try HistoryLines.decode(lines + lines)
        }
    }

    @Test("deep nesting is an error, not a crash")
    func deep() {
        let text = String(repeating: "[", count: 100_000)
        #expect(throws: JSONError.self) { try JSONParser.parse(Array(text.utf8)[...]) }
    }

    @Test("decision 0002 tells which errors leave the outcome of a write unknown")
    func classification() {
        func kind(_ code: Int, _ text: String, isWrite: Bool = true) -> Bool {
            let outcome = RecordedOutcome.ofFailure(
                grpcCode: code, message: text, isWrite: isWrite)
            if case .unknown = outcome { return true }
            return false
        }
        #expect(!kind(14, "etcdserver: no leader"))
        #expect(!kind(14, "etcdserver: leader changed"))
        #expect(kind(14, "etcdserver: request timed out"))
        #expect(kind(14, "connection reset"))
        #expect(kind(4, "deadline"))
        #expect(!kind(4, "deadline", isWrite: false))
        #expect(!kind(5, "etcdserver: requested lease not found"))
        #expect(!kind(2, "etcdserver: too many requests"))
    }
}
