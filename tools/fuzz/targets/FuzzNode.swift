internal import ControlPlane
internal import NIOCore
internal import Primitives
internal import StateMachine

/// A node that applies at once what is proposed, to a store of its own: what the services need of a
/// cluster. Confined to its event loop.
final class FuzzNode: NodeFacade {
    let eventLoop: any EventLoop
    let store: Store
    let clusterID = ClusterID(1)
    let memberID = NodeID(2)
    let term = Term(1)
    let leader: NodeID? = NodeID(2)
    let isLeader = true
    let isLearner = false
    let electionTimeout = TimeAmount.milliseconds(100)
    let requestBytesMax = 1536 * 1024
    let transactionOperationsMax = 128
    let quotaBytes: Int64 = 2 << 30
    let spaceShortage: String? = nil
    weak var observer: (any NodeObserver)?

    init(eventLoop: any EventLoop, store: Store) {
        self.eventLoop = eventLoop
        self.store = store
    }

    var appliedIndex: LogIndex { store.appliedIndex }
    var committedIndex: LogIndex { store.appliedIndex }

    func propose(
        _ kind: CommandKind, proposedID: Int64, body: [UInt8], as principal: Principal,
        _ done: @escaping (ProposalOutcome) -> Void
    ) {
        let sequence = store.appliedIndex.rawValue + 1
        let request = RequestID(origin: memberID, boot: BootNumber(1), sequence: sequence)
        var header = CommandHeader(kind: kind, request: request)
        header.proposedID = proposedID
        header.principal = principal
        let entry = LogEntry(
            index: store.appliedIndex.next, term: term, kind: .command,
            payload: Command.encode(header, body: body))
        let applied = store.apply(entry)
        observer?.applied([applied])
        done(.applied(applied))
    }

    func changeMembers(
        _ kind: CommandKind, body: [UInt8], as principal: Principal,
        _ done: @escaping (ProposalOutcome) -> Void
    ) { propose(kind, proposedID: 0, body: body, as: principal, done) }

    func transferLeadership(to target: NodeID, _ done: @escaping (TransferOutcome) -> Void) {
        done(target == memberID ? .moved : .badTarget)
    }

    func linearizableRead(_ done: @escaping (ReadFailure?) -> Void) { done(nil) }

    func renewLease(_ id: Int64, _ done: @escaping (Result<Int64, ReadFailure>) -> Void) {
        done(.success(store.leases.lease(id)?.grantedSeconds ?? 0))
    }

    func remainingSeconds(
        ofLease id: Int64, _ done: @escaping (Result<Int64?, ReadFailure>) -> Void
    ) { done(.success(store.leases.lease(id)?.grantedSeconds)) }

    func status() -> NodeStatus { NodeStatus() }

    func members() -> [MemberSummary] {
        [
            MemberSummary(
                id: memberID, name: "a", peerURLs: ["http://a:2380"],
                clientURLs: ["http://a:2379"], isLearner: false)
        ]
    }
}
