import ControlPlane
import Monitoring
import NIOCore
import RPC
import Testing

@Suite("Spans of traced requests (docs/monitoring.md)")
struct RequestTracerTests {
    /// What a tracer is given to ask, and what it gave.
    private final class World {
        var entry = RequestTracer.Entry(
            times: LogMilestones.Times(), term: 3, isLeader: true)
        var told: [[TraceNote]] = []
        var spans: [TraceSpan] = []

        func tracer() -> RequestTracer {
            RequestTracer(
                seed: 1, clock: { TraceClock(offset: 1_000_000) }, entry: { [self] _ in entry },
                tell: { [self] in told.append($0) }, export: { [self] in spans += $0 })
        }

        func span(_ name: String) throws -> TraceSpan {
            try #require(spans.first { $0.name == name }, "\(spans.map(\.name))")
        }
    }

    private func time(_ nanoseconds: UInt64) -> NIODeadline { .uptimeNanoseconds(nanoseconds) }

    private func call(index: UInt64, code: RPCCode = .ok) -> EndedCall {
        var times = CallTimes()
        times.answeredAt = time(600)
        times.logIndex = index
        times.revision = index == 0 ? 0 : 12
        times.requestBytes = 5
        if index == 0 { times.readableAt = time(450) }
        return EndedCall(
            path: "/etcdserverpb.KV/Put", beganAt: time(100), times: times, sentAt: time(700),
            endedAt: time(700), code: code)
    }

    private func context() throws -> TraceContext {
        TraceContext(
            traceID: try #require(TraceID(high: 8, low: 9)), spanID: try #require(SpanID(5)),
            parentSpanID: SpanID(4))
    }

    @Test("a call is a server's span, and each of its stages one below it, within it")
    func write() throws {
        let world = World()
        world.entry.times = LogMilestones.Times(
            appended: 200, durable: 500, committed: 400, applied: 550)
        let tracer = world.tracer()
        tracer.note(call(index: 7), try context())
        #expect(world.spans.isEmpty)
        tracer.tick(now: time(800))
        let root = try world.span("etcdserverpb.KV/Put")
        #expect(root.kind == .server && root.spanID == SpanID(5) && root.parentSpanID == SpanID(4))
        #expect(root.began == 1_000_100 && root.ended == 1_000_700 && root.failure == nil)
        #expect(
            root.attributes == [
                .init("rpc.system", "grpc"), .init("rpc.service", "etcdserverpb.KV"),
                .init("rpc.method", "Put"), .init("rpc.grpc.status_code", 0),
                .init("keelson.request.bytes", 5), .init("keelson.log.index", 7),
                .init("keelson.raft.role", "leader"), .init("keelson.raft.term", 3),
                .init("keelson.revision", 12),
            ])
        let stages = world.spans.dropFirst()
        #expect(
            stages.map { "\($0.name) \($0.began - 1_000_000) \($0.ended - 1_000_000)" } == [
                "queued 100 200", "persisted 200 500", "committed 200 400", "applied 400 550",
                "answered 550 600", "sent 600 700",
            ])
        for stage in stages {
            #expect(stage.traceID == root.traceID && stage.parentSpanID == root.spanID)
            #expect(stage.kind == .internal)
            #expect(root.began <= stage.began && stage.ended <= root.ended)
        }
        #expect(Set(world.spans.map(\.spanID)).count == world.spans.count)
    }

    @Test("the other members are told which entry it was, once")
    func notes() throws {
        let world = World()
        let tracer = world.tracer()
        tracer.note(call(index: 7), try context())
        tracer.note(call(index: 0), try context())
        tracer.tick(now: time(701))
        tracer.tick(now: time(702))
        let context = try context()
        #expect(
            world.told == [
                [TraceNote(traceID: context.traceID, spanID: context.spanID, index: 7)]
            ])
    }

    @Test("what another member's call did here is a span below that call's")
    func entry() throws {
        let world = World()
        world.entry.isLeader = false
        world.entry.times = LogMilestones.Times(appended: 200, durable: 500, committed: 400)
        let tracer = world.tracer()
        let context = try context()
        let note = TraceNote(traceID: context.traceID, spanID: context.spanID, index: 7)
        tracer.received([note], now: time(600))
        tracer.tick(now: time(610))
        #expect(world.spans.isEmpty && world.told.isEmpty)
        // It is applied a moment later.
        world.entry.times.applied = 900
        tracer.tick(now: time(910))
        let entry = try world.span("entry")
        #expect(entry.traceID == context.traceID && entry.parentSpanID == context.spanID)
        #expect(entry.began == 1_000_200 && entry.ended == 1_000_900)
        #expect(entry.attributes.contains(.init("keelson.raft.role", "follower")))
        #expect(world.spans.map(\.name) == ["entry", "persisted", "committed", "applied"])
        #expect(world.spans.dropFirst().allSatisfy { $0.parentSpanID == entry.spanID })
        tracer.tick(now: time(920))
        #expect(world.spans.count == 4)
    }

    @Test("after a while what is known is told; of an entry that nobody saw come, nothing")
    func patience() throws {
        let world = World()
        let tracer = world.tracer()
        let context = try context()
        tracer.note(call(index: 7, code: .unavailable), context)
        tracer.received(
            [TraceNote(traceID: context.traceID, spanID: context.spanID, index: 8)], now: time(0))
        tracer.tick(now: time(800))
        #expect(world.spans.isEmpty)
        tracer.tick(now: time(800) + RequestTracer.patience)
        #expect(world.spans.map(\.name) == ["etcdserverpb.KV/Put", "answered", "sent"])
        #expect(world.spans[0].failure == "Unavailable")
    }

    @Test("a read has its proof, and no place in the log")
    func read() throws {
        let world = World()
        let tracer = world.tracer()
        tracer.note(call(index: 0, code: .notFound), try context())
        tracer.tick(now: time(701))
        #expect(
            world.spans.map(\.name) == ["etcdserverpb.KV/Put", "confirmed", "answered", "sent"])
        #expect(world.spans[0].failure == nil)
        #expect(!world.spans[0].attributes.contains { $0.name.hasPrefix("keelson.log") })
    }

    @Test("what waits is bounded, and what is given up is counted; an end tells what is known")
    func bounded() throws {
        let world = World()
        let tracer = world.tracer()
        let context = try context()
        let note = TraceNote(traceID: context.traceID, spanID: context.spanID, index: 8)
        tracer.received(
            [TraceNote](repeating: note, count: RequestTracer.waitingMax + 3), now: time(0))
        #expect(tracer.suppressed == 3)
        world.entry.times = LogMilestones.Times(appended: 200)
        tracer.finishAll()
        #expect(world.spans.count == RequestTracer.waitingMax)
    }

    @Test("notes go both ways, and what is none is refused")
    func coding() throws {
        let context = try context()
        let notes = (1...3).map {
            TraceNote(traceID: context.traceID, spanID: context.spanID, index: UInt64($0))
        }
        let bytes = TraceNote.encode(notes)
        #expect(TraceNote.isFrame(bytes) && bytes.count == 3 + 3 * 32)
        #expect(try TraceNote.decode(bytes) == notes)
        for count in 0..<bytes.count {
            #expect(throws: (any Error).self) { try TraceNote.decode(Array(bytes[..<count])) }
        }
        var nameless = bytes
        nameless.replaceSubrange(3..<19, with: [UInt8](repeating: 0, count: 16))
        #expect(throws: (any Error).self) { try TraceNote.decode(nameless) }
        let many = [TraceNote](repeating: notes[0], count: TraceNote.countMax + 1)
        #expect(try TraceNote.decode(TraceNote.encode(many)).count == TraceNote.countMax)
    }

    @Test("the clock of traces follows the time of day")
    func clock() {
        let clock = TraceClock.now()
        let found = clock.timeOfDay(NIODeadline.now().uptimeNanoseconds)
        let again = TraceClock.now().timeOfDay(NIODeadline.now().uptimeNanoseconds)
        // 2023, and no second between two looks at it but on a machine that stands still.
        #expect(found > 1_680_000_000_000_000_000)
        #expect(again >= found - 1_000_000_000)
        #expect(TraceClock(offset: -5).timeOfDay(3) == 0)
    }
}
