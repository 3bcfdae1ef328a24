import ControlPlane
import NIOCore
import Primitives
import StateMachine

/// A cluster of one node without a log: a proposal is applied before `propose` returns, to a real
/// store. Leases run out on the event loop's clock. Switches make it fail on purpose.
///
/// Confined to its event loop, hence `@unchecked Sendable`.
final class InMemoryNode: NodeFacade, @unchecked Sendable {
    let eventLoop: any EventLoop
    private(set) var store = Store()
    let clusterID = ClusterID(0xc1)
    let memberID = NodeID(0x8e9e_05c5_2164_694d)
    var term = Term(2)
    var leader: NodeID?
    var isLearner = false
    var electionTimeout: TimeAmount = .milliseconds(100)
    var requestBytesMax = 1536 * 1024
    var transactionOperationsMax = 128
    var quotaBytes: Int64 = 2 << 30
    weak var observer: (any NodeObserver)?

    /// What the next proposals and reads end with instead of being carried out.
    var proposalFailure: ProposalOutcome?
    var readFailure: ReadFailure?
    /// What happens elsewhere and is learnt by the next linearizable read.
    var onRead: (() -> Void)?
    /// While true, batches are applied but the services hear of them together, at
    /// ``releaseBatch()``.
    var isBatching = false
    private var batch: [(Applied, (ProposalOutcome) -> Void)] = []

    private var sequence: UInt64 = 0
    private var leaseEnds: [Int64: NIODeadline] = [:]
    private var expiry: RepeatedTask?

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        leader = memberID
    }

    func startLeaseClock() {
        expiry = eventLoop.scheduleRepeatedTask(
            initialDelay: .milliseconds(50), delay: .milliseconds(50)
        ) { [weak self] _ in self?.expireLeases() }
    }

    func stop() { expiry?.cancel() }

    var isLeader: Bool { leader == memberID }
    var appliedIndex: LogIndex { store.appliedIndex }
    var committedIndex: LogIndex { store.appliedIndex }

    func propose(
        _ kind: CommandKind, proposedID: Int64, body: [UInt8], as principal: Principal,
        _ done: @escaping (ProposalOutcome) -> Void
    ) {
        if let proposalFailure { return done(proposalFailure) }
        guard leader != nil else { return done(.refused(.noLeader)) }
        sequence += 1
        var header = CommandHeader(
            kind: kind,
            request: RequestID(origin: memberID, boot: BootNumber(1), sequence: sequence))
        header.leaseSecondsMin = 2
        header.proposedID = proposedID
        header.principal = principal
        let applied = apply(Command.encode(header, body: body))
        if isBatching {
            batch.append((applied, done))
        } else {
            observer?.applied([applied])
            done(.applied(applied))
        }
    }

    func changeMembers(
        _ kind: CommandKind, body: [UInt8], as principal: Principal,
        _ done: @escaping (ProposalOutcome) -> Void
    ) { propose(kind, proposedID: 0, body: body, as: principal, done) }

    func transferLeadership(to target: NodeID, _ done: @escaping (TransferOutcome) -> Void) {
        guard isLeader else { return done(.notLeader) }
        done(target == memberID ? .moved : .badTarget)
    }

    var batchedCount: Int { batch.count }

    func releaseBatch() {
        let released = batch
        batch = []
        isBatching = false
        observer?.applied(released.map(\.0))
        for (applied, done) in released { done(.applied(applied)) }
    }

    private func apply(_ payload: [UInt8]) -> Applied {
        let entry = LogEntry(
            index: store.appliedIndex.next, term: term, kind: .command, payload: payload)
        let applied = store.apply(entry)
        for change in applied.leaseChanges {
            switch change {
            case .granted(let id, let seconds): leaseEnds[id] = .now() + .seconds(seconds)
            case .revoked(let id): leaseEnds[id] = nil
            case .checkpointed: break
            }
        }
        while store.purge(budget: 10_000) {}
        return applied
    }

    func linearizableRead(_ done: @escaping (ReadFailure?) -> Void) {
        if let news = onRead {
            onRead = nil
            news()
        }
        done(readFailure ?? (leader == nil ? .noLeader : nil))
    }

    func renewLease(_ id: Int64, _ done: @escaping (Result<Int64, ReadFailure>) -> Void) {
        if let readFailure { return done(.failure(readFailure)) }
        guard let lease = store.leases.lease(id) else { return done(.success(0)) }
        leaseEnds[id] = .now() + .seconds(lease.grantedSeconds)
        done(.success(lease.grantedSeconds))
    }

    func remainingSeconds(
        ofLease id: Int64, _ done: @escaping (Result<Int64?, ReadFailure>) -> Void
    ) {
        if let readFailure { return done(.failure(readFailure)) }
        let left = leaseEnds[id].map { ($0 - .now()).nanoseconds / 1_000_000_000 }
        done(.success(left))
    }

    private func expireLeases() {
        let now = NIODeadline.now()
        let ended = leaseEnds.filter { $0.value <= now }.keys.sorted()
        guard !ended.isEmpty else { return }
        let items = ended.compactMap { store.leases.lease($0).map { LeaseBatch.Item($0) } }
        let body = LeaseBatch(items).encode()
        propose(.leaseExpire, proposedID: 0, body: body, as: .node) { _ in }
    }

    var spaceShortage: String?

    func status() -> NodeStatus {
        var status = NodeStatus()
        status.databaseBytes = Int64(store.bytesInUse)
        status.databaseBytesInUse = Int64(store.bytesInUse)
        status.quotaBytes = quotaBytes
        status.raftIndex = store.appliedIndex
        status.appliedIndex = store.appliedIndex
        status.term = term
        status.leader = leader
        status.isLearner = isLearner
        status.errors = leader == nil ? ["etcdserver: no leader"] : []
        return status
    }

    func members() -> [MemberSummary] {
        [
            MemberSummary(
                id: memberID, name: "default", peerURLs: ["http://localhost:2380"],
                clientURLs: ["http://localhost:2379"], isLearner: false)
        ]
    }

    /// As if a snapshot had been installed: another store, with everything of this one and more.
    func replaceStore(with newer: Store) {
        store = newer
        observer?.storeReplaced()
    }
}

extension InMemoryNode {
    /// A put without a client.
    func write(_ key: String, _ value: String) {
        var writer = ProtobufWriter()
        writer.field(1, Array(key.utf8))
        writer.field(2, Array(value.utf8))
        propose(.put, proposedID: 0, body: writer.bytes, as: .node) { _ in }
    }
}
