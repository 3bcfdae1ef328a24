import Logging
import NIOCore
import NIOPosix
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// Takes one snapshot from a leader, makes a store of it, and makes that durable as a checkpoint
/// before anything of it is used.
///
/// `@unchecked Sendable`: the intake is used by the worker's jobs only, the rest on the
/// event loop only.
final class SnapshotReceiver: @unchecked Sendable {
    private let handler: PeerChannelHandler
    private let loop: any EventLoop
    private let worker: WorkerThread<@Sendable () -> Void>
    private let checkpoints: CheckpointStore
    private var intake: SnapshotIntake
    private var done: ((Result<SnapshotIntake.Installed, any Error>) -> Void)?
    /// Asked on the event loop once all is there: false when this node has gone past it meanwhile.
    var shouldInstall: ((SnapshotHeader) -> Bool)?

    init(
        clusterID: ClusterID, known: FeatureLevel, handler: PeerChannelHandler, loop: any EventLoop,
        worker: WorkerThread<@Sendable () -> Void>, checkpoints: CheckpointStore,
        done: @escaping (Result<SnapshotIntake.Installed, any Error>) -> Void
    ) {
        self.handler = handler
        self.loop = loop
        self.worker = worker
        self.checkpoints = checkpoints
        self.done = done
        intake = SnapshotIntake(clusterID: clusterID, known: known)
        let before = handler.onClose
        handler.onClose = { [weak self] in
            before?($0, $1)
            self?.abandon()
        }
    }

    func abandon() {
        if !committed { finish(.failure(SnapshotIntake.Abandoned())) }
    }

    private var committed = false
    /// Bytes of chunks that the worker has not taken yet.
    private var waitingBytes = 0
    private var isPaused = false

    /// Above this nothing more is read from the connection, until a quarter is left.
    static let waitingBytesMax = 16 << 20

    /// Takes a frame. What follows the snapshot's end is of no interest.
    func take(_ chunk: [UInt8]) {
        guard !committed, done != nil else { return }
        waitingBytes += chunk.count
        if waitingBytes > Self.waitingBytesMax, !isPaused {
            isPaused = true
            handler.mayRead(false)
        }
        worker.submit { [self] in
            let result = Result { try intake.take(chunk) }
            loop.execute { self.taken(chunk.count, result) }
        }
    }

    private func taken(_ byteCount: Int, _ result: Result<SnapshotHeader?, any Error>) {
        waitingBytes -= byteCount
        if isPaused, waitingBytes <= Self.waitingBytesMax / 4 {
            isPaused = false
            handler.mayRead(true)
        }
        switch result {
        case .success(let header?): complete(header)
        case .success(nil): break
        case .failure(let error): if !committed { finish(.failure(error)) }
        }
    }

    private func complete(_ header: SnapshotHeader) {
        guard done != nil, shouldInstall?(header) == true else {
            return finish(.failure(SnapshotIntake.Abandoned()))
        }
        committed = true
        worker.submit { [self] in
            let result = Result { try intake.makeDurable(header, in: checkpoints) }
            loop.execute { self.finish(result) }
        }
    }

    private func finish(_ result: Result<SnapshotIntake.Installed, any Error>) {
        guard let done else { return }
        self.done = nil
        if case .success = result {
            _ = handler.send([1])
        } else {
            _ = handler.send([0])
        }
        handler.flush()
        done(result)
    }
}
