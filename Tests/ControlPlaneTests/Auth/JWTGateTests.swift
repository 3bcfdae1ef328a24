import API
import ControlPlane
import Foundation
import NIOCore
import Primitives
import RPC
import StateMachine
import SwiftProtobuf
import Testing

@Suite("Signed tokens at the gate before all methods (RELIABILITY A01 to A09)")
struct JWTGateTests {
    private static let badToken = RPCStatus(.unauthenticated, "etcdserver: invalid auth token")
    private static let emptyName = RPCStatus(.invalidArgument, "etcdserver: user name is empty")
    private static let header = #"{"alg":"HS256","typ":"JWT"}"#
    private static let auth = "/etcdserverpb.Auth/"

    /// A server whose tokens are signed with a secret that the test knows.
    private func run(
        _ body: (EtcdHarness, _ secret: String) async throws -> Void
    ) async throws {
        let files = try TokenFiles()
        let secret = try KeyTexts(.hs256).secret
        let path = try files.write("secret", secret)
        var options = EtcdServicesOptions()
        options.tokenKeys = try TokenFiles.open("jwt,sign-method=HS256,priv-key=\(path)")
        try await EtcdHarness.run(options: options) { try await body($0, secret) }
    }

    private func token(
        _ claims: String, _ secret: String, _ header: String = header
    ) -> EtcdHarness.Metadata {
        [("token", Forge.token(header, claims, Forge.mac(secret)))]
    }

    private func revision(_ etcd: EtcdHarness) async throws -> UInt64 {
        try await etcd.onLoop { $0.store.auth.revision }
    }

    @Test("every method refuses none, an expired, forged, claimless, overlong or other token (A01)")
    func everyMethod() async throws {
        try await run { etcd, secret in
            try await etcd.enableAuth()
            let now = try await revision(etcd)
            let right = Forge.claims("root", revision: now)
            let old = Forge.claims("root", revision: now, expires: Forge.past)
            let announced = TokenText(secret: TokenText.makeSecret(), index: LogIndex(1)).text
            let refused: [(String, EtcdHarness.Metadata)] = [
                ("expired", token(old, secret)),
                ("forged", token(right, secret + "x")),
                ("unsigned", [("token", Forge.token(#"{"alg":"none"}"#, right) { _ in [] })]),
                ("other algorithm", token(right, secret, #"{"alg":"HS512","typ":"JWT"}"#)),
                ("no algorithm", token(right, secret, #"{"alg":"none","typ":"JWT"}"#)),
                ("no claims", token("{}", secret)),
                ("no end", token(#"{"username":"root","revision":1}"#, secret)),
                ("nobody", token(Forge.claims("nobody", revision: now), secret)),
                ("before its user", token(Forge.claims("root", revision: 0), secret)),
                ("from the future", token(Forge.claims("root", revision: now + 1), secret)),
                ("overlong", [("token", String(repeating: "YWFh", count: 4000) + ".YQ.YQ")]),
                ("an announced one", [("token", announced)]), ("a word", [("token", "x")]),
            ]
            #expect(etcd.paths.count >= 45)
            for path in etcd.paths where !AuthServiceTests.open.contains(path) {
                #expect(try await etcd.ending(path, []) == Self.emptyName, "\(path)")
                for (name, metadata) in refused {
                    let status = try await etcd.ending(path, metadata)
                    #expect(status == Self.badToken, "\(path), \(name)")
                    let other = [(name: "authorization", value: "Bearer " + metadata[0].value)]
                    let again = try await etcd.ending(path, other)
                    #expect(again == Self.badToken, "\(path), \(name) as a bearer")
                }
            }
            let fine = token(right, secret)
            #expect(try await etcd.putFails("x", as: fine) == nil)
            let bearer = [(name: "authorization", value: "Bearer " + fine[0].value)]
            #expect(try await etcd.putFails("x", as: bearer) == nil)
        }
    }

    @Test("streams whose messages are judged one by one refuse a forged token, too")
    func streams() async throws {
        try await run { etcd, secret in
            try await etcd.enableAuth()
            let forged = token(Forge.claims("root"), "no secret")
            let lease = etcd.stream("/etcdserverpb.Lease/LeaseKeepAlive", metadata: forged)
            try lease.send(EtcdLeaseKeepAliveRequest.with { $0.id = 5 })
            #expect(try await lease.status() == Self.badToken)
            let watch = etcd.watch(metadata: forged)
            try watch.create("a")
            let refused = try await watch.nextWatch()
            #expect(refused.canceled && refused.cancelReason.hasSuffix("invalid auth token"))
            let right = Forge.claims("reader", revision: try await revision(etcd))
            let fine = etcd.watch(metadata: token(right, secret))
            try fine.create("a", end: "c")
            #expect(try await fine.nextWatch().created)
        }
    }

    @Test("who logs in gets a token that works; nothing is proposed for it")
    func logIn() async throws {
        try await run { etcd, _ in
            try await etcd.enableAuth()
            let before = try await etcd.onLoop { $0.appliedIndex }
            let writer = try await etcd.logIn("writer")
            #expect(try await etcd.onLoop { $0.appliedIndex } == before)
            #expect(writer[0].value.split(separator: ".").count == 3)
            #expect(try await etcd.putFails("a", as: writer) == nil)
            let denied = RPCStatus(.permissionDenied, "etcdserver: permission denied")
            #expect(try await etcd.putFails("x", as: writer) == denied)
            for (name, password) in [("writer", "wrong"), ("nobody", "x")] {
                let request = EtcdAuthenticateRequest.with {
                    $0.name = name
                    $0.password = password
                }
                let status = try await etcd.failure(Self.auth + "Authenticate", request)
                #expect(status?.message.contains("authentication failed") == true)
            }
            // A token that counts no more is no obstacle to another.
            let request = EtcdAuthenticateRequest.with {
                $0.name = "writer"
                $0.password = "writer-password"
            }
            let stale = [(name: "token", value: "YQ.YQ.YQ")]
            let again = try await etcd.failure(
                Self.auth + "Authenticate", request, metadata: stale)
            #expect(again == nil)
        }
    }

    @Test("a token ends with the password it was given for, with its user, and with authentication")
    func identities() async throws {
        try await run { etcd, secret in
            try await etcd.enableAuth()
            let root = try await etcd.logIn("root")
            var writer = try await etcd.logIn("writer")
            // Other rights are not another identity.
            try await etcd.grantRole("reader", to: "writer", as: root)
            #expect(try await etcd.putFails("a", as: writer) == nil)
            let change = EtcdAuthUserChangePasswordRequest.with {
                $0.name = "writer"
                $0.password = "other"
            }
            let changing = Self.auth + "UserChangePassword"
            #expect(try await etcd.failure(changing, change, metadata: root) == nil)
            #expect(try await etcd.putFails("a", as: writer) == Self.badToken)
            writer = try await etcd.logIn("writer", password: "other")
            #expect(try await etcd.putFails("a", as: writer) == nil)
            let deletion = EtcdAuthUserDeleteRequest.with { $0.name = "writer" }
            let deleting = Self.auth + "UserDelete"
            #expect(try await etcd.failure(deleting, deletion, metadata: root) == nil)
            #expect(try await etcd.putFails("a", as: writer) == Self.badToken)
            try await etcd.addUser("writer", as: root)
            try await etcd.grantRole("writer", to: "writer", as: root)
            #expect(try await etcd.putFails("a", as: writer) == Self.badToken)

            let off = Self.auth + "AuthDisable", on = Self.auth + "AuthEnable"
            #expect(try await etcd.failure(off, EtcdAuthDisableRequest(), metadata: root) == nil)
            #expect(try await etcd.putFails("a", as: writer) == nil, "nobody is asked for a token")
            #expect(try await etcd.failure(on, EtcdAuthEnableRequest(), metadata: root) == nil)
            #expect(try await etcd.putFails("a", as: root) == Self.badToken)
            let again = try await etcd.logIn("root")
            #expect(try await etcd.putFails("a", as: again) == nil)
        }
    }

    @Test("a password that changes while it is checked gives no token that anybody takes")
    func changedMeanwhile() async throws {
        try await run { etcd, _ in
            try await etcd.enableAuth()
            let request = EtcdAuthenticateRequest.with {
                $0.name = "writer"
                $0.password = "writer-password"
            }
            let other = AuthCommand.changePassword(Array("writer".utf8), hash: [1]).encode()
            try await etcd.onLoop { node in
                node.onRead = {
                    // Behind the read, and long before a hash is ready.
                    node.eventLoop.execute {
                        node.propose(.auth, proposedID: 0, body: other, as: .node) { _ in }
                    }
                }
            }
            let status = try await etcd.failure(Self.auth + "Authenticate", request)
            let old = status?.message.contains("revision of auth store is old")
            #expect(old == true)
        }
    }

    @Test("a member that is behind the one that signed catches up before it refuses")
    func behind() async throws {
        try await run { etcd, secret in
            try await etcd.enableAuth()
            let now = try await revision(etcd)
            let ahead = token(Forge.claims("root", revision: now + 1), secret)
            #expect(try await etcd.putFails("a", as: ahead) == Self.badToken)
            let role = AuthCommand.addRole(Array("news".utf8)).encode()
            try await etcd.onLoop { node in
                node.onRead = {
                    node.propose(.auth, proposedID: 0, body: role, as: .node) { _ in }
                }
            }
            #expect(try await etcd.putFails("a", as: ahead) == nil)
        }
    }

    @Test("a node that has just started judges no token by what it knew when it stopped")
    func startedNode() async throws {
        try await run { etcd, secret in
            let table = [
                AuthCommand.addUser(Array("root".utf8), hash: [1]),
                .grantRole(Array("root".utf8), to: Array("root".utf8)), .enable,
            ]
            try await etcd.onLoop { node in
                for command in table {
                    node.propose(.auth, proposedID: 0, body: command.encode(), as: .node) { _ in }
                }
                node.readFailure = .timedOut
            }
            let known = token(Forge.claims("root", revision: try await revision(etcd)), secret)
            let range = EtcdRangeRequest.with {
                $0.key = Data("a".utf8)
                $0.serializable = true
            }
            let path = "/etcdserverpb.KV/Range"
            let status = try await etcd.failure(path, range, metadata: known)
            #expect(status?.code == .unavailable)
            // The others have changed the password meanwhile.
            let change = AuthCommand.changePassword(Array("root".utf8), hash: [2]).encode()
            try await etcd.onLoop { node in
                node.readFailure = nil
                node.onRead = {
                    node.propose(.auth, proposedID: 0, body: change, as: .node) { _ in }
                }
            }
            #expect(try await etcd.failure(path, range, metadata: known) == Self.badToken)
        }
    }

    @Test("a member with a public key alone takes tokens and gives none")
    func verifyOnly() async throws {
        let files = try TokenFiles()
        let signing = try files.pair(.es256)
        var options = EtcdServicesOptions()
        let flag = "jwt,sign-method=ES256,pub-key=\(files.path("key.pub"))"
        options.tokenKeys = try TokenFiles.open(flag)
        try await EtcdHarness.run(options: options) { etcd in
            try await etcd.enableAuth()
            let request = EtcdAuthenticateRequest.with {
                $0.name = "root"
                $0.password = "root-password"
            }
            let status = try await etcd.failure(Self.auth + "Authenticate", request)
            let words = "auth: token signing attempted with verify-only key"
            #expect(status == RPCStatus(.unknown, words))
            let claims = JWTClaims(
                user: Array("root".utf8), revision: try await revision(etcd),
                expiresAt: Double(Forge.future))
            let text = try #require(try JSONWebToken.make(claims, signing.current().keys))
            #expect(try await etcd.putFails("x", as: [("token", text)]) == nil)
        }
    }

    @Test("keys are read again when their file changes; a file that cannot be used changes nothing")
    func reload() async throws {
        let files = try TokenFiles()
        let secret = try KeyTexts(.hs256).secret, other = try KeyTexts(.hs256).secret
        let path = try files.write("secret", secret)
        var options = EtcdServicesOptions()
        let keys = try TokenFiles.open("jwt,sign-method=HS256,priv-key=\(path)")
        options.tokenKeys = keys
        try await EtcdHarness.run(options: options) { etcd in
            try await etcd.enableAuth()
            let claims = Forge.claims("root", revision: try await revision(etcd))
            let before = token(claims, secret), after = token(claims, other)
            #expect(try await etcd.putFails("x", as: before) == nil)
            #expect(try await etcd.putFails("x", as: after) == Self.badToken)
            try files.write("secret", "short")
            let patience = ContinuousClock.now + .milliseconds(2500)
            while ContinuousClock.now < patience {
                #expect(try await etcd.putFails("x", as: before) == nil)
            }
            #expect(keys.current().version == 0)
            try files.write("secret", other)
            let limit = ContinuousClock.now + .seconds(20)
            while try await etcd.putFails("x", as: after) != nil, ContinuousClock.now < limit {}
            #expect(try await etcd.putFails("x", as: after) == nil)
            #expect(try await etcd.putFails("x", as: before) == Self.badToken)
            #expect(keys.current().version == 1)
        }
    }

    @Test("a token is over when its time to live is, however often it is used")
    func timeToLive() async throws {
        let files = try TokenFiles()
        let secret = try files.write("secret", try KeyTexts(.hs256).secret)
        var options = EtcdServicesOptions()
        options.tokenKeys = try TokenFiles.open("jwt,sign-method=HS256,priv-key=\(secret),ttl=2s")
        try await EtcdHarness.run(options: options) { etcd in
            try await etcd.enableAuth()
            let root = try await etcd.logIn("root")
            let begin = ContinuousClock.now
            #expect(try await etcd.putFails("x", as: root) == nil)
            while try await etcd.putFails("x", as: root) == nil {
                guard ContinuousClock.now < begin + .seconds(20) else { break }
            }
            #expect(try await etcd.putFails("x", as: root) == Self.badToken)
            #expect(ContinuousClock.now - begin < .seconds(6))
        }
    }

    @Test("many calls with one new token wait for one verification, and all pass")
    func together() async throws {
        let files = try TokenFiles()
        var options = EtcdServicesOptions()
        options.tokenKeys = try files.pair(.es512)
        try await EtcdHarness.run(options: options) { etcd in
            try await etcd.enableAuth()
            let root = try await etcd.logIn("root")
            let failures = try await withThrowingTaskGroup(of: RPCStatus?.self) { group in
                for _ in 0..<90 {
                    group.addTask { try await etcd.putFails("x", as: root) }
                }
                return try await group.reduce(into: [RPCStatus]()) { all, status in
                    if let status { all.append(status) }
                }
            }
            #expect(failures.isEmpty)
        }
    }
}
