internal import NIOCore

/// Collects the connections of one event loop that have something to send, so that each is written
/// once per turn whatever happened in it. Confined to the loop, hence `@unchecked Sendable`.
final class FlushQueue: @unchecked Sendable {
    private let eventLoop: any EventLoop
    private var waiting: [HTTP2Connection] = []
    private var isScheduled = false
    @exclusivity(unchecked) var pacer = BulkPacer()
    /// Of all its connections since the start.
    @exclusivity(unchecked) var receivedBytes: UInt64 = 0
    @exclusivity(unchecked) private(set) var sentBytes: UInt64 = 0

    init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func add(_ connection: HTTP2Connection) {
        waiting.append(connection)
        if !isScheduled {
            isScheduled = true
            eventLoop.execute { self.run() }
        }
    }

    private func run() {
        isScheduled = false
        let batch = waiting
        waiting.removeAll(keepingCapacity: true)
        for connection in batch { connection.flush() }
    }

    // MARK: Gathering

    /// Where a connection's frames are put together. It is shared: a connection uses it only
    /// inside of `flush`.
    private var gathered = UnsafeMutableRawBufferPointer.allocate(
        byteCount: 128 * 1024, alignment: 16)
    @exclusivity(unchecked) private(set) var gatheredCount = 0

    deinit { gathered.deallocate() }

    func gather(_ bytes: UnsafeRawBufferPointer) {
        if bytes.count > gathered.count - gatheredCount { grow(by: bytes.count) }
        UnsafeMutableRawBufferPointer(rebasing: gathered[gatheredCount...]).copyMemory(from: bytes)
        gatheredCount += bytes.count
    }

    private func grow(by count: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(
            byteCount: 2 * gathered.count + count, alignment: 16)
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: gathered[..<gatheredCount]))
        gathered.deallocate()
        gathered = larger
    }

    /// Hands over what was gathered, and forgets it.
    func take(_ allocator: ByteBufferAllocator) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: gatheredCount)
        sentBytes &+= UInt64(gatheredCount)
        buffer.writeBytes(UnsafeRawBufferPointer(rebasing: gathered[..<gatheredCount]))
        gatheredCount = 0
        return buffer
    }
}
