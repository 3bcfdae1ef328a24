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
/// `@unchecked Sendable`: `reader` and `loader` are used by the worker's jobs only, the rest on the
/// event loop only.
final class SnapshotReceiver: @unchecked Sendable {
    struct Installed: Sendable {
        var store: Store
        var term: Term
        var configuration: ClusterConfiguration
    }

    struct Abandoned: Error, CustomStringConvertible {
        var description: String { "its connection closed or another one took its place" }
    }

    private let handler: PeerChannelHandler
    private let loop: any EventLoop
    private let worker: WorkerThread<@Sendable () -> Void>
    private let checkpoints: CheckpointStore
    private var reader: SnapshotReader
    private var loader = StoreLoader()
    private var done: ((Result<Installed, any Error>) -> Void)?
    /// Asked on the event loop once all is there: false when this node has gone past it meanwhile.
    var shouldInstall: ((SnapshotHeader) -> Bool)?

    init(
        clusterID: ClusterID, handler: PeerChannelHandler, loop: any EventLoop,
        worker: WorkerThread<@Sendable () -> Void>, checkpoints: CheckpointStore,
        done: @escaping (Result<Installed, any Error>) -> Void
    ) {
        self.handler = handler
        self.loop = loop
        self.worker = worker
        self.checkpoints = checkpoints
        self.done = done
        reader = SnapshotReader(clusterID: clusterID)
        handler.onClose = { [weak self] _, _ in self?.abandon() }
    }

    func abandon() {
        if !committed { finish(.failure(Abandoned())) }
    }

    private var committed = false

    func take(_ chunk: [UInt8]) {
        worker.submit { [self] in
            do {
                for row in try reader.accept(chunk) { try loader.add(row) }
                if reader.isComplete, let header = reader.header {
                    loop.execute { self.complete(header) }
                }
            } catch {
                loop.execute { self.finish(.failure(error)) }
            }
        }
    }

    private func complete(_ header: SnapshotHeader) {
        guard done != nil, shouldInstall?(header) == true else {
            return finish(.failure(Abandoned()))
        }
        committed = true
        worker.submit { [self] in
            let result = Result { try makeDurable(header) }
            loop.execute { self.finish(result) }
        }
    }

    private func makeDurable(_ header: SnapshotHeader) throws -> Installed {
        let configuration = try ClusterConfiguration.decode(header.configuration)
        let store = try loader.finish()
        guard store.appliedIndex == header.index else { throw Abandoned() }
        try checkpoints.write(
            CheckpointHeader(
                index: header.index, term: header.term, configuration: header.configuration),
            upserts: store.freeze().rows().lazy.map(Row.init), deletes: [], replacingAll: true)
        return Installed(store: store, term: header.term, configuration: configuration)
    }

    private func finish(_ result: Result<Installed, any Error>) {
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
