internal import API
internal import Foundation
internal import Primitives
internal import RPC
internal import StateMachine

/// v3electionpb.Election: the first of the keys under an election's name leads, with the value that
/// it proclaims.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class ElectionService: @unchecked Sendable {
    unowned let node: any NodeFacade
    private let queue: QueueDriver
    private var observers: [ObjectIdentifier: ElectionObserver] = [:]

    init(node: any NodeFacade, queue: QueueDriver) {
        self.node = node
        self.queue = queue
    }

    func register(in routes: inout RPCRoutes) {
        let service = "/v3electionpb.Election/"
        routes.unary(service + "Campaign", EtcdElectionCampaignRequest.self) {
            self.campaign($0, $1)
        }
        routes.unary(service + "Proclaim", EtcdElectionProclaimRequest.self) {
            self.proclaim($0, $1)
        }
        routes.unary(service + "Leader", EtcdElectionLeaderRequest.self) { self.leader($0, $1) }
        routes.unary(service + "Resign", EtcdElectionResignRequest.self) { self.resign($0, $1) }
        routes.stream(service + "Observe") { ElectionObserver(call: $0, service: self) }
    }

    // MARK: Observers

    func observe(_ observer: ElectionObserver) { observers[ObjectIdentifier(observer)] = observer }
    func forget(_ observer: ElectionObserver) { observers[ObjectIdentifier(observer)] = nil }

    func applied(_ batch: [Applied]) {
        guard !observers.isEmpty else { return }
        if batch.contains(where: { $0.authChange == .table }) { authorize() }
        let events = batch.flatMap(\.events)
        if events.isEmpty { return }
        for observer in observers.values { observer.applied(events) }
    }

    func storeReplaced() {
        authorize()
        for observer in observers.values { observer.look() }
    }

    private func authorize() { for observer in observers.values { observer.authorize() } }

    func stopping() { for observer in observers.values { observer.end(.stopped) } }

    // MARK: Calls

    private func campaign(_ call: ServerCall, _ request: EtcdElectionCampaignRequest) {
        let value = Array(request.value)
        node.enter(call, name: Array(request.name), lease: request.lease, value: value) { entry in
            if entry.value == value { return self.wait(call, request, entry) }
            // An earlier call with this lease stands for something else. The answer's header stays
            // that of the first transaction, as etcd has it.
            self.write(call, entry.key, created: entry.createRevision, value, entry.lease) { _ in
                self.wait(call, request, entry)
            }
        }
    }

    private func wait(
        _ call: ServerCall, _ request: EtcdElectionCampaignRequest, _ entry: QueueEntry
    ) {
        queue.wait(for: entry, call, orElse: .electionSessionExpired) { [node] _ in
            var response = EtcdElectionCampaignResponse()
            response.header = node.headerMessage(revision: entry.revision)
            response.leader.name = request.name
            response.leader.key = Data(entry.key)
            response.leader.rev = entry.createRevision
            response.leader.lease = entry.lease
            call.respond(response)
        }
    }

    private func proclaim(_ call: ServerCall, _ request: EtcdElectionProclaimRequest) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        guard request.hasLeader else { return call.finish(.missingLeaderKey) }
        let leader = request.leader
        write(
            call, Array(leader.key), created: leader.rev, Array(request.value), leader.lease
        ) { [node] applied in
            var response = EtcdElectionProclaimResponse()
            response.header = node.headerMessage(revision: applied.revision)
            call.respond(response)
        }
    }

    /// Puts a new value where the key is still the one that was created then.
    private func write(
        _ call: ServerCall, _ key: [UInt8], created revision: Int64, _ value: [UInt8],
        _ lease: Int64, _ done: @escaping (Applied) -> Void
    ) {
        if key.isEmpty { return call.finish(StoreError.emptyKey.queueStatus) }
        let body = QueueEntry.proclamation(key, created: revision, value: value, lease: lease)
        node.propose(.txn, proposedID: 0, body: body, as: call.principal) { outcome in
            guard let applied = call.queued(outcome) else { return }
            guard case .txn(let result) = applied.outcome else {
                return call.finish(.unexpectedOutcome)
            }
            if result.succeeded { done(applied) } else { call.finish(.notElectionLeader) }
        }
    }

    private func leader(_ call: ServerCall, _ request: EtcdElectionLeaderRequest) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        let prefix = QueueEntry.prefix(Array(request.name))
        node.linearizableRead { [node] failure in
            if let failure { return call.finish(failure.status) }
            if let refusal = node.refusal(of: call, reading: prefix) {
                return call.finish(refusal)
            }
            guard let record = try? node.store.firstKey(under: prefix) else {
                return call.finish(.noElectionLeader)
            }
            call.respond(Self.response(record, header: node.headerMessage()))
        }
    }

    /// What is not led any more is resigned already: etcd says so, too.
    private func resign(_ call: ServerCall, _ request: EtcdElectionResignRequest) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        guard request.hasLeader else { return call.finish(.missingLeaderKey) }
        if request.leader.key.isEmpty { return call.finish(StoreError.emptyKey.queueStatus) }
        let body = QueueEntry.departure(
            Array(request.leader.key), created: request.leader.rev)
        node.propose(.txn, proposedID: 0, body: body, as: call.principal) { [node] outcome in
            guard let applied = call.queued(outcome) else { return }
            var response = EtcdElectionResignResponse()
            response.header = node.headerMessage(revision: applied.revision)
            call.respond(response)
        }
    }

    static func response(
        _ record: Record, header: EtcdResponseHeader
    ) -> EtcdElectionLeaderResponse {
        var response = EtcdElectionLeaderResponse()
        response.header = header
        response.kv.key = Data(record.key.storage)
        response.kv.value = Data(record.value)
        response.kv.createRevision = record.createRevision
        response.kv.modRevision = record.modRevision
        response.kv.version = record.version
        response.kv.lease = record.lease
        return response
    }
}

extension RPCStatus {
    static let electionSessionExpired = RPCStatus(.unknown, "election: session expired")
    static let notElectionLeader = RPCStatus(.unknown, "election: not leader")
    static let noElectionLeader = RPCStatus(.unknown, "election: no leader")
    static let missingLeaderKey = RPCStatus(.unknown, "\"leader\" field must be provided")
}
