import Monitoring
import NIOCore
import RPC
import Testing

@Suite("Which calls are traced")
struct TraceSamplerTests {
    private let now = NIODeadline.now()

    private func parent(isSampled: Bool) throws -> TraceParent {
        TraceParent(
            traceID: try #require(TraceID(high: 1, low: 2)), spanID: try #require(SpanID(3)),
            isSampled: isSampled)
    }

    @Test("the caller's word counts, whatever the share is")
    func callers() throws {
        var none = TraceSampler(perMillion: 0, seed: 1, now: now)
        let asked = none.context(parent: try parent(isSampled: true), now: now)
        #expect(asked?.traceID == TraceID(high: 1, low: 2))
        #expect(asked?.parentSpanID == SpanID(3))
        #expect(asked?.spanID != SpanID(3))
        var all = TraceSampler(perMillion: 1_000_000, seed: 1, now: now)
        #expect(all.context(parent: try parent(isSampled: false), now: now) == nil)
        #expect(all.suppressed == 0)
    }

    @Test("of calls without one, the share is drawn, each with ids of its own")
    func share() {
        var none = TraceSampler(perMillion: 0, seed: 1, now: now)
        #expect((1...1000).allSatisfy { _ in none.context(parent: nil, now: now) == nil })
        var sampler = TraceSampler(perMillion: 100_000, seed: 7, now: now)
        let drawn = (1...5000).compactMap { _ in sampler.context(parent: nil, now: now) }
        #expect((400...600).contains(drawn.count))
        #expect(Set(drawn.map(\.traceID)).count == drawn.count)
        #expect(Set(drawn.map(\.spanID)).count == drawn.count)
        #expect(drawn.allSatisfy { $0.parentSpanID == nil })
    }

    @Test("so many a second are traced, however many callers ask for it")
    func bounded() throws {
        var sampler = TraceSampler(perMillion: 0, seed: 1, now: now)
        let asking = try parent(isSampled: true)
        let first = (1...1500).count { _ in sampler.context(parent: asking, now: now) != nil }
        #expect(first == TraceSampler.tracesPerSecondMax)
        #expect(sampler.suppressed == 500)
        let later = now + .seconds(2)
        #expect(sampler.context(parent: asking, now: later) != nil)
    }

    @Test("a call with a traceparent is told once it is over, another one is not")
    func served() async throws {
        /// Touched on the tests' event loop only.
        final class Told: @unchecked Sendable { var calls: [(EndedCall, TraceContext)] = [] }
        let told = Told()
        let server = try await TestServer.start()
        try await TestLoop.loop.submit {
            let sampler = TraceSampler(perMillion: 0, seed: 1, now: .now())
            server.server.traceCalls(sampler) { told.calls.append(($0, $1)) }
        }.get()
        let client = try await server.client()
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        _ = try await client.unary("Echo", [1])
        _ = try await client.unary(
            "Echo", [1, 2, 3], metadata: [("a", "b"), ("traceparent", trace), ("c", "d")])
        _ = try await client.unary(
            "Echo", [1], metadata: [("traceparent", String(trace.dropLast()) + "0")])
        _ = try await client.unary("Echo", [1], metadata: [("traceparent", "00-")])
        let calls = try await TestLoop.loop.submit { told.calls }.get()
        #expect(calls.count == 1)
        let (call, context) = try #require(calls.first)
        #expect(call.path == "/test.Service/Echo" && call.code == .ok)
        #expect(call.times.requestBytes == 3)
        #expect(context.traceID.description == "0af7651916cd43dd8448eb211c80319c")
        #expect(context.parentSpanID?.description == "b7ad6b7169203331")
        try await server.stop()
    }
}
