import Logging
import NIOCore
import NIOPosix
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// Snapshots on their way out and in.
struct SnapshotDuty {
    var nextID: UInt64 = 1
    var sending: [NodeID: SnapshotSender] = [:]
    var retry = SnapshotRetry()
    var receiving: SnapshotReceiver?
    /// A received snapshot is being made this node's state.
    var installing = false
}

extension Node {
    /// Streams the present state to a follower that needs what the log no longer has.
    func sendSnapshot(to peer: NodeID, _ leastIndex: LogIndex) {
        let index = replica.appliedIndex
        guard !stopping, snapshots.sending[peer] == nil, index >= leastIndex,
            snapshots.retry.mayStart(peer, at: replica.now),
            transport.isConnected(peer), let address = transport.address(of: peer)
        else {
            eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(100)) { [self] in
                if !stopping { step(.snapshotSent(to: peer, index, succeeded: false)) }
            }
            return
        }
        let header = replica.snapshotHeader(sender: identity, snapshotID: snapshots.nextID)
        snapshots.nextID += 1
        logger.info("sending a snapshot", metadata: ["to": "\(peer)", "index": "\(index)"])
        let sender = SnapshotSender(
            header: header, frozen: replica.store.freeze(), loop: eventLoop
        ) { [weak self] succeeded in
            guard let self else { return }
            snapshots.sending[peer] = nil
            if succeeded {
                snapshots.retry.forget(peer)
            } else {
                snapshots.retry.failed(peer, at: replica.now)
            }
            logger.info(
                "snapshot sent",
                metadata: ["to": "\(peer)", "index": "\(index)", "succeeded": "\(succeeded)"])
            if !stopping { step(.snapshotSent(to: peer, index, succeeded: succeeded)) }
        }
        snapshots.sending[peer] = sender
        sender.start(
            to: address, security: transport.security, hello: hello(to: peer, .snapshot))
    }

    func snapshotArriving(
        from peer: NodeID, on handler: PeerChannelHandler
    ) -> ([UInt8]) throws -> Void {
        guard !snapshots.installing, !stopping, space.shortage.cause == nil else {
            handler.close()
            return { _ in }
        }
        snapshots.receiving?.abandon()
        let receiver = SnapshotReceiver(
            clusterID: identity.clusterID, known: identity.level, handler: handler, loop: eventLoop,
            worker: checkpoints.worker, checkpoints: checkpoints.store
        ) { [weak self] result in self?.received(result) }
        snapshots.receiving = receiver
        receiver.shouldInstall = { [weak self] header in
            guard let self, !stopping, header.index > replica.appliedIndex else { return false }
            snapshots.installing = true
            checkpoints.plan.forgetFrozen()
            return true
        }
        return { [weak receiver] frame in receiver?.take(frame) }
    }

    private func received(_ result: Result<SnapshotIntake.Installed, any Error>) {
        snapshots.installing = false
        snapshots.receiving = nil
        guard !stopping else { return }
        switch result {
        case .success(let installed):
            guard installed.store.appliedIndex > replica.appliedIndex else { return }
            checkpoints.plan.installed(installed.checkpoint)
            checkpoints.lastEnd = NIODeadline.now()
            replica.install(
                installed.store, term: installed.term, configuration: installed.configuration,
                into: &effects)
            logger.info(
                "snapshot installed", metadata: ["index": "\(installed.store.appliedIndex)"])
            observer?.storeReplaced()
            perform()
            endTurnSoon()
        case .failure(let error as StorageError) where error.isFatal: halt(.storage(error))
        case .failure(StoreLoadError.unknownFormat(let format)):
            let reason = "a snapshot has rows of format \(format)"
            halt(.replica(.outdated(known: identity.level, reason: reason)))
        case .failure(let error):
            logger.warning("a snapshot was not installed", metadata: ["reason": "\(error)"])
        }
    }
}
