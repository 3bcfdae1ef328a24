import API
import ControlPlane
import Foundation
import Primitives
import RPC
import StateMachine
import SwiftProtobuf
import Testing

private let lockPath = "/v3lockpb.Lock/Lock"
private let electionPath = "/v3electionpb.Election/"

extension EtcdHarness {
    fileprivate func grant(_ id: Int64, seconds: Int64 = 60) async throws {
        var request = EtcdLeaseGrantRequest()
        request.id = id
        request.ttl = seconds
        _ = try await call(
            "/etcdserverpb.Lease/LeaseGrant", request, EtcdLeaseGrantResponse.self)
    }

    /// What was sent on the connection before has reached the services.
    fileprivate func roundTrip() async throws { _ = try await range("-") }

    fileprivate func revoke(_ id: Int64) async throws {
        var request = EtcdLeaseRevokeRequest()
        request.id = id
        _ = try await call(
            "/etcdserverpb.Lease/LeaseRevoke", request, EtcdLeaseRevokeResponse.self)
    }

    fileprivate func lock(_ name: String, _ lease: Int64) async throws -> EtcdLockLockResponse {
        try await call(lockPath, request(name, lease), EtcdLockLockResponse.self)
    }

    /// A call for a lock that may wait.
    fileprivate func waitForLock(
        _ name: String, _ lease: Int64, as metadata: Metadata = []
    ) throws -> StreamProbe {
        let probe = stream(lockPath, metadata: metadata)
        try probe.send(request(name, lease))
        probe.halfClose()
        return probe
    }

    private func request(_ name: String, _ lease: Int64) -> EtcdLockLockRequest {
        var request = EtcdLockLockRequest()
        request.name = Data(name.utf8)
        request.lease = lease
        return request
    }

    fileprivate func unlock(_ key: Data) async throws {
        var request = EtcdLockUnlockRequest()
        request.key = key
        _ = try await call("/v3lockpb.Lock/Unlock", request, EtcdLockUnlockResponse.self)
    }

    fileprivate func campaign(
        _ name: String, _ lease: Int64, _ value: String, as metadata: Metadata = []
    ) throws -> StreamProbe {
        var request = EtcdElectionCampaignRequest()
        request.name = Data(name.utf8)
        request.lease = lease
        request.value = Data(value.utf8)
        let probe = stream(electionPath + "Campaign", metadata: metadata)
        try probe.send(request)
        probe.halfClose()
        return probe
    }

    fileprivate func leaderOf(_ name: String) async throws -> EtcdElectionLeaderResponse {
        var request = EtcdElectionLeaderRequest()
        request.name = Data(name.utf8)
        return try await call(electionPath + "Leader", request, EtcdElectionLeaderResponse.self)
    }
}

@Suite("v3lockpb.Lock")
struct LockServiceTests {
    @Test("a lock has one owner, and those who wait get it in their order")
    func order() async throws {
        try await EtcdHarness.run { etcd in
            for lease in Int64(1)...3 { try await etcd.grant(lease) }
            let first = try await etcd.lock("m", 1)
            #expect(first.key == Data("m/1".utf8))
            #expect(first.header.revision == 2)
            let second = try etcd.waitForLock("m", 2)
            try await etcd.roundTrip()
            let third = try etcd.waitForLock("m", 3)
            try await etcd.roundTrip()
            #expect(try await second.pendingCount() == 0)
            try await etcd.unlock(first.key)
            let owned = try await second.next(EtcdLockLockResponse.self)
            #expect(owned.key == Data("m/2".utf8))
            #expect(try await third.pendingCount() == 0)
            try await etcd.revoke(2)
            #expect(try await third.next(EtcdLockLockResponse.self).key == Data("m/3".utf8))
        }
    }

    @Test("asking again with the same lease finds the lock owned; other names are other locks")
    func again() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.grant(1)
            try await etcd.grant(2)
            let first = try await etcd.lock("m", 1)
            #expect(try await etcd.lock("m", 1).key == first.key)
            #expect(try await etcd.lock("mm", 2).key == Data("mm/2".utf8))
        }
    }

    @Test("who waits and loses its lease is told so; a client that goes gives its place up")
    func goneWaiters() async throws {
        try await EtcdHarness.run { etcd in
            for lease in Int64(1)...4 { try await etcd.grant(lease) }
            let first = try await etcd.lock("m", 1)
            let second = try etcd.waitForLock("m", 2)
            try await etcd.roundTrip()
            let third = try etcd.waitForLock("m", 3)
            try await etcd.roundTrip()
            let fourth = try etcd.waitForLock("m", 4)
            try await etcd.roundTrip()
            try await etcd.revoke(2)
            let status = try await second.status()
            #expect(status == RPCStatus(.unknown, "mutex: session is expired"))
            third.cancel()
            try await etcd.roundTrip()
            #expect(try await etcd.range("m/3").count == 0)
            try await etcd.unlock(first.key)
            #expect(try await fourth.next(EtcdLockLockResponse.self).key == Data("m/4".utf8))
            #expect(try await etcd.queueWaiters() == 0)
        }
    }

    @Test("the answer's revision is one at which the lock is held, whatever was applied with it")
    func revisionOfBatch() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.grant(1)
            try await etcd.grant(2)
            let first = try await etcd.lock("m", 1)
            #expect(first.header.revision == 2)
            try await etcd.onLoop { $0.isBatching = true }
            let second = try etcd.waitForLock("m", 2)
            while try await etcd.onLoop({ $0.batchedCount }) < 1 { await Task.yield() }
            async let unlocked: Void = etcd.unlock(first.key)
            while try await etcd.onLoop({ $0.batchedCount }) < 2 { await Task.yield() }
            try await etcd.onLoop { $0.releaseBatch() }
            try await unlocked
            #expect(try await second.next(EtcdLockLockResponse.self).header.revision == 4)
        }
    }

    @Test(
        "whose permission is taken while it waits gets no lock, and is in nobody's way (A08)",
        arguments: [true, false])
    func permissionTaken(isElection: Bool) async throws {
        try await EtcdHarness.run { etcd in
            for lease in Int64(1)...3 { try await etcd.grant(lease) }
            try await etcd.addRole("locker", .readwrite, "m/", to: "m0")
            try await etcd.addUser("locker")
            try await etcd.grantRole("locker", to: "locker")
            try await etcd.enableAuth()
            let root = try await etcd.logIn("root")
            let locker = try await etcd.logIn("locker")
            func enter(_ lease: Int64, _ metadata: EtcdHarness.Metadata) async throws
                -> StreamProbe
            {
                let probe =
                    isElection
                    ? try etcd.campaign("m", lease, "v", as: metadata)
                    : try etcd.waitForLock("m", lease, as: metadata)
                let key = EtcdRangeRequest.with { $0.key = Data("m/\(lease)".utf8) }
                while try await etcd.call(
                    "/etcdserverpb.KV/Range", key, EtcdRangeResponse.self, metadata: root
                ).count == 0 { await Task.yield() }
                return probe
            }
            func answers(_ probe: StreamProbe) async throws {
                if isElection {
                    _ = try await probe.next(EtcdElectionCampaignResponse.self)
                } else {
                    _ = try await probe.next(EtcdLockLockResponse.self)
                }
            }
            let first = try await enter(1, root)
            try await answers(first)
            let second = try await enter(2, locker)
            let third = try await enter(3, root)
            let revocation = EtcdAuthUserRevokeRoleRequest.with {
                $0.name = "locker"
                $0.role = "locker"
            }
            _ = try await etcd.call(
                "/etcdserverpb.Auth/UserRevokeRole", revocation,
                EtcdAuthUserRevokeRoleResponse.self, metadata: root)
            let key = EtcdLockUnlockRequest.with { $0.key = Data("m/1".utf8) }
            _ = try await etcd.call(
                "/v3lockpb.Lock/Unlock", key, EtcdLockUnlockResponse.self, metadata: root)
            let status = try await second.status()
            #expect(
                status == RPCStatus(.permissionDenied, "etcdserver: permission denied"))
            try await answers(third)
        }
    }

    @Test("a lease that is not there is refused; without one a lease of a minute is made")
    func leases() async throws {
        try await EtcdHarness.run { etcd in
            var request = EtcdLockLockRequest()
            request.name = Data("m".utf8)
            request.lease = 99
            let status = try await etcd.failure(lockPath, request)
            #expect(status == RPCStatus(.unknown, "etcdserver: requested lease not found"))
            let locked = try await etcd.lock("m", 0)
            let key = try await etcd.range(String(decoding: locked.key, as: UTF8.self))
            let lease = try #require(key.kvs.first?.lease)
            #expect(locked.key == Data("m/\(String(lease, radix: 16))".utf8))
            #expect(
                try await etcd.onLoop { $0.store.leases.lease(lease)?.grantedSeconds } == 60)
        }
    }
}

@Suite("v3electionpb.Election")
struct ElectionServiceTests {
    @Test("campaign, leader, proclaim and resign")
    func terms() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.grant(1)
            try await etcd.grant(2)
            let first = try await etcd.campaign("e", 1, "a").next(
                EtcdElectionCampaignResponse.self)
            #expect(first.leader.key == Data("e/1".utf8) && first.leader.rev == 2)
            #expect(first.leader.name == Data("e".utf8) && first.leader.lease == 1)
            let second = try etcd.campaign("e", 2, "b")
            try await etcd.roundTrip()
            #expect(try await etcd.leaderOf("e").kv.value == Data("a".utf8))

            var proclaim = EtcdElectionProclaimRequest()
            proclaim.leader = first.leader
            proclaim.value = Data("a2".utf8)
            _ = try await etcd.call(
                electionPath + "Proclaim", proclaim, EtcdElectionProclaimResponse.self)
            let shown = try await etcd.leaderOf("e")
            #expect(shown.kv.value == Data("a2".utf8) && shown.kv.createRevision == 2)

            var resign = EtcdElectionResignRequest()
            resign.leader = first.leader
            _ = try await etcd.call(
                electionPath + "Resign", resign, EtcdElectionResignResponse.self)
            let won = try await second.next(EtcdElectionCampaignResponse.self)
            #expect(won.leader.key == Data("e/2".utf8))
            let late = try await etcd.failure(electionPath + "Proclaim", proclaim)
            #expect(late == RPCStatus(.unknown, "election: not leader"))
        }
    }

    @Test("no leader, and no leader key, are said so")
    func nobody() async throws {
        try await EtcdHarness.run { etcd in
            let none = try await etcd.failure(
                electionPath + "Leader", EtcdElectionLeaderRequest())
            #expect(none == RPCStatus(.unknown, "election: no leader"))
            for method in ["Proclaim", "Resign"] {
                let status = try await etcd.failure(
                    electionPath + method, EtcdElectionProclaimRequest())
                #expect(
                    status == RPCStatus(.unknown, "\"leader\" field must be provided"))
            }
        }
    }

    @Test("an observer is told who leads, also where the change was compacted at once")
    func observerBehindCompaction() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.grant(1)
            try await etcd.grant(2)
            _ = try await etcd.campaign("e", 1, "a").next(EtcdElectionCampaignResponse.self)
            _ = try etcd.campaign("e", 2, "b")
            let observer = etcd.stream(electionPath + "Observe")
            try observer.send(
                EtcdElectionLeaderRequest.with { $0.name = Data("e".utf8) })
            observer.halfClose()
            let first = try await observer.next(EtcdElectionLeaderResponse.self)
            #expect(first.kv.value == Data("a".utf8))
            while try await etcd.range("e/2").count == 0 { await Task.yield() }
            try await etcd.onLoop { $0.isBatching = true }
            async let revoked: Void = etcd.revoke(1)
            while try await etcd.onLoop({ $0.batchedCount }) < 1 { await Task.yield() }
            async let written = etcd.put("other")
            while try await etcd.onLoop({ $0.batchedCount }) < 2 { await Task.yield() }
            let revision = try await etcd.onLoop { $0.store.revision.rawValue }
            async let compacted = etcd.failure(
                "/etcdserverpb.KV/Compact",
                EtcdCompactionRequest.with { $0.revision = revision })
            while try await etcd.onLoop({ $0.batchedCount }) < 3 { await Task.yield() }
            try await etcd.onLoop { $0.releaseBatch() }
            try await revoked
            _ = try await (written, compacted)
            let second = try await observer.next(EtcdElectionLeaderResponse.self)
            #expect(second.kv.value == Data("b".utf8))
            #expect(try await observer.pendingCount() == 0)
            observer.cancel()
        }
    }

    @Test("an observer sees each value of each leader, in order")
    func observer() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.grant(1)
            try await etcd.grant(2)
            var request = EtcdElectionLeaderRequest()
            request.name = Data("e".utf8)
            let observer = etcd.stream(electionPath + "Observe")
            try observer.send(request)
            observer.halfClose()
            try await etcd.roundTrip()
            let first = try await etcd.campaign("e", 1, "a").next(
                EtcdElectionCampaignResponse.self)
            _ = try etcd.campaign("e", 2, "b")
            try await etcd.roundTrip()
            var proclaim = EtcdElectionProclaimRequest()
            proclaim.leader = first.leader
            proclaim.value = Data("a2".utf8)
            _ = try await etcd.call(
                electionPath + "Proclaim", proclaim, EtcdElectionProclaimResponse.self)
            try await etcd.revoke(1)
            var seen: [String] = []
            for _ in 0..<3 {
                let response = try await observer.next(EtcdElectionLeaderResponse.self)
                seen.append(String(decoding: response.kv.value, as: UTF8.self))
            }
            #expect(seen == ["a", "a2", "b"])
            #expect(try await observer.pendingCount() == 0)
            observer.cancel()
        }
    }
}
