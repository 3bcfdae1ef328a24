internal import API
internal import NIOCore
internal import RPC
internal import SwiftProtobuf

/// The events of one subscription, written as fast as the executor takes them.
///
/// Confined to its connection's event loop, hence `@unchecked Sendable`; ``send(_:)`` and
/// ``end()`` may be called from elsewhere.
final class ExecutorStream: @unchecked Sendable {
    /// Bytes that wait for an executor that does not read. Beyond it is cut off: what it did not
    /// hear it is told when it subscribes again.
    private static let waitingBytesMax = 16 << 20

    let encoding: MesosMessage.Encoding
    private let loop: any EventLoop
    private var stream: HTTP1Stream?
    private var waiting: [[UInt8]] = []
    private var waitingBytes = 0
    private var isEnding = false
    private var isClosed = false
    private var whenClosed: (@Sendable () -> Void)?

    init(_ loop: any EventLoop, _ encoding: MesosMessage.Encoding) {
        self.loop = loop
        self.encoding = encoding
    }

    /// Head and status are sent.
    func attach(_ stream: HTTP1Stream) {
        self.stream = stream
        stream.onWritable = { [weak self] in self?.write() }
        write()
    }

    func send(_ event: some Message & Sendable) {
        let record = RecordIO.encode(MesosMessage.encode(event, as: encoding))
        loop.execute {
            if self.isClosed || self.isEnding { return }
            self.waiting.append(record)
            self.waitingBytes += record.count
            if self.waitingBytes > Self.waitingBytesMax {
                self.waiting = []
                self.finish()
            } else {
                self.write()
            }
        }
    }

    /// Behind what was sent.
    func end() {
        loop.execute {
            self.isEnding = true
            self.write()
        }
    }

    /// The connection has gone.
    func closed() {
        isClosed = true
        stream = nil
        waiting = []
        whenClosed?()
        whenClosed = nil
    }

    /// Calls back once the connection has gone.
    func watch(_ body: @escaping @Sendable () -> Void) {
        loop.execute {
            if self.isClosed { return body() }
            self.whenClosed = body
        }
    }

    private func write() {
        guard let stream else { return }
        while stream.isWritable, !waiting.isEmpty {
            let piece = waiting.removeFirst()
            waitingBytes -= piece.count
            stream.write(piece)
        }
        if isEnding, waiting.isEmpty { finish() }
    }

    private func finish() {
        isEnding = true
        stream?.onWritable = nil
        stream?.end()
        stream = nil
        whenClosed?()
        whenClosed = nil
    }
}
