import Monitoring
import NIOCore
import RPC
import Testing

@Suite("What a server counts of its calls")
struct MeterTests {
    /// What a test asks of a meter, taken on the event loop.
    private struct Counts: Equatable, Sendable {
        var started: UInt64
        var handled: [Int: UInt64]
        var measured: UInt64
    }

    private func counts(_ server: TestServer, _ method: String) async throws -> Counts {
        try await TestLoop.loop.submit {
            let meter = server.server.meters.first { $0.method == method }
            var handled: [Int: UInt64] = [:]
            for (code, count) in (meter?.handled ?? []).enumerated() where count > 0 {
                handled[code] = count
            }
            return Counts(
                started: meter?.started ?? 0, handled: handled,
                measured: meter?.durations.count ?? 0)
        }.get()
    }

    @Test("calls are counted by method and status, and unary ones measured")
    func calls() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        for _ in 1...3 { _ = try await client.unary("Echo", [1, 2, 3]) }
        _ = try await client.failure("Fail")
        _ = try await client.stream("EchoStream", sending: [[1], [2]])
        #expect(
            try await counts(server, "Echo") == Counts(started: 3, handled: [0: 3], measured: 3))
        #expect(
            try await counts(server, "Fail") == Counts(started: 1, handled: [5: 1], measured: 1))
        // A stream lasts as long as its client wants.
        #expect(
            try await counts(server, "EchoStream")
                == Counts(started: 1, handled: [0: 1], measured: 0))
        let bytes = try await TestLoop.loop.submit {
            (server.server.receivedBytes, server.server.sentBytes)
        }.get()
        #expect(bytes.0 > 100 && bytes.1 > 100)
        try await server.stop()
    }

    @Test("a call ends once: by its deadline, by its client, or with its connection")
    func ends() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        #expect(try await client.failure("Never", timeout: .milliseconds(50)) != nil)
        try await server.journal.wait(for: "cancelled")
        let late = try await counts(server, "Never")
        #expect(late.started == 1 && late.handled.values.reduce(0, +) == 1, "\(late)")
        async let lost = client.failure("Never")
        while try await counts(server, "Never").started < 2 {}
        try await TestLoop.loop.submit { client.client.abort() }.get()
        _ = try await lost
        while try await counts(server, "Never").handled.values.reduce(0, +) < 2 {}
        let all = try await counts(server, "Never")
        #expect(all.started == 2 && all.handled[1, default: 0] >= 1, "\(all)")
        try await server.stop()
    }

    @Test("a call that takes as long as the threshold is told, with its times in their order")
    func slowCalls() async throws {
        /// Touched on the tests' event loop only.
        final class Told: @unchecked Sendable { var calls: [EndedCall] = [] }
        let told = Told()
        let server = try await TestServer.start { _, routes, _ in
            routes.unary("/test.Service/Slow") { call, message in
                call.eventLoop.scheduleTask(in: .milliseconds(30)) {
                    call.times.logIndex = 7
                    call.respond(message)
                }
            }
        }
        try await TestLoop.loop.submit {
            server.server.watchSlowCalls(threshold: .milliseconds(25)) { told.calls.append($0) }
        }.get()
        let client = try await server.client()
        _ = try await client.unary("Echo", [1])
        _ = try await client.unary("Slow", [1])
        _ = try await client.failure("Never", timeout: .milliseconds(60))
        let calls = try await TestLoop.loop.submit { told.calls }.get()
        let slow = try #require(calls.first { $0.path == "/test.Service/Slow" })
        #expect(slow.code == .ok && slow.times.logIndex == 7)
        let answered = try #require(slow.times.answeredAt)
        #expect(answered - slow.beganAt >= .milliseconds(25))
        #expect(slow.sentAt.map { $0 >= answered } == true)
        #expect(slow.endedAt - slow.beganAt >= .milliseconds(25))
        #expect(calls.filter { $0.path == "/test.Service/Slow" }.count == 1)
        try await server.journal.wait(for: "cancelled")
        let never = try await TestLoop.loop.submit { told.calls }.get()
            .filter { $0.path == "/test.Service/Never" }
        #expect(never.count == 1 && never.first?.code != .ok, "\(never)")
        try await server.stop()
    }
}
