import API
import ControlPlane
import Foundation
import FoundationNetworking
import NIOCore
import Primitives
import RPC
import StateMachine
import SwiftProtobuf
import Testing

@Suite("Lease service (ETCD §1, Lease)")
struct LeaseServiceTests {
    private let path = "/etcdserverpb.Lease/"

    private func grant(_ etcd: EtcdHarness, _ seconds: Int64, id: Int64 = 0) async throws
        -> EtcdLeaseGrantResponse
    {
        var request = EtcdLeaseGrantRequest()
        request.ttl = seconds
        request.id = id
        return try await etcd.call(path + "LeaseGrant", request, EtcdLeaseGrantResponse.self)
    }

    @Test("a grant keeps the client's id or picks a positive one, and raises a short TTL")
    func grants() async throws {
        try await EtcdHarness.run { etcd in
            let chosen = try await grant(etcd, 60, id: 7)
            #expect(chosen.id == 7 && chosen.ttl == 60 && chosen.header.revision == 1)
            let picked = try await grant(etcd, 1)
            #expect(picked.id > 0 && picked.ttl == 2)
            var again = EtcdLeaseGrantRequest()
            again.id = 7
            again.ttl = 5
            #expect(
                try await etcd.failure(path + "LeaseGrant", again)
                    == RPCStatus(.failedPrecondition, "etcdserver: lease already exists"))
            again.id = 8
            again.ttl = 9_000_000_001
            #expect(
                try await etcd.failure(path + "LeaseGrant", again)
                    == RPCStatus(.outOfRange, "etcdserver: too large lease TTL"))
        }
    }

    @Test("a revoked lease takes its keys along in one revision; an unknown one is not found")
    func revocation() async throws {
        try await EtcdHarness.run { etcd in
            _ = try await grant(etcd, 60, id: 7)
            try await etcd.put("a", "1", lease: 7)
            try await etcd.put("b", "1", lease: 7)
            var request = EtcdLeaseRevokeRequest()
            request.id = 7
            let done = try await etcd.call(
                path + "LeaseRevoke", request, EtcdLeaseRevokeResponse.self)
            #expect(done.header.revision == 4)
            let found = try await etcd.range("a", end: "c")
            #expect(found.kvs.isEmpty)
            #expect(
                try await etcd.failure(path + "LeaseRevoke", request)
                    == RPCStatus(.notFound, "etcdserver: requested lease not found"))
        }
    }

    @Test("a keep-alive answers each request with the lease's id, 0 seconds for an unknown lease")
    func keepAlive() async throws {
        try await EtcdHarness.run { etcd in
            _ = try await grant(etcd, 60, id: 7)
            let stream = etcd.stream(path + "LeaseKeepAlive")
            for id: Int64 in [7, 9, 7] {
                var request = EtcdLeaseKeepAliveRequest()
                request.id = id
                try stream.send(request)
            }
            stream.halfClose()
            var answers: [[Int64]] = []
            for _ in 0..<3 {
                let answer = try await stream.next(EtcdLeaseKeepAliveResponse.self)
                #expect(answer.header.revision == 1)
                answers.append([answer.id, answer.ttl])
            }
            #expect(answers == [[7, 60], [9, 0], [7, 60]])
            #expect(try await stream.status().isOK)
        }
    }

    @Test("time to live tells what is left, the grant and the keys; -1 where there is no lease")
    func timeToLive() async throws {
        try await EtcdHarness.run { etcd in
            _ = try await grant(etcd, 60, id: 7)
            try await etcd.put("b", "1", lease: 7)
            try await etcd.put("a", "1", lease: 7)
            var request = EtcdLeaseTimeToLiveRequest()
            request.id = 7
            request.keys = true
            let known = try await etcd.call(
                path + "LeaseTimeToLive", request, EtcdLeaseTimeToLiveResponse.self)
            #expect(known.ttl >= 50 && known.ttl <= 60 && known.grantedTtl == 60)
            #expect(known.keys == [Data("a".utf8), Data("b".utf8)])
            request.id = 8
            let unknown = try await etcd.call(
                path + "LeaseTimeToLive", request, EtcdLeaseTimeToLiveResponse.self)
            #expect(unknown.ttl == -1 && unknown.id == 8 && unknown.grantedTtl == 0)
            let all = try await etcd.call(
                path + "LeaseLeases", EtcdLeaseLeasesRequest(), EtcdLeaseLeasesResponse.self)
            #expect(all.leases.map(\.id) == [7])
        }
    }
}

@Suite("Cluster, maintenance and health services (ETCD §1)")
struct OtherServicesTests {
    @Test("members are listed with a header at revision zero")
    func memberList() async throws {
        try await EtcdHarness.run { etcd in
            for linearizable in [false, true] {
                var request = EtcdMemberListRequest()
                request.linearizable = linearizable
                let list = try await etcd.call(
                    "/etcdserverpb.Cluster/MemberList", request, EtcdMemberListResponse.self)
                #expect(list.header.revision == 0 && list.header.memberID != 0)
                #expect(list.members.map(\.clientUrls) == [["http://localhost:2379"]])
            }
        }
    }

    @Test("the status names version, leader, indexes and troubles")
    func status() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.put("a", "1")
            let path = "/etcdserverpb.Maintenance/Status"
            let status = try await etcd.call(path, EtcdStatusRequest(), EtcdStatusResponse.self)
            #expect(status.version == "3.7.0" && status.leader == status.header.memberID)
            #expect(status.header.revision == 2 && status.raftAppliedIndex == 1)
            #expect(status.dbSize > 0 && status.errors.isEmpty && status.hasDowngradeInfo)
            try await etcd.onLoop { $0.leader = nil }
            let alone = try await etcd.call(path, EtcdStatusRequest(), EtcdStatusResponse.self)
            #expect(alone.leader == 0 && alone.errors == ["etcdserver: no leader"])
        }
    }

    @Test("an alarm is raised, listed, refuses what it must, and is lowered")
    func alarms() async throws {
        try await EtcdHarness.run { etcd in
            let path = "/etcdserverpb.Maintenance/Alarm"
            var alarm = EtcdAlarmRequest()
            alarm.action = .activate
            alarm.memberID = 5
            alarm.alarm = .nospace
            let raised = try await etcd.call(path, alarm, EtcdAlarmResponse.self)
            #expect(raised.alarms.map(\.memberID) == [5])
            let listed = try await etcd.call(path, EtcdAlarmRequest(), EtcdAlarmResponse.self)
            #expect(listed.alarms == raised.alarms)
            var put = EtcdPutRequest()
            put.key = Data("a".utf8)
            #expect(
                try await etcd.failure("/etcdserverpb.KV/Put", put)
                    == RPCStatus(.resourceExhausted, "etcdserver: mvcc: database space exceeded"))
            alarm.action = .deactivate
            let lowered = try await etcd.call(path, alarm, EtcdAlarmResponse.self)
            #expect(lowered.alarms == raised.alarms)
            #expect(try await etcd.failure("/etcdserverpb.KV/Put", put) == nil)
        }
    }

    @Test("two nodes with the same history have one hash, and another key gives another")
    func hashes() async throws {
        func hash(_ writes: [String], at revision: Int64) async throws -> EtcdHashKVResponse {
            var found = EtcdHashKVResponse()
            try await EtcdHarness.run { etcd in
                for key in writes { try await etcd.put(key, "v") }
                var request = EtcdHashKVRequest()
                request.revision = revision
                found = try await etcd.call(
                    "/etcdserverpb.Maintenance/HashKV", request, EtcdHashKVResponse.self)
            }
            return found
        }
        let one = try await hash(["a", "b", "c"], at: 3)
        let other = try await hash(["a", "b", "d", "e"], at: 3)
        let third = try await hash(["a", "x"], at: 3)
        #expect(one.hash == other.hash && one.hash != third.hash)
        #expect(one.hashRevision == 3 && one.header.revision == 4)
    }

    @Test("defragmenting answers at once and without a header")
    func defragment() async throws {
        try await EtcdHarness.run { etcd in
            let path = "/etcdserverpb.Maintenance/Defragment"
            let done = try await etcd.call(
                path, EtcdDefragmentRequest(), EtcdDefragmentResponse.self)
            #expect(!done.hasHeader)
        }
    }

    @Test("authentication is off")
    func authenticationIsOff() async throws {
        try await EtcdHarness.run { etcd in
            let auth = try await etcd.call(
                "/etcdserverpb.Auth/AuthStatus", EtcdAuthStatusRequest(),
                EtcdAuthStatusResponse.self)
            #expect(!auth.enabled && auth.authRevision == 1)
        }
    }

    @Test("gRPC health: the server as a whole serves, a name of a service is not known")
    func health() async throws {
        try await EtcdHarness.run { etcd in
            let path = "/grpc.health.v1.Health/"
            let answer = try await etcd.call(
                path + "Check", GRPCHealthCheckRequest(), GRPCHealthCheckResponse.self)
            #expect(answer.status == .serving)
            var named = GRPCHealthCheckRequest()
            named.service = "kv"
            #expect(try await etcd.failure(path + "Check", named)?.code == .notFound)
            let watch = etcd.stream(path + "Watch")
            try watch.send(GRPCHealthCheckRequest())
            #expect(try await watch.next(GRPCHealthCheckResponse.self).status == .serving)
            try await etcd.onLoop { $0.observer?.stopping() }
            #expect(try await watch.next(GRPCHealthCheckResponse.self).status == .notServing)
        }
    }
}

@Suite("HTTP endpoints (ETCD §1, HTTP)")
struct HTTPEndpointTests {
    private func get(
        _ etcd: EtcdHarness, _ uri: String, method: String = "GET"
    ) async throws -> (status: Int, body: String) {
        var request = URLRequest(
            url: try #require(URL(string: "http://127.0.0.1:\(etcd.port)\(uri)")))
        request.httpMethod = method
        let (data, response) = try await URLSession.shared.data(for: request)
        return (
            (response as? HTTPURLResponse)?.statusCode ?? 0, String(decoding: data, as: UTF8.self)
        )
    }

    @Test("health is true, false with its reason, and knows serializable and exclude")
    func health() async throws {
        try await EtcdHarness.run { etcd in
            #expect(try await get(etcd, "/health") == (200, #"{"health":"true","reason":""}"#))
            try await etcd.onLoop { $0.leader = nil }
            #expect(
                try await get(etcd, "/health")
                    == (503, #"{"health":"false","reason":"RAFT NO LEADER"}"#))
            #expect(try await get(etcd, "/health?serializable=true").status == 200)
            try await etcd.onLoop { node in
                node.leader = node.memberID
                node.spaceShortage = "the disk is full"
            }
            #expect(
                try await get(etcd, "/health")
                    == (503, #"{"health":"false","reason":"DISK FULL"}"#))
            #expect(try await get(etcd, "/health?serializable=true").status == 200)
            try await etcd.onLoop { node in
                node.spaceShortage = nil
                node.leader = node.memberID
                let raise = AlarmRequest(.activate, member: NodeID(5), kind: .noSpace)
                node.propose(.alarm, proposedID: 0, body: raise.encode(), as: .node) { _ in }
            }
            #expect(
                try await get(etcd, "/health")
                    == (503, #"{"health":"false","reason":"ALARM NOSPACE"}"#))
            #expect(try await get(etcd, "/health?exclude=NOSPACE").status == 200)
            try await etcd.onLoop { $0.readFailure = .timedOut }
            #expect(
                try await get(etcd, "/health?exclude=NOSPACE")
                    == (
                        503,
                        #"{"health":"false","reason":"RANGE ERROR:etcdserver: request timed out"}"#
                    )
            )
            #expect(try await get(etcd, "/health", method: "POST").status == 405)
        }
    }

    @Test("version has three plain numbers, and strangers are not found")
    func version() async throws {
        try await EtcdHarness.run { etcd in
            let version = try await get(etcd, "/version")
            #expect(
                version
                    == (200, #"{"etcdserver":"3.7.0","etcdcluster":"3.7.0","storage":"3.7.0"}"#))
            #expect(try await get(etcd, "/nothing").status == 404)
        }
    }

    @Test("livez and readyz say ok, single checks can be asked for, verbose lists them")
    func probes() async throws {
        try await EtcdHarness.run { etcd in
            #expect(try await get(etcd, "/livez") == (200, "ok"))
            #expect(try await get(etcd, "/readyz/linearizable_read") == (200, "ok"))
            #expect(try await get(etcd, "/livez/linearizable_read").status == 404)
            try await etcd.onLoop { $0.leader = nil }
            #expect(try await get(etcd, "/livez").status == 200)
            let failing = try await get(etcd, "/readyz?verbose")
            #expect(failing.status == 503)
            #expect(failing.body.contains("[-]linearizable_read failed: etcdserver: no leader"))
            #expect(failing.body.contains("[+]serializable_read ok"))
            #expect(try await get(etcd, "/readyz?exclude=linearizable_read").status == 200)
        }
    }

    @Test(
        "every line of the metrics page is a comment or a name and a number, each name typed once")
    func metrics() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.put("a", "1")
            let page = try await get(etcd, "/metrics")
            var typed: [String] = []
            for line in page.body.split(separator: "\n") {
                if line.hasPrefix("# TYPE ") {
                    typed.append(String(line.split(separator: " ")[2]))
                } else if !line.hasPrefix("#") {
                    let value = try #require(line.split(separator: " ").last)
                    #expect(Double(value) != nil, "\(line)")
                }
            }
            #expect(typed.count == Set(typed).count)
            for line in [
                "etcd_server_has_leader 1", "etcd_mvcc_put_total 1",
                "etcd_debugging_mvcc_keys_total 1",
                "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 0",
            ] {
                #expect(page.body.contains("\n\(line)\n"), "\(line)")
            }
            #expect(page.body.contains("process_resident_memory_bytes"))
        }
    }
}
