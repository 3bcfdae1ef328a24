import API
import ControlPlane
import Foundation
import NIOCore
import Primitives
import RPC
import StateMachine
import SwiftProtobuf
import Testing

extension EtcdHarness {
    typealias Metadata = [(name: String, value: String)]

    private static let auth = "/etcdserverpb.Auth/"

    func addUser(_ name: String, as metadata: Metadata = []) async throws {
        var request = EtcdAuthUserAddRequest()
        request.name = name
        request.password = name + "-password"
        _ = try await call(
            Self.auth + "UserAdd", request, EtcdAuthUserAddResponse.self, metadata: metadata)
    }

    func grantRole(_ role: String, to user: String, as metadata: Metadata = []) async throws {
        var request = EtcdAuthUserGrantRoleRequest()
        request.user = user
        request.role = role
        _ = try await call(
            Self.auth + "UserGrantRole", request, EtcdAuthUserGrantRoleResponse.self,
            metadata: metadata)
    }

    func addRole(
        _ name: String, _ kind: EtcdAuthPermission.TypeEnum, _ key: String, to end: String
    ) async throws {
        _ = try await call(
            Self.auth + "RoleAdd", EtcdAuthRoleAddRequest.with { $0.name = name },
            EtcdAuthRoleAddResponse.self)
        var request = EtcdAuthRoleGrantPermissionRequest()
        request.name = name
        request.perm.permType = kind
        request.perm.key = Data(key.utf8)
        request.perm.rangeEnd = Data(end.utf8)
        _ = try await call(
            Self.auth + "RoleGrantPermission", request, EtcdAuthRoleGrantPermissionResponse.self)
    }

    /// The metadata of a user who has logged in.
    func logIn(_ name: String, password: String? = nil) async throws -> Metadata {
        var request = EtcdAuthenticateRequest()
        request.name = name
        request.password = password ?? name + "-password"
        let response = try await call(
            Self.auth + "Authenticate", request, EtcdAuthenticateResponse.self)
        return [("token", response.token)]
    }

    func enableAuth() async throws {
        try await addUser("root")
        try await grantRole("root", to: "root")
        try await addRole("reader", .read, "a", to: "c")
        try await addRole("writer", .write, "a", to: "c")
        for name in ["reader", "writer", "bare"] { try await addUser(name) }
        for name in ["reader", "writer"] { try await grantRole(name, to: name) }
        try await put("a", "1")
        try await put("x", "1")
        _ = try await call(
            Self.auth + "AuthEnable", EtcdAuthEnableRequest(), EtcdAuthEnableResponse.self)
    }

    func putFails(_ key: String, as metadata: Metadata) async throws -> RPCStatus? {
        try await failure(
            "/etcdserverpb.KV/Put", EtcdPutRequest.with { $0.key = Data(key.utf8) },
            metadata: metadata)
    }

    /// How a call with an empty request ends, stream or not; nil: not with a refusal of the gate.
    func ending(
        _ path: String, _ metadata: Metadata
    ) async throws -> RPCStatus? {
        let streams = ["RangeStream", "Observe", "Snapshot"]
        guard streams.contains(where: { path.hasSuffix($0) }) else {
            return try await failure(path, EtcdStatusRequest(), metadata: metadata)
        }
        let stream = self.stream(path, metadata: metadata)
        try stream.send(EtcdStatusRequest())
        stream.halfClose()
        return try await stream.status()
    }
}

@Suite("Auth service and the gate before all others (RELIABILITY A01 to A12)")
struct AuthServiceTests {
    private static let emptyName = RPCStatus(.invalidArgument, "etcdserver: user name is empty")
    private static let badToken = RPCStatus(.unauthenticated, "etcdserver: invalid auth token")
    private static let denied = RPCStatus(.permissionDenied, "etcdserver: permission denied")
    /// The words that etcd's clients look for.
    private static let deniedReason =
        "rpc error: code = PermissionDenied desc = etcdserver: permission denied"
    private static let authFailed = RPCStatus(
        .invalidArgument,
        "etcdserver: authentication failed, invalid user ID or password")

    /// What anybody may call. Streams of requests look at each of them.
    static let open: Set<String> = [
        "/etcdserverpb.Auth/Authenticate", "/etcdserverpb.Auth/AuthStatus",
        "/etcdserverpb.Watch/Watch", "/etcdserverpb.Lease/LeaseKeepAlive",
        "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ]
    /// What takes a user, but not an administrator: written down once more, so that a method that
    /// is added is closed here until somebody has thought about it.
    private static let forUsers: Set<String> = [
        "/etcdserverpb.KV/Range", "/etcdserverpb.KV/RangeStream", "/etcdserverpb.KV/Put",
        "/etcdserverpb.KV/DeleteRange", "/etcdserverpb.KV/Txn", "/etcdserverpb.Lease/LeaseGrant",
        "/etcdserverpb.Lease/LeaseRevoke", "/etcdserverpb.Lease/LeaseTimeToLive",
        "/etcdserverpb.Lease/LeaseLeases", "/etcdserverpb.Cluster/MemberList",
        "/etcdserverpb.Maintenance/Status", "/etcdserverpb.Maintenance/Alarm",
        "/v3lockpb.Lock/Lock", "/v3lockpb.Lock/Unlock", "/v3electionpb.Election/Campaign",
        "/v3electionpb.Election/Proclaim", "/v3electionpb.Election/Leader",
        "/v3electionpb.Election/Resign", "/v3electionpb.Election/Observe",
        "/etcdserverpb.Auth/UserGet", "/etcdserverpb.Auth/RoleGet",
    ]

    @Test("every method refuses who has no token, a made-up one, or not enough rights (A01, A02)")
    func everyMethod() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.enableAuth()
            let user = try await etcd.logIn("bare")
            #expect(etcd.paths.count >= 45)
            for path in etcd.paths where !Self.open.contains(path) {
                #expect(try await etcd.ending(path, []) == Self.emptyName, "\(path)")
                for token in ["", "x", "x.1", "Bearer x.1", String(repeating: "y", count: 4000)] {
                    let status = try await etcd.ending(path, [("token", token)])
                    #expect(status == Self.badToken, "\(path) with token \(token.prefix(9))")
                    let other = try await etcd.ending(path, [("authorization", token)])
                    #expect(other == Self.badToken, "\(path) with authorization")
                }
                if !Self.forUsers.contains(path) {
                    #expect(try await etcd.ending(path, user) == Self.denied, "\(path)")
                }
            }
        }
    }

    @Test("keys are for those whom a role allows: reads, writes, transactions, large and streamed")
    func keys() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.enableAuth()
            let reader = try await etcd.logIn("reader")
            let writer = try await etcd.logIn("writer")
            let root = try await etcd.logIn("root")
            #expect(try await etcd.putFails("a", as: writer) == nil)
            #expect(try await etcd.putFails("a", as: reader) == Self.denied)
            #expect(try await etcd.putFails("x", as: writer) == Self.denied)
            #expect(try await etcd.putFails("x", as: root) == nil)
            for (path, key, end, expected) in [
                ("Range", "a", "", nil), ("Range", "a", "c", nil), ("Range", "a", "d", Self.denied),
                ("Range", "a", "\0", Self.denied), ("Range", "x", "", Self.denied),
                ("Range", "x", "b", Self.denied), ("RangeStream", "a", "\0", Self.denied),
            ] as [(String, String, String, RPCStatus?)] {
                let request = EtcdRangeRequest.with {
                    $0.key = Data(key.utf8)
                    $0.rangeEnd = Data(end.utf8)
                }
                let stream = etcd.stream("/etcdserverpb.KV/" + path, metadata: reader)
                try stream.send(request)
                stream.halfClose()
                let status = try await stream.status()
                #expect(status == expected ?? .ok, "\(path) \(key) to \(end)")
            }
            let txn = EtcdTxnRequest.with {
                $0.success = [.with { $0.requestRange.key = Data("x".utf8) }]
            }
            let status = try await etcd.failure("/etcdserverpb.KV/Txn", txn, metadata: reader)
            #expect(status == Self.denied)
        }
    }

    @Test(
        "a watch of what may not be read is refused; one that loses its right ends first (A07, A08)"
    )
    func watches() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.enableAuth()
            let root = try await etcd.logIn("root")
            let watch = etcd.watch(metadata: try await etcd.logIn("reader"))
            try watch.create("a", end: "\0")
            let refused = try await watch.nextWatch()
            #expect(refused.created && refused.canceled && refused.watchID == -1)
            #expect(refused.cancelReason == Self.deniedReason)
            try watch.create("a", end: "c")
            #expect(try await watch.nextWatch().created)
            #expect(try await etcd.putFails("a", as: root) == nil)
            #expect(try await watch.events(1).count == 1)
            var revocation = EtcdAuthRoleRevokePermissionRequest()
            revocation.role = "reader"
            revocation.key = Data("a".utf8)
            revocation.rangeEnd = Data("c".utf8)
            // One batch: the secret is written behind the revocation.
            try await etcd.onLoop { $0.isBatching = true }
            async let revoked = etcd.failure(
                "/etcdserverpb.Auth/RoleRevokePermission", revocation, metadata: root)
            async let written = etcd.putFails("a", as: root)
            let isDone = { @Sendable in try await etcd.onLoop { $0.batchedCount == 2 } }
            while try await !isDone() { await Task.yield() }
            try await etcd.onLoop { $0.releaseBatch() }
            #expect(try await revoked == nil)
            #expect(try await written == nil)
            let last = try await watch.nextWatch()
            #expect(last.canceled && last.events.isEmpty)
            #expect(last.cancelReason == Self.deniedReason)
        }
    }

    @Test("a stream that was open before authentication was enabled does not outlive it")
    func earlyWatch() async throws {
        try await EtcdHarness.run { etcd in
            let watch = etcd.watch()
            try watch.create("a")
            #expect(try await watch.nextWatch().created)
            try await etcd.enableAuth()
            var last = try await watch.nextWatch()
            while !last.events.isEmpty { last = try await watch.nextWatch() }
            #expect(last.canceled && last.cancelReason.hasSuffix("user name is empty"))
        }
    }

    @Test("a snapshot is for whoever may have it when it is asked for, not when its call began")
    func snapshot() async throws {
        try await EtcdHarness.run { etcd in
            let path = "/etcdserverpb.Maintenance/Snapshot"
            try await etcd.put("a", "1")
            let early = etcd.stream(path)
            try await etcd.settle()
            try await etcd.enableAuth()
            try early.send(EtcdSnapshotRequest())
            #expect(try await early.status() == Self.emptyName)
            let root = try await etcd.logIn("root")
            let late = etcd.stream(path, metadata: root)
            try late.send(EtcdSnapshotRequest())
            #expect(try await late.next(EtcdSnapshotResponse.self).blob.isEmpty == false)
            late.cancel()
        }
    }

    @Test("nobody is judged by what a node that has just started knew when it stopped")
    func startedNode() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.onLoop { $0.readFailure = .timedOut }
            let local = EtcdRangeRequest.with {
                $0.key = Data("a".utf8)
                $0.serializable = true
            }
            let path = "/etcdserverpb.KV/Range"
            #expect(try await etcd.failure(path, local)?.code == .unavailable)
            let snapshot = etcd.stream("/etcdserverpb.Maintenance/Snapshot")
            try snapshot.send(EtcdSnapshotRequest())
            #expect(try await snapshot.status().code == .unavailable)
            // What says how the node is, and nothing of what it holds.
            let status = "/etcdserverpb.Maintenance/Status"
            let old = [("token", "old.1")]
            #expect(try await etcd.failure(status, EtcdStatusRequest(), metadata: old) == nil)
            try await etcd.onLoop { $0.readFailure = nil }
            // Nobody is asked for a token, so an old one does no harm.
            #expect(try await etcd.failure(path, local, metadata: old) == nil)
            // From then on it serves what it has, whether or not it reaches the others.
            try await etcd.onLoop { $0.readFailure = .timedOut }
            #expect(try await etcd.failure(path, local) == nil)
        }
    }

    @Test("a token does not outlive authentication")
    func tokenAfterItsTime() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.enableAuth()
            let root = try await etcd.logIn("root")
            let off = "/etcdserverpb.Auth/AuthDisable", on = "/etcdserverpb.Auth/AuthEnable"
            #expect(try await etcd.failure(off, EtcdAuthDisableRequest(), metadata: root) == nil)
            #expect(try await etcd.failure(on, EtcdAuthEnableRequest(), metadata: root) == nil)
            #expect(try await etcd.putFails("a", as: root) == Self.badToken)
            let again = try await etcd.logIn("root")
            #expect(try await etcd.putFails("a", as: again) == nil)
        }
    }

    @Test("leases: their keys' names are for readers, renewing and ending them for writers (A06)")
    func leases() async throws {
        try await EtcdHarness.run { etcd in
            var grant = EtcdLeaseGrantRequest()
            grant.ttl = 60
            grant.id = 5
            _ = try await etcd.call(
                "/etcdserverpb.Lease/LeaseGrant", grant, EtcdLeaseGrantResponse.self)
            try await etcd.put("secret", "1", lease: 5)
            try await etcd.enableAuth()
            let reader = try await etcd.logIn("reader")
            let service = "/etcdserverpb.Lease/"
            var look = EtcdLeaseTimeToLiveRequest()
            look.id = 5
            let ttl = service + "LeaseTimeToLive"
            #expect(try await etcd.failure(ttl, look, metadata: reader) == nil)
            look.keys = true
            #expect(try await etcd.failure(ttl, look, metadata: reader) == Self.denied)
            let list = EtcdLeaseLeasesRequest()
            let listing = try await etcd.failure(service + "LeaseLeases", list, metadata: reader)
            #expect(listing == Self.denied)
            var revoke = EtcdLeaseRevokeRequest()
            revoke.id = 5
            let ending = try await etcd.failure(service + "LeaseRevoke", revoke, metadata: reader)
            #expect(ending == Self.denied)
            for (metadata, expected) in [
                (reader, Self.denied), ([], Self.emptyName), ([("token", "x.1")], Self.badToken),
            ] as [(EtcdHarness.Metadata, RPCStatus)] {
                let stream = etcd.stream(service + "LeaseKeepAlive", metadata: metadata)
                try stream.send(EtcdLeaseKeepAliveRequest.with { $0.id = 5 })
                #expect(try await stream.status() == expected)
            }
        }
    }

    @Test("a wrong password, no such user and no password at all are answered alike (A11)")
    func logins() async throws {
        try await EtcdHarness.run { etcd in
            let path = "/etcdserverpb.Auth/Authenticate"
            var request = EtcdAuthenticateRequest()
            request.name = "root"
            request.password = "root-password"
            #expect(
                try await etcd.failure(path, request)
                    == RPCStatus(
                        .failedPrecondition, "etcdserver: authentication is not enabled"))
            var passwordless = EtcdAuthUserAddRequest()
            passwordless.name = "cert"
            passwordless.options.noPassword = true
            _ = try await etcd.call(
                "/etcdserverpb.Auth/UserAdd", passwordless, EtcdAuthUserAddResponse.self)
            try await etcd.enableAuth()
            #expect(try await etcd.failure(path, request) == nil)
            for (name, password) in [
                ("root", "root-passwore"), ("root", ""), ("nobody", "x"), ("cert", ""), ("", ""),
            ] {
                request.name = name
                request.password = password
                #expect(try await etcd.failure(path, request) == Self.authFailed, "\(name)")
            }
            request.password = String(repeating: "x", count: 5000)
            #expect(try await etcd.failure(path, request)?.code == .invalidArgument)
        }
    }

    @Test("who guesses passwords is told to wait, and others read and write meanwhile (A12)")
    func guessing() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.enableAuth()
            let root = try await etcd.logIn("root")
            let statuses = try await withThrowingTaskGroup(of: RPCStatus?.self) { group in
                for number in 0..<40 {
                    group.addTask {
                        try await etcd.failure(
                            "/etcdserverpb.Auth/Authenticate",
                            EtcdAuthenticateRequest.with {
                                $0.name = "root"
                                $0.password = "guess \(number)"
                            })
                    }
                }
                for _ in 0..<20 { #expect(try await etcd.putFails("a", as: root) == nil) }
                return try await group.reduce(into: [RPCStatus?]()) { $0.append($1) }
            }
            #expect(statuses.contains(Self.authFailed))
            #expect(
                statuses.contains(RPCStatus(.unknown, "etcdserver: too many requests")))
        }
    }

    @Test("a token counts for its time to live after each use, and is known by its digest only")
    func times() throws {
        var table = TokenTable(timeToLive: .seconds(300))
        let text = TokenText(secret: TokenText.makeSecret(), index: LogIndex(7))
        let token = IssuedToken(digest: text.digest, user: [1], identityRevision: 1)
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        table.add(token, now: start)
        #expect(try #require(TokenText(text.text)).digest == text.digest)
        #expect(table.use(text.secret, now: start) == nil)
        #expect(table.use(text.digest, now: start + .seconds(299)) == token)
        #expect(table.use(text.digest, now: start + .seconds(598)) == token)
        #expect(table.use(text.digest, now: start + .seconds(898)) == nil)
        #expect(table.use(text.digest, now: start + .seconds(300)) == nil)
        for number in 0...TokenTable.tokensMax {
            let digest = withUnsafeBytes(of: number) { Array($0) }
            let token = IssuedToken(digest: digest, user: [1], identityRevision: 1)
            table.add(token, now: start + .nanoseconds(Int64(number)))
        }
        #expect(table.count == TokenTable.tokensMax)
        let first = withUnsafeBytes(of: 0) { Array($0) }
        #expect(table.use(first, now: start + .seconds(1)) == nil)
    }

    @Test("a token ends with its user's password, and with its user")
    func tokens() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.enableAuth()
            var root = try await etcd.logIn("root")
            let second = try await etcd.logIn("writer")
            var change = EtcdAuthUserChangePasswordRequest()
            change.name = "writer"
            change.password = "other"
            let path = "/etcdserverpb.Auth/UserChangePassword"
            root = try await etcd.logIn("root")
            #expect(try await etcd.failure(path, change, metadata: root) == nil)
            #expect(try await etcd.putFails("a", as: second) == Self.badToken)
            let third = try await etcd.logIn("writer", password: "other")
            #expect(try await etcd.putFails("a", as: third) == nil)
            root = try await etcd.logIn("root")
            let deletion = EtcdAuthUserDeleteRequest.with { $0.name = "writer" }
            let deleting = "/etcdserverpb.Auth/UserDelete"
            #expect(try await etcd.failure(deleting, deletion, metadata: root) == nil)
            #expect(try await etcd.putFails("a", as: third) == Self.badToken)
        }
    }

    @Test("users see themselves and their roles, and nobody else's")
    func looking() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.enableAuth()
            let reader = try await etcd.logIn("reader")
            let service = "/etcdserverpb.Auth/"
            let own = try await etcd.call(
                service + "UserGet", EtcdAuthUserGetRequest.with { $0.name = "reader" },
                EtcdAuthUserGetResponse.self, metadata: reader)
            #expect(own.roles == ["reader"])
            let role = try await etcd.call(
                service + "RoleGet", EtcdAuthRoleGetRequest.with { $0.role = "reader" },
                EtcdAuthRoleGetResponse.self, metadata: reader)
            #expect(role.perm.map(\.permType) == [.read] && role.perm[0].rangeEnd == Data("c".utf8))
            for name in ["root", "nobody"] {
                let user = EtcdAuthUserGetRequest.with { $0.name = name }
                let role = EtcdAuthRoleGetRequest.with { $0.role = name }
                let refused = try await etcd.failure(service + "UserGet", user, metadata: reader)
                #expect(refused == Self.denied)
                let other = try await etcd.failure(service + "RoleGet", role, metadata: reader)
                #expect(other == Self.denied)
            }
        }
    }
}
