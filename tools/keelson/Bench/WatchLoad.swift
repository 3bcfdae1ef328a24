internal import Measuring
internal import NIOCore
internal import Primitives
internal import RPC

/// Many watches of one prefix, and the count of what they see.
///
/// Each written value begins with the moment of its writing, so that an event's latency is from the
/// write's start to its arrival here. Confined to one event loop, hence `@unchecked Sendable`.
final class WatchLoad: @unchecked Sendable {
    static let prefix = "/bench-watch/"

    let loop: any EventLoop
    private(set) var recorder = BenchRecorder(now: monotonicNanoseconds())
    private var lanes: [WatchLane] = []
    private var expectedCount: Int?
    private var lastEvent: UInt64 = 0
    private var promise: EventLoopPromise<BenchRecorder>?
    private var watchdog: RepeatedTask?
    private let stallNanoseconds: UInt64
    private let intervalNanoseconds: UInt64?

    init(loop: any EventLoop, stallNanoseconds: UInt64, intervalNanoseconds: UInt64?) {
        self.loop = loop
        self.stallNanoseconds = stallNanoseconds
        self.intervalNanoseconds = intervalNanoseconds
    }

    var watchCount: Int { lanes.reduce(0) { $0 + $1.watchCount } }

    /// Opens `connectionCount` connections with `watchesPerConnection` watches on one stream each.
    func open(
        endpoints: [BenchPlace], connectionCount: Int, watchesPerConnection: Int
    ) -> EventLoopFuture<Void> {
        lanes = (0..<connectionCount).map {
            WatchLane(
                load: self, endpoint: endpoints[$0 % endpoints.count],
                watchCount: watchesPerConnection)
        }
        return EventLoopFuture.andAllSucceed(lanes.map { $0.open() }, on: loop)
    }

    func close() { for lane in lanes { lane.close() } }

    /// Forgets what was counted and counts anew.
    func restart() {
        recorder = BenchRecorder(
            now: monotonicNanoseconds(), intervalNanoseconds: intervalNanoseconds)
    }

    /// Waits until every watch has seen `writeCount` writes since ``restart()``.
    func waitForEvents(ofWrites writeCount: Int) -> EventLoopFuture<BenchRecorder> {
        let promise = loop.makePromise(of: BenchRecorder.self)
        self.promise = promise
        expectedCount = writeCount * watchCount
        lastEvent = monotonicNanoseconds()
        watchdog = loop.scheduleRepeatedTask(
            initialDelay: .milliseconds(200), delay: .milliseconds(200)
        ) { _ in self.checkForStall() }
        endIfDone()
        return promise.futureResult
    }

    func saw(_ stamp: UInt64, now: UInt64) {
        lastEvent = now
        recorder.succeeded(now: now, latency: now &- min(stamp, now))
    }

    func failed(_ status: RPCStatus) { recorder.failed(status.code, status.message) }

    func endIfDone() {
        guard let expectedCount, recorder.completedCount >= expectedCount else { return }
        end()
    }

    private func checkForStall() {
        guard let expectedCount, monotonicNanoseconds() &- lastEvent > stallNanoseconds else {
            return
        }
        recorder.failed(
            .deadlineExceeded, "events that were expected did not come",
            count: expectedCount - recorder.completedCount)
        end()
    }

    private func end() {
        expectedCount = nil
        watchdog?.cancel()
        recorder.end(now: lastEvent)
        // Its listeners start the next phase at once, with a promise of its own.
        let promise = self.promise
        self.promise = nil
        promise?.succeed(recorder)
    }
}

/// One connection with one stream of watches.
private final class WatchLane: @unchecked Sendable {
    private unowned let load: WatchLoad
    private let endpoint: BenchPlace
    let watchCount: Int
    private var client: RPCClient?
    private var createdCount = 0
    private var isClosed = false
    private let ready: EventLoopPromise<Void>

    init(load: WatchLoad, endpoint: BenchPlace, watchCount: Int) {
        self.load = load
        self.endpoint = endpoint
        self.watchCount = watchCount
        ready = load.loop.makePromise(of: Void.self)
    }

    /// Succeeds once the server has created every watch.
    func open() -> EventLoopFuture<Void> {
        endpoint.connect(on: load.loop).flatMap { client in
            self.client = client
            let stream = client.stream(
                "/etcdserverpb.Watch/Watch",
                onMessage: { self.received($0) },
                onEnd: { self.ended($0) })
            let message = WatchLane.createMessage
            for _ in 0..<self.watchCount { stream?.send(message) }
            return self.ready.futureResult
        }
    }

    func close() {
        isClosed = true
        // Not at once: the caller may stand inside one of the connection's own callbacks.
        if let client { load.loop.execute { client.abort() } }
    }

    private static var createMessage: [UInt8] {
        guard case let range = Array(WatchLoad.prefix.utf8), let last = range.last else {
            return []
        }
        var create = ProtobufWriter()
        create.field(1, range)
        create.field(2, range.dropLast() + [last + 1])
        var request = ProtobufWriter()
        request.field(1, create.bytes)
        return request.bytes
    }

    private func ended(_ status: RPCStatus) {
        if isClosed { return }
        load.failed(status)
        ready.fail(status)
    }

    private func received(_ bytes: [UInt8]) {
        let now = monotonicNanoseconds()
        bytes.withUnsafeBytes { raw in
            var reader = ProtobufReader(raw)
            do throws(ProtobufError) {
                while let field = try reader.nextField() {
                    if field.number == 11, field.type == .lengthDelimited {
                        try event(try reader.lengthDelimited(), now)
                    } else if field.number == 3, field.type == .varint {
                        _ = try reader.varint()
                        createdCount += 1
                        if createdCount == watchCount { ready.succeed(()) }
                    } else {
                        try reader.skip(field.type)
                    }
                }
            } catch {
                load.failed(RPCStatus(.internalError, "an answer cannot be decoded: \(error)"))
            }
        }
        load.endIfDone()
    }

    /// The stamp is at the start of field 5, the value, of the event's field 2, the pair.
    private func event(_ raw: UnsafeRawBufferPointer, _ now: UInt64) throws(ProtobufError) {
        var event = ProtobufReader(raw)
        while let field = try event.nextField() {
            guard field.number == 2, field.type == .lengthDelimited else {
                try event.skip(field.type)
                continue
            }
            var pair = ProtobufReader(try event.lengthDelimited())
            while let field = try pair.nextField() {
                guard field.number == 5, field.type == .lengthDelimited else {
                    try pair.skip(field.type)
                    continue
                }
                let value = try pair.lengthDelimited()
                if value.count >= 8 {
                    load.saw(
                        UInt64(littleEndian: value.loadUnaligned(as: UInt64.self)), now: now)
                }
            }
        }
    }
}
