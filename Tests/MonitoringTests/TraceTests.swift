import Foundation
import Monitoring
import Testing

@Suite("traceparent (W3C Trace Context)")
struct TraceParentTests {
    private static let usual = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    private func parse(_ text: String) -> TraceParent? { TraceParent(Array(text.utf8)[...]) }

    @Test("ids and the sampled flag are read, and printed with all their digits")
    func usual() throws {
        let parent = try #require(parse(Self.usual))
        #expect(parent.traceID.description == "0af7651916cd43dd8448eb211c80319c")
        #expect(parent.spanID.description == "b7ad6b7169203331")
        #expect(parent.isSampled)
        #expect(parse(Self.usual.dropLast() + "2")?.isSampled == false)
        #expect(SpanID(0x0102)?.description == "0000000000000102")
        #expect(TraceID(high: 0, low: 1)?.description == String(repeating: "0", count: 31) + "1")
    }

    @Test("a slice is read from where it begins")
    func slice() {
        let bytes = Array(("xyz" + Self.usual).utf8)
        #expect(TraceParent(bytes[3...]) == parse(Self.usual))
    }

    @Test("a later version may say more behind it, version 00 may not")
    func versions() {
        #expect(parse("01" + Self.usual.dropFirst(2) + "-more") != nil)
        #expect(parse("01" + Self.usual.dropFirst(2) + "more") == nil)
        #expect(parse(Self.usual + "-more") == nil)
        #expect(parse("ff" + Self.usual.dropFirst(2)) == nil)
    }

    @Test(
        "what is not of the form says nothing",
        arguments: [
            "", "00", "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333g-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        ])
    func malformed(text: String) { #expect(parse(text) == nil) }
}

@Suite("Spans as OTLP's JSON")
struct TraceTextTests {
    private func span(parent: UInt64?, _ name: String = "applied") throws -> TraceSpan {
        let context = TraceContext(
            traceID: try #require(TraceID(high: 0x0AF7, low: 5)),
            spanID: try #require(SpanID(0xB7)), parentSpanID: parent.flatMap(SpanID.init))
        return TraceSpan(
            context, name, .internal, began: 1_700_000_000_000_000_001,
            ended: 1_700_000_000_000_000_009)
    }

    private let text = TraceText(
        resource: [.init("service.name", "a\"b\\\n\u{1}ü")], scope: "keelson", version: "1")

    @Test("ids are digits, 64-bit numbers are text, enums are numbers, and there is no line break")
    func bytes() throws {
        var child = try span(parent: 0xC8)
        child.attributes = [.init("keelson.log.index", 7), .init("rpc.system", "grpc")]
        var root = try span(parent: nil)
        root.kind = .server
        root.failure = "Unavailable"
        let expected =
            #"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","#
            + #""value":{"stringValue":"a\"b\\\u000a\u0001ü"}}]},"scopeSpans":[{"scope":"#
            + #"{"name":"keelson","version":"1"},"spans":["#
            + #"{"traceId":"0000000000000af70000000000000005","spanId":"00000000000000b7","#
            + #""parentSpanId":"00000000000000c8","name":"applied","kind":1,"#
            + #""startTimeUnixNano":"1700000000000000001","endTimeUnixNano":"1700000000000000009","#
            + #""attributes":[{"key":"keelson.log.index","value":{"intValue":"7"}},"#
            + #"{"key":"rpc.system","value":{"stringValue":"grpc"}}]},"#
            + #"{"traceId":"0000000000000af70000000000000005","spanId":"00000000000000b7","#
            + #""name":"applied","kind":2,"#
            + #""startTimeUnixNano":"1700000000000000001","endTimeUnixNano":"1700000000000000009","#
            + #""attributes":[],"status":{"code":2,"message":"Unavailable"}}]}]}]}"#
        let made = text.encode([child, root])
        #expect(String(decoding: made, as: UTF8.self) == expected)
        #expect(!made.contains(UInt8(ascii: "\n")))
        _ = try JSONSerialization.jsonObject(with: Data(made))
    }

    @Test("no span ends before it has begun")
    func backwards() throws {
        var context = TraceContext(
            traceID: try #require(TraceID(high: 1, low: 1)), spanID: try #require(SpanID(1)),
            parentSpanID: nil)
        context.parentSpanID = SpanID(2)
        #expect(TraceSpan(context, "sent", .internal, began: 9, ended: 3).ended == 9)
    }
}

@Suite("Stages as spans have them")
struct ReplicatedStagesTests {
    @Test("an entry on another member has its stages from its place in that member's log on")
    func replicated() throws {
        let times = LogMilestones.Times(appended: 10, durable: 40, committed: 25, applied: 31)
        let made = try #require(RequestStages(replicated: times))
        #expect(
            made.stages.map { "\($0.name) \($0.began) \($0.nanoseconds)" } == [
                "persisted 10 30", "committed 10 15", "applied 25 6",
            ])
        #expect(RequestStages(replicated: LogMilestones.Times(durable: 40)) == nil)
        let early = RequestStages(replicated: LogMilestones.Times(appended: 10, applied: 31))
        #expect(early?.stages.isEmpty == true)
    }

    @Test("a finer log of milestones tells apart what a coarser one does not, and forgets sooner")
    func fineAndCoarse() {
        typealias Positions = LogMilestones.Positions
        var coarse = LogMilestones()
        var fine = LogMilestones(capacity: 8, sampleNanoseconds: 10_000)
        func note(_ positions: Positions, _ now: UInt64) {
            coarse.note(positions, now: now)
            fine.note(positions, now: now)
        }
        note(Positions(last: 1, durable: 1, committed: 1, applied: 1), 0)
        note(Positions(last: 2, durable: 1, committed: 1, applied: 1), 5_000_000)
        note(Positions(last: 2, durable: 2, committed: 2, applied: 2), 5_200_000)
        let times = fine.times(of: 2).or(coarse.times(of: 2))
        #expect(times.appended == 5_000_000 && times.applied == 5_200_000)
        #expect(coarse.times(of: 2).appended == 5_200_000)
        for index in 3...20 as ClosedRange<UInt64> {
            note(
                Positions(last: index, durable: index, committed: index, applied: index),
                5_200_000 + index * 20_000)
        }
        #expect(fine.times(of: 2).appended == nil)
        #expect(fine.times(of: 2).or(coarse.times(of: 2)).appended != nil)
    }
}
