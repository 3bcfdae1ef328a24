internal import NIOCore
internal import NIOPosix
internal import Primitives
internal import RPC
internal import StateMachine

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Evaluates ranges over many keys on a thread of its own, from a snapshot, so that writes never
/// wait for them; only the encoding of what the client takes next runs on the event loop.
///
/// Confined to the event loop, hence `@unchecked Sendable`; the thread sees only what is Sendable.
final class LargeRanges: @unchecked Sendable {
    /// A range over fewer keys than this is answered at once.
    static let smallKeysMax = 1024
    /// Large answers that may be waited for, worked on or sent at a time. Each holds a snapshot or
    /// a reference a key.
    static let outstandingMax = 256

    /// The thread's, as Linux counts it: 0 is everybody's, 19 the most modest.
    private static let niceness: Int32 = 10

    private let eventLoop: any EventLoop
    private let thread = NIOThreadPool(numberOfThreads: 1)
    private(set) var outstanding = 0

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        thread.start()
        // Whoever waits for a small answer goes first, on whatever core.
        thread.submit { _ in
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
        }
    }

    deinit { thread.shutdownGracefully { _ in } }

    /// Runs `work` on the thread and hands its result to `done` on the event loop; ends the call
    /// instead, and answers false, where too much is waiting.
    @discardableResult
    func run<Result: Sendable>(
        for call: ServerCall, _ done: @escaping (Result) -> Void,
        _ work: @escaping @Sendable () -> Result
    ) -> Bool {
        guard outstanding < Self.outstandingMax else {
            call.finish(.tooManyRequests)
            return false
        }
        outstanding += 1
        let handBack = LoopBound(done)
        thread.submit { state in
            guard case .active = state else { return }
            let result = work()
            self.eventLoop.execute {
                self.outstanding -= 1
                handBack.value(result)
            }
        }
        return true
    }

    /// Evaluates `request` from the scan that was made for it.
    func evaluate(
        _ scan: RangeScan, _ request: RangeRequest, for call: ServerCall,
        _ done: @escaping (RangeAnswer) -> Void
    ) {
        run(for: call, { done(RangeAnswer($0.result, recordBytes: $0.bytes, returnTo: self)) }) {
            var scan = scan
            let result = scan.result(of: request)
            let bytes = result.records.reduce(0) { $0 + $1.embeddedByteCount(result.form) }
            return (result: result, bytes: bytes)
        }
    }

    fileprivate func holds(_ count: Int) { outstanding += count }

    /// Lets the thread have the last reference: what hangs on it may take milliseconds to free.
    func release(_ object: some AnyObject & Sendable) {
        thread.submit { _ in withExtendedLifetime(object) {} }
    }

    /// Lets the thread release what an answer held: freeing a million references takes
    /// milliseconds.
    fileprivate func release(_ records: inout [Record]) {
        let rest = Remains()
        swap(&rest.records, &records)
        thread.submit { _ in rest.records = [] }
    }

    /// Only one thread at a time has it.
    private final class Remains: @unchecked Sendable {
        var records: [Record] = []
    }
}

/// Carries what belongs to the event loop through another thread, which does not look at it.
private struct LoopBound<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

/// What a range found, as it is sent: RangeResponse has header = 1, kvs = 2, more = 3, count = 4.
///
/// Confined to the event loop. A large one counts as outstanding for as long as it lives.
final class RangeAnswer {
    private(set) var result: RangeResult
    /// The size of all records as field 2.
    let recordBytes: Int
    private let origin: LargeRanges?
    private var next = 0
    private var isHeaderDue = true
    private var isTailDue = true

    private static let pieceBytes = 64 * 1024

    init(_ result: RangeResult, recordBytes: Int, returnTo origin: LargeRanges?) {
        self.result = result
        self.recordBytes = recordBytes
        self.origin = origin
        origin?.holds(1)
    }

    deinit {
        origin?.holds(-1)
        origin?.release(&result.records)
    }

    /// The size of the whole response.
    func byteCount(_ header: ResponseHeader) -> Int {
        header.embeddedByteCount + recordBytes + (result.more ? 2 : 0)
            + ProtobufWriter.fieldByteCount(4, UInt64(bitPattern: result.count))
    }

    /// The next part of the response, or nil after the last.
    func nextPiece(_ header: ResponseHeader) -> [UInt8]? {
        guard isTailDue else { return nil }
        var writer = ProtobufWriter(capacity: Self.pieceBytes + 4096)
        if isHeaderDue {
            header.encodeField(into: &writer)
            isHeaderDue = false
        }
        while next < result.records.count, writer.bytes.count < Self.pieceBytes {
            result.records[next].encodeKeyValue(field: 2, into: &writer, result.form)
            next += 1
        }
        if next == result.records.count {
            writer.field(3, result.more)
            writer.field(4, result.count)
            isTailDue = false
        }
        return writer.bytes
    }
}
