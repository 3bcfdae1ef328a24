import Logging
import NIOCore
import NIOPosix
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// Streams one snapshot over a connection of its own: chunks are made on a thread of its own, one
/// after another as the socket takes them.
///
/// `@unchecked Sendable`: everything but the writer is confined to the event loop, and the
/// writer is used by the worker's jobs only, which follow one another.
final class SnapshotSender: @unchecked Sendable {
    private let header: SnapshotHeader
    private let loop: any EventLoop
    private var writer: SnapshotWriter<AnyIterator<Row>>
    private let worker: WorkerThread<@Sendable () -> Void>
    private var done: ((Bool) -> Void)?
    private var handler: PeerChannelHandler?
    private var producing = false
    private var finished = false

    /// One that takes longer is given up: the follower can ask for a newer one.
    static let deadline: TimeAmount = .minutes(10)

    init(
        header: SnapshotHeader, frozen: FrozenStore, loop: any EventLoop,
        done: @escaping (Bool) -> Void
    ) {
        self.header = header
        self.loop = loop
        self.done = done
        writer = SnapshotWriter(
            header: header, rows: AnyIterator(frozen.rows().lazy.map(Row.init).makeIterator()))
        worker = WorkerThread { jobs in for job in jobs { job() } }
        worker.start()
    }

    func start(to address: ServiceURL, security: TLSPort?, hello: PeerHello) {
        let handler = PeerChannelHandler()
        self.handler = handler
        handler.onActive = { handler in
            _ = handler.send(hello.encode())
            handler.flush()
        }
        handler.onFrame = { [weak self] _, frame in try self?.received(frame) }
        handler.onWritable = { [weak self] _ in self?.produce() }
        handler.onClose = { [weak self] _, _ in self?.finish(false) }
        let bound = NIOLoopBound(handler, eventLoop: loop)
        ClientBootstrap(group: loop)
            .peerSocketOptions()
            .channelOption(.writeBufferWaterMark, value: .init(low: 1 << 20, high: 4 << 20))
            .connectTimeout(.seconds(2))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try PeerSocket.secure(channel, to: address, security)
                    try channel.pipeline.syncOperations.addHandler(bound.value)
                }
            }
            .connect(host: address.host, port: address.port)
            .hop(to: loop)
            .assumeIsolated()
            .whenFailure { [weak self] _ in self?.finish(false) }
        loop.assumeIsolated().scheduleTask(in: Self.deadline) { [weak self] in self?.finish(false) }
    }

    private var welcomed = false

    private func received(_ frame: [UInt8]) throws {
        if !welcomed {
            let welcome = try PeerWelcome.decode(frame)
            guard welcome.verdict.isWelcome else { return finish(false) }
            welcomed = true
            return produce()
        }
        // The receiver's last word: whether the snapshot is now its state.
        finish(frame == [1])
    }

    /// The receiver is gone, or its process is another one.
    func abandon() { finish(false) }

    private func produce() {
        guard welcomed, !producing, !finished, let channel = handler?.channel, channel.isWritable
        else { return }
        producing = true
        worker.submit { [self] in
            let chunk = Result { () throws(StorageError) in try writer.nextChunk() }
            loop.execute { self.produced(chunk) }
        }
    }

    private func produced(_ chunk: Result<[UInt8]?, StorageError>) {
        producing = false
        guard !finished, let handler else { return }
        switch chunk {
        case .success(let bytes?):
            guard handler.send(bytes) else { return finish(false) }
            handler.flush()
            produce()
        case .success(nil): break
        case .failure: finish(false)
        }
    }

    private func finish(_ succeeded: Bool) {
        guard !finished else { return }
        finished = true
        worker.stop()
        handler?.close()
        let done = done
        self.done = nil
        done?(succeeded)
    }
}
