import ControlPlane
import Foundation
import Monitoring
import NIOCore
import NIOPosix
import Synchronization
import Testing

private let loop = MultiThreadedEventLoopGroup.singleton.next()

/// A thousandth of a second on the exporter's loop.
private func moment() async throws {
    try await loop.scheduleTask(in: .milliseconds(1)) {}.futureResult.get()
}

@Suite("The exporter of traces")
struct TraceExporterTests {
    /// Answers when it is told to.
    private final class FakeSink: TraceSink {
        struct State {
            var bodies: [[UInt8]] = []
            var open: [EventLoopPromise<TraceDelivery>] = []
        }
        let state = Mutex(State())

        func deliver(
            _ body: [UInt8], on loop: any EventLoop
        ) -> EventLoopFuture<TraceDelivery> {
            let promise = loop.makePromise(of: TraceDelivery.self)
            state.withLock {
                $0.bodies.append(body)
                $0.open.append(promise)
            }
            return promise.futureResult
        }

        var bodyCount: Int { state.withLock { $0.bodies.count } }

        /// Answers the next body, once there is one.
        func answer(_ delivery: TraceDelivery) async throws {
            for _ in 0..<10_000 {
                let next = state.withLock { $0.open.isEmpty ? nil : $0.open.removeFirst() }
                if let next { return next.succeed(delivery) }
                try await moment()
            }
            Issue.record("no body came")
        }
    }

    private final class Reports: Sendable {
        let all = Mutex<[String]>([])
    }

    private let sink = FakeSink()
    private let reports = Reports()

    private func exporter(_ sink: any TraceSink) -> TraceExporter {
        TraceExporter(
            sink, TraceText(resource: [], scope: "s", version: "1"), on: loop,
            report: { [reports] text in reports.all.withLock { $0.append(text) } })
    }

    private func spans(_ count: Int) throws -> [TraceSpan] {
        let context = TraceContext(
            traceID: try #require(TraceID(high: 1, low: 1)), spanID: try #require(SpanID(1)),
            parentSpanID: nil)
        let span = TraceSpan(context, "a", .internal, began: 1, ended: 2)
        return [TraceSpan](repeating: span, count: count)
    }

    /// Until it holds, or for ten seconds.
    private func wait(_ what: () -> Bool) async throws {
        for _ in 0..<10_000 {
            if what() { return }
            try await moment()
        }
        Issue.record("it did not come to be")
    }

    @Test("spans are gathered into one body, and counted once they are taken")
    func batches() async throws {
        let exporter = exporter(sink)
        exporter.take(try spans(2))
        exporter.take(try spans(1))
        try await sink.answer(.taken)
        try await wait { exporter.exported == 3 }
        #expect(sink.bodyCount == 1 && exporter.dropped == 0)
        exporter.take(try spans(1))
        try await sink.answer(.taken)
        try await wait { exporter.exported == 4 }
        #expect(reports.all.withLock { $0 }.isEmpty)
    }

    @Test("what finds the queue full is dropped and counted, and giving never waits")
    func full() async throws {
        let exporter = exporter(sink)
        exporter.take(try spans(TraceExporter.queueMax - 1))
        exporter.take(try spans(5))
        #expect(exporter.dropped == 4)
        let stopped = exporter.stop(within: .seconds(30))
        let bodies = TraceExporter.queueMax / TraceExporter.batchMax
        for _ in 1...bodies { try await sink.answer(.taken) }
        try await stopped.get()
        #expect(exporter.exported == UInt64(TraceExporter.queueMax))
    }

    @Test("what may be taken later is tried again, as it was; a refusal drops it")
    func failures() async throws {
        let exporter = exporter(sink)
        exporter.take(try spans(2))
        try await sink.answer(.failed("away"))
        try await sink.answer(.failed("away"))
        #expect(exporter.exported == 0 && exporter.dropped == 0)
        try await sink.answer(.taken)
        try await wait { exporter.exported == 2 }
        #expect(sink.state.withLock { Set($0.bodies).count } == 1)
        exporter.take(try spans(1))
        try await sink.answer(.refused("400"))
        try await wait { exporter.dropped == 1 }
        let said = reports.all.withLock { $0 }
        #expect(said.count == 3, "\(said)")
    }

    @Test("an end does not wait for a collector that does not answer")
    func stops() async throws {
        let exporter = exporter(sink)
        exporter.take(try spans(1))
        try await wait { sink.bodyCount == 1 }
        try await exporter.stop(within: .milliseconds(50)).get()
        #expect(exporter.exported == 0)
        try await sink.answer(.failed("away"))
    }

    @Test("a file gets a line for each body, and none once it is as large as it may be")
    func file() async throws {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "keelson-traces-\(UInt64.random(in: 0...(.max))).jsonl").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = TraceFile(path: path, bytesMax: 9)
        #expect(file.problem() == nil)
        #expect(try await file.deliver(Array("{1}".utf8), on: loop).get() == .taken)
        #expect(try await file.deliver(Array("{2}".utf8), on: loop).get() == .taken)
        let third = try await file.deliver(Array("{3}".utf8), on: loop).get()
        guard case .refused = third else {
            Issue.record("\(third)")
            return
        }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "{1}\n{2}\n")
        #expect(TraceFile(path: "/nowhere/to/traces").problem() != nil)
    }

    @Test("a flag's text is a URL with a port, or a file")
    func targets() throws {
        #expect(try TraceTarget("traces.jsonl") == .file("traces.jsonl"))
        #expect(
            try TraceTarget("http://collector:4318/")
                == .collector(ServiceURL(scheme: "http", host: "collector", port: 4318)))
        for text in ["", "http://collector", "grpc://collector:4317"] {
            #expect(throws: ConfigurationError.self) { try TraceTarget(text) }
        }
    }
}
