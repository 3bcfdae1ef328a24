internal import Logging
package import Monitoring
internal import NIOConcurrencyHelpers
package import NIOCore

/// Where encoded spans go.
package protocol TraceSink: Sendable {
    /// Called on the exporter's event loop, which it may block; one body at a time.
    func deliver(_ body: [UInt8], on loop: any EventLoop) -> EventLoopFuture<TraceDelivery>
}

package enum TraceDelivery: Equatable, Sendable {
    case taken
    /// It will not be taken later either.
    case refused(String)
    /// It may be taken later.
    case failed(String)
}

/// Takes spans from the node, encodes them on an event loop of its own, and brings them to a sink.
/// Whoever gives it spans never waits for it: what finds the queue full is dropped, and counted.
///
/// `@unchecked Sendable`: what is not constant is under the lock or confined to the event loop.
package final class TraceExporter: @unchecked Sendable {
    private struct Shared {
        var queue: [TraceSpan] = []
        var exported: UInt64 = 0
        var dropped: UInt64 = 0
        var isAwake = false
    }

    private let shared = NIOLockedValueBox(Shared())
    private let loop: any EventLoop
    private let sink: any TraceSink
    private let text: TraceText
    private let report: @Sendable (String) -> Void
    // Confined to the loop.
    private var batch: [TraceSpan] = []
    private var pause: TimeAmount = TraceExporter.pauseMin
    private var hasReported = false
    private var isStopping = false
    private var onEmpty: [EventLoopPromise<Void>] = []

    /// Spans that wait; about 5 MB.
    package static let queueMax = 16_384
    /// Spans in one body; about 200 kB.
    package static let batchMax = 512
    /// For so long spans are gathered.
    static let gatherTime: TimeAmount = .milliseconds(200)
    /// Between two tries; doubled each time.
    static let pauseMin: TimeAmount = .seconds(1)
    static let pauseMax: TimeAmount = .seconds(30)

    /// - Parameter report: told in words when the sink begins to fail, and when it works again.
    package init(
        _ sink: any TraceSink, _ text: TraceText, on loop: any EventLoop,
        report: @escaping @Sendable (String) -> Void
    ) {
        self.sink = sink
        self.text = text
        self.loop = loop
        self.report = report
    }

    package var exported: UInt64 { shared.withLockedValue(\.exported) }
    package var dropped: UInt64 { shared.withLockedValue(\.dropped) }

    /// From any thread.
    package func take(_ spans: [TraceSpan]) {
        let wakes = shared.withLockedValue { shared in
            let room = Self.queueMax - shared.queue.count
            shared.queue += spans.prefix(room)
            shared.dropped += UInt64(max(0, spans.count - room))
            defer { shared.isAwake = true }
            return !shared.isAwake
        }
        if wakes { loop.scheduleTask(in: Self.gatherTime) { self.work() } }
    }

    /// Succeeds when all that was taken is delivered, or given up, or after `time`.
    package func stop(within time: TimeAmount) -> EventLoopFuture<Void> {
        let promise = loop.makePromise(of: Void.self)
        loop.execute { [self] in
            isStopping = true
            onEmpty.append(promise)
            loop.scheduleTask(in: time) { self.fallAsleep() }
            // What is on its way comes back by itself; what waits for another try is given up.
            if batch.isEmpty { work() }
        }
        return promise.futureResult
    }

    private func work() {
        guard batch.isEmpty else { return }
        batch = shared.withLockedValue { shared in
            let batch = Array(shared.queue.prefix(Self.batchMax))
            shared.queue.removeFirst(batch.count)
            if batch.isEmpty { shared.isAwake = false }
            return batch
        }
        if batch.isEmpty { return fallAsleep() }
        deliver()
    }

    private func deliver() {
        guard !batch.isEmpty else { return }
        sink.deliver(text.encode(batch[...]), on: loop).hop(to: loop).whenComplete {
            [self] result in
            switch result {
            case .success(let delivery): delivered(delivery)
            case .failure(let error): delivered(.failed("\(error)"))
            }
        }
    }

    private func delivered(_ delivery: TraceDelivery) {
        let count = UInt64(batch.count)
        switch delivery {
        case .taken:
            shared.withLockedValue { $0.exported += count }
            if hasReported { report("spans are taken again") }
            hasReported = false
            pause = Self.pauseMin
        case .refused(let reason):
            shared.withLockedValue { $0.dropped += count }
            reportOnce("spans are refused: \(reason)")
        case .failed(let reason):
            reportOnce("spans cannot be delivered: \(reason)")
            if !isStopping {
                loop.scheduleTask(in: pause) { self.deliver() }
                pause = min(Self.pauseMax, pause * 2)
                return
            }
            shared.withLockedValue { $0.dropped += count }
        }
        batch = []
        let isFull = shared.withLockedValue { $0.queue.count >= Self.batchMax }
        if isFull || isStopping {
            work()
        } else {
            loop.scheduleTask(in: Self.gatherTime) { self.work() }
        }
    }

    private func reportOnce(_ text: String) {
        if !hasReported { report(text) }
        hasReported = true
    }

    private func fallAsleep() {
        let waiting = onEmpty
        onEmpty = []
        for promise in waiting { promise.succeed() }
    }
}
