internal import NIOCore
internal import Primitives
internal import StateMachine
internal import Storage

/// A state that is sent as a backup, for as long as somebody reads it or may go on reading it.
///
/// Confined to the event loop but for what never changes, hence `@unchecked Sendable`.
final class KeptSnapshot: @unchecked Sendable {
    let frozen: FrozenStore
    let header: SnapshotHeader
    /// The weight of what the store held, in bytes.
    let estimatedBytes: UInt64
    fileprivate var readerCount = 1
    fileprivate var expiry: Scheduled<Void>?

    fileprivate init(_ frozen: FrozenStore, _ header: SnapshotHeader, estimatedBytes: UInt64) {
        self.frozen = frozen
        self.header = header
        self.estimatedBytes = estimatedBytes
    }

    fileprivate func isWhere(_ point: SnapshotResumePoint) -> Bool {
        header.sender == point.sender && header.boot == point.boot
            && header.snapshotID == point.snapshotID
    }
}

/// The snapshots that are sent as backups: a connection that is lost must not cost what went over
/// it before.
///
/// What is kept costs memory only: what the store has compacted or rewritten since, at most the
/// state as it was. So few are kept, the newest ones, and not for long.
///
/// Confined to the event loop.
final class KeptSnapshots {
    private let eventLoop: any EventLoop
    private let thread: LargeRanges
    private let unreadMax: Int
    private let time: (unfinished: TimeAmount, sent: TimeAmount)
    /// Tells this process's snapshots from those of another: the numbers begin again with each.
    private let life = BootNumber(.random(in: 1 ... .max))
    private var nextID: UInt64 = 1
    /// In the order in which they were last read.
    private var all: [KeptSnapshot] = []

    init(eventLoop: any EventLoop, thread: LargeRanges, limits: EtcdLimits) {
        self.eventLoop = eventLoop
        self.thread = thread
        unreadMax = limits.keptSnapshotsMax
        time = (limits.keptSnapshotTime, limits.sentSnapshotTime)
    }

    /// Those that are read included.
    var count: Int { all.count }

    /// Takes a new one in, which the caller reads.
    func add(
        _ frozen: FrozenStore, configuration: [UInt8], clusterID: ClusterID, memberID: NodeID,
        estimatedBytes: UInt64
    ) -> KeptSnapshot {
        let header = SnapshotHeader(
            index: frozen.appliedIndex, term: frozen.appliedTerm, configuration: configuration,
            clusterID: clusterID, sender: memberID, boot: life, snapshotID: nextID)
        nextID += 1
        let snapshot = KeptSnapshot(frozen, header, estimatedBytes: estimatedBytes)
        all.append(snapshot)
        return snapshot
    }

    /// The one that a stream stopped in, which the caller reads from now on; nil where it is not
    /// kept any more, or never was here.
    func resume(_ point: SnapshotResumePoint) -> KeptSnapshot? {
        guard let snapshot = all.first(where: { $0.isWhere(point) }) else { return nil }
        snapshot.readerCount += 1
        snapshot.expiry?.cancel()
        snapshot.expiry = nil
        return snapshot
    }

    /// The caller does not read it any more.
    /// - Parameter isSent: all of it was handed to the connection.
    func leave(_ snapshot: KeptSnapshot, isSent: Bool) {
        snapshot.readerCount -= 1
        guard snapshot.readerCount == 0, let index = all.firstIndex(where: { $0 === snapshot })
        else { return }
        all.append(all.remove(at: index))
        let unread = all.filter { $0.readerCount == 0 }
        for oldest in unread.dropLast(unreadMax) { remove(oldest) }
        guard all.contains(where: { $0 === snapshot }) else { return }
        snapshot.expiry = eventLoop.assumeIsolated().scheduleTask(
            in: isSent ? time.sent : time.unfinished
        ) { [weak self] in self?.remove(snapshot) }
    }

    /// Forgets those that nobody reads.
    func removeUnread() {
        for snapshot in all where snapshot.readerCount == 0 { remove(snapshot) }
    }

    private func remove(_ snapshot: KeptSnapshot) {
        snapshot.expiry?.cancel()
        snapshot.expiry = nil
        all.removeAll { $0 === snapshot }
        thread.release(snapshot)
    }
}
