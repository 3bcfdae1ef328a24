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
        clusterID: ClusterID, handler: PeerChannelHandler, loop: any EventLoop,
        worker: WorkerThread<@Sendable () -> Void>, checkpoints: CheckpointStore,
        done: @escaping (Result<SnapshotIntake.Installed, any Error>) -> Void
    ) {
        self.handler = handler
        self.loop = loop
        self.worker = worker
        self.checkpoints = checkpoints
        self.done = done
        intake = SnapshotIntake(clusterID: clusterID)
        handler.onClose = { [weak self] _, _ in self?.abandon() }
    }

    func abandon() {
        if !committed { finish(.failure(SnapshotIntake.Abandoned())) }
    }

    private var committed = false

    func take(_ chunk: [UInt8]) {
        worker.submit { [self] in
            do {
                if let header = try intake.take(chunk) {
                    loop.execute { self.complete(header) }
                }
            } catch {
                loop.execute { self.finish(.failure(error)) }
            }
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
