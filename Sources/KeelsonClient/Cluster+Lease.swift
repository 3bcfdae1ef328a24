internal import API
internal import NIOCore
internal import RPC
internal import SwiftProtobuf

extension Cluster {
    /// Makes a lease of `timeToLiveSeconds`; with `id` 0 the server chooses its id.
    public func grantLease(
        timeToLiveSeconds: Int64, id: Int64 = 0, timeout: Duration? = nil
    ) async throws(ClusterError) -> LeaseGrant {
        var request = EtcdLeaseGrantRequest()
        request.ttl = timeToLiveSeconds
        request.id = id
        let answer: EtcdLeaseGrantResponse = try await call(
            "/etcdserverpb.Lease/LeaseGrant", request, isRead: false, timeout: timeout)
        return LeaseGrant(
            header: AnswerHeader(answer.header), id: answer.id, timeToLiveSeconds: answer.ttl)
    }

    /// Ends a lease; its keys are deleted.
    @discardableResult
    public func revokeLease(
        _ id: Int64, timeout: Duration? = nil
    ) async throws(ClusterError) -> AnswerHeader {
        var request = EtcdLeaseRevokeRequest()
        request.id = id
        let answer: EtcdLeaseRevokeResponse = try await call(
            "/etcdserverpb.Lease/LeaseRevoke", request, isRead: false, timeout: timeout)
        return AnswerHeader(answer.header)
    }

    /// How long a lease still lives, and on request which keys live with it.
    public func leaseState(
        _ id: Int64, keys: Bool = false, timeout: Duration? = nil
    ) async throws(ClusterError) -> LeaseState {
        var request = EtcdLeaseTimeToLiveRequest()
        request.id = id
        request.keys = keys
        let answer: EtcdLeaseTimeToLiveResponse = try await call(
            "/etcdserverpb.Lease/LeaseTimeToLive", request, isRead: true, timeout: timeout)
        return LeaseState(
            header: AnswerHeader(answer.header), id: answer.id,
            remainingSeconds: answer.ttl < 0 ? nil : answer.ttl, grantedSeconds: answer.grantedTtl,
            keys: answer.keys.map { Array($0) })
    }

    /// The ids of all leases, in ascending order.
    public func leases(timeout: Duration? = nil) async throws(ClusterError) -> [Int64] {
        let answer: EtcdLeaseLeasesResponse = try await call(
            "/etcdserverpb.Lease/LeaseLeases", EtcdLeaseLeasesRequest(), isRead: true,
            timeout: timeout)
        return answer.leases.map(\.id).sorted()
    }

    /// Gives a lease its whole time again.
    ///
    /// - Throws: ``ClusterError`` with the code `notFound` if the lease is gone.
    public func renewLease(
        _ id: Int64, timeout: Duration? = nil
    ) async throws(ClusterError) -> LeaseRenewal {
        var request = EtcdLeaseKeepAliveRequest()
        request.id = id
        let answer: EtcdLeaseKeepAliveResponse = try await call(
            "/etcdserverpb.Lease/LeaseKeepAlive", request, isRead: true, timeout: timeout)
        guard answer.ttl > 0 else {
            throw ClusterError(.notFound, "etcdserver: requested lease not found")
        }
        return LeaseRenewal(
            header: AnswerHeader(answer.header), id: answer.id,
            timeToLiveSeconds: min(answer.ttl, ClientLimits.leaseSecondsMax))
    }

    /// Renews a lease three times in each of its lives until the task is cancelled.
    ///
    /// A renewal that fails because no member is available is tried again while the lease may still
    /// be alive.
    /// - Throws: ``ClusterError``: `notFound` once the lease is gone, `cancelled` at the end.
    public func keepLeaseAlive(
        _ id: Int64, renewed: @Sendable (LeaseRenewal) -> Void = { _ in }
    ) async throws(ClusterError) {
        let clock = ContinuousClock()
        var aliveUntil = clock.now + options.timeout
        while true {
            var wait = Duration.milliseconds(500)
            do {
                let renewal = try await renewLease(id)
                aliveUntil = clock.now + .seconds(renewal.timeToLiveSeconds)
                wait = .seconds(renewal.timeToLiveSeconds) / 3
                renewed(renewal)
            } catch {
                let mayPass = error.code == .unavailable || error.code == .deadlineExceeded
                guard mayPass, clock.now < aliveUntil else { throw error }
            }
            do { try await clock.sleep(for: wait) } catch {
                throw ClusterError(.cancelled, "the task that renewed the lease was cancelled")
            }
        }
    }
}
