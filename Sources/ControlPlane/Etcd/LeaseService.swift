internal import API
internal import Foundation
internal import Primitives
internal import RPC
internal import StateMachine
internal import SwiftProtobuf

/// etcdserverpb.Lease.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class LeaseService: @unchecked Sendable {
    private unowned let node: any NodeFacade
    private var ledger: LeaseLedger

    init(node: any NodeFacade, limits: EtcdLimits) {
        self.node = node
        ledger = LeaseLedger(limits)
    }

    func applied(_ batch: [Applied]) {
        for applied in batch {
            for case .revoked(let id) in applied.leaseChanges { ledger.ended(id) }
        }
    }

    func storeReplaced() { ledger.keep { node.store.leases.contains($0) } }

    func register(in routes: inout RPCRoutes) {
        routes.unary("/etcdserverpb.Lease/LeaseGrant") { self.grant($0, $1) }
        routes.unary("/etcdserverpb.Lease/LeaseRevoke") { self.revoke($0, $1) }
        routes.unary("/etcdserverpb.Lease/LeaseTimeToLive", EtcdLeaseTimeToLiveRequest.self) {
            self.timeToLive($0, $1)
        }
        routes.unary("/etcdserverpb.Lease/LeaseLeases", EtcdLeaseLeasesRequest.self) { call, _ in
            self.list(call)
        }
        routes.stream("/etcdserverpb.Lease/LeaseKeepAlive") { call in
            KeepAliveStream(call: call, node: self.node)
        }
    }

    private func grant(_ call: ServerCall, _ body: [UInt8]) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        guard let request = try? body.withUnsafeBytes({ try LeaseGrantRequest.decode($0) }) else {
            return call.finish(.malformed)
        }
        if request.seconds > Self.secondsMax {
            return call.finish(StoreError.leaseTimeTooLarge.status)
        }
        let owner = call.principal
        if let refusal = ledger.reserve(owner, leaseCount: node.store.leases.count) {
            return call.finish(refusal)
        }
        let proposedID = request.id == 0 ? node.freeLeaseID() : 0
        node.propose(
            .leaseGrant, proposedID: proposedID, body: body, as: owner
        ) { [self] outcome in
            note(outcome, owner)
            guard let applied = call.applied(outcome) else { return }
            guard case .leaseGrant(let id, let seconds) = applied.outcome else {
                return call.finish(.unexpectedOutcome)
            }
            var response = EtcdLeaseGrantResponse()
            response.header = node.headerMessage(revision: applied.revision)
            response.id = id
            response.ttl = seconds
            call.respond(response)
        }
    }

    /// The room that was kept becomes the lease's, or anybody's again.
    private func note(_ outcome: ProposalOutcome, _ owner: Principal) {
        guard case .applied(let applied) = outcome,
            case .leaseGrant(let id, _) = applied.outcome, node.store.leases.contains(id)
        else { return ledger.giveBack(owner) }
        ledger.granted(id, to: owner)
    }

    /// The longest time to live that a client may ask for, in seconds.
    static let secondsMax: Int64 = 9_000_000_000

    private func revoke(_ call: ServerCall, _ body: [UInt8]) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        guard (try? body.withUnsafeBytes({ try LeaseRequest.decode($0) })) != nil else {
            return call.finish(.malformed)
        }
        node.propose(
            .leaseRevoke, proposedID: 0, body: body, as: call.principal
        ) { [node] outcome in
            guard let applied = call.applied(outcome) else { return }
            var response = EtcdLeaseRevokeResponse()
            response.header = node.headerMessage(revision: applied.revision)
            call.respond(response)
        }
    }

    private func timeToLive(_ call: ServerCall, _ request: EtcdLeaseTimeToLiveRequest) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        node.remainingSeconds(ofLease: request.id) { [node] result in
            switch result {
            case .failure(let failure): call.finish(failure.status)
            case .success(let remaining):
                // The keeper may be another node: its answer holds here once this node has caught
                // up.
                node.linearizableRead { failure in
                    if let failure { return call.finish(failure.status) }
                    if let refusal = node.refusal(of: call, lookingAt: request) {
                        return call.finish(refusal)
                    }
                    call.respond(Self.timeToLive(request, remaining: remaining, node: node))
                }
            }
        }
    }

    private static func timeToLive(
        _ request: EtcdLeaseTimeToLiveRequest, remaining: Int64?, node: any NodeFacade
    ) -> EtcdLeaseTimeToLiveResponse {
        var response = EtcdLeaseTimeToLiveResponse()
        response.header = node.headerMessage()
        response.id = request.id
        response.ttl = -1
        guard let remaining, let lease = node.store.leases.lease(request.id) else {
            return response
        }
        response.ttl = remaining
        response.grantedTtl = lease.grantedSeconds
        if request.keys {
            response.keys = node.store.leases.keys(of: request.id).map { Data($0.storage) }
        }
        return response
    }

    private func list(_ call: ServerCall) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        node.linearizableRead { [node] failure in
            if let failure { return call.finish(failure.status) }
            let all = node.store.leases.all
            if let refusal = node.refusal(of: call, lookingAt: all) {
                return call.finish(refusal)
            }
            var response = EtcdLeaseLeasesResponse()
            response.header = node.headerMessage()
            response.leases = all.map { lease in
                var status = EtcdLeaseStatus()
                status.id = lease.id
                return status
            }
            call.respond(response)
        }
    }
}

extension NodeFacade {
    /// An id for a lease whose client names none: positive, and free as far as this node knows;
    /// apply refuses one that is taken.
    func freeLeaseID() -> Int64 {
        var id: Int64 = 0
        while id == 0 || store.leases.contains(id) { id = Int64.random(in: 1...Int64.max) }
        return id
    }
}

extension NodeFacade {
    /// Whoever renews a lease keeps its keys.
    fileprivate func refusal(of call: ServerCall, renewing id: Int64) -> RPCStatus? {
        refusal(of: call) { grants throws(StoreError) in
            try grants.checkWrite(ofLease: id, in: store)
        }
    }

    /// The names of keys are for those who may read them.
    fileprivate func refusal(
        of call: ServerCall, lookingAt request: EtcdLeaseTimeToLiveRequest
    ) -> RPCStatus? {
        refusal(of: call) { grants throws(StoreError) in
            if request.keys { try grants.checkRead(ofLease: request.id, in: store) }
        }
    }

    fileprivate func refusal(of call: ServerCall, lookingAt leases: [Lease]) -> RPCStatus? {
        refusal(of: call) { grants throws(StoreError) in
            for lease in leases { try grants.checkRead(ofLease: lease.id, in: store) }
        }
    }

    private func refusal(
        of call: ServerCall, unless check: (Grants) throws(StoreError) -> Void
    ) -> RPCStatus? {
        switch grants(of: call) {
        case .failure(let status): return status
        case .success(let grants):
            do throws(StoreError) {
                try check(grants)
                return nil
            } catch {
                return error.status
            }
        }
    }
}

/// One `LeaseKeepAlive` call. Renewals run side by side and are answered as they end; each answer
/// names its lease. Its header is taken before the renewal, so that its revision is never behind
/// it.
///
/// Confined to the event loop, hence `@unchecked Sendable`.
final class KeepAliveStream: ServerStream, @unchecked Sendable {
    private let call: ServerCall
    private unowned let node: any NodeFacade
    private var runningCount = 0
    private var isHalfClosed = false

    /// Renewals of one stream that may run at a time; above it nothing more is read.
    private static let runningMax = 1024

    init(call: ServerCall, node: any NodeFacade) {
        self.call = call
        self.node = node
    }

    func received(_ message: [UInt8]) {
        guard let request = try? EtcdLeaseKeepAliveRequest(serializedBytes: message) else {
            return call.finish(.malformed)
        }
        if let refusal = node.refusal(of: call) ?? node.refusal(of: call, renewing: request.id) {
            return call.finish(refusal)
        }
        var response = EtcdLeaseKeepAliveResponse()
        response.header = node.headerMessage()
        response.id = request.id
        runningCount += 1
        if runningCount >= Self.runningMax || !call.isWritable { call.pauseReading() }
        node.renewLease(request.id) { [self] result in
            runningCount -= 1
            switch result {
            case .success(let seconds):
                response.ttl = seconds
                call.send(response)
            case .failure(let failure): call.finish(failure.status)
            }
            continueReading()
            finishIfDone()
        }
    }

    func halfClosed() {
        isHalfClosed = true
        finishIfDone()
    }

    func closed(cancelled: Bool) {}

    func writable() { continueReading() }

    private func continueReading() {
        if call.isOpen, runningCount < Self.runningMax, call.isWritable { call.resumeReading() }
    }

    private func finishIfDone() {
        if isHalfClosed, runningCount == 0 { call.finish(.ok) }
    }
}
