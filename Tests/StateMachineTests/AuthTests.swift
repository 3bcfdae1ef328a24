import Primitives
import StateMachine
import Testing

extension StoreDriver {
    @discardableResult
    func auth(_ command: AuthCommand, as principal: Principal = .anonymous) -> Applied {
        apply(.auth, command.encode(), as: principal)
    }

    @discardableResult
    func apply(_ kind: CommandKind, _ body: [UInt8], as principal: Principal) -> Applied {
        sequence += 1
        var header = CommandHeader(
            kind: kind,
            request: RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: sequence))
        header.principal = principal
        header.proposedID = 1
        return apply(payload: Command.encode(header, body: body))
    }

    /// A user who is found to be one now.
    func principal(_ name: String) -> Principal {
        .user(bytes(name), authRevision: store.auth.revision)
    }

    /// A user with one role of the same name, which has these permissions.
    func addUser(_ name: String, _ permissions: [KeyPermission]) {
        auth(.addUser(bytes(name), hash: [1]), as: principal("root"))
        auth(.addRole(bytes(name)), as: principal("root"))
        for permission in permissions {
            auth(.grantPermission(permission, to: bytes(name)), as: principal("root"))
        }
        auth(.grantRole(bytes(name), to: bytes(name)), as: principal("root"))
    }

    func enableAuth() {
        auth(.addUser(bytes("root"), hash: [1]))
        auth(.grantRole(bytes("root"), to: bytes("root")))
        #expect(auth(.enable).error == nil)
    }
}

extension KeyPermission {
    init(_ kind: PermissionKind, _ key: String, to end: String = "") {
        self.init(kind: kind, key: bytes(key), rangeEnd: bytes(end))
    }
}

@Suite("Users, roles and permissions: how they change (ETCD §1, errors)")
struct AuthTests {
    private func tokenFor(_ name: String, _ revision: UInt64) -> AuthCommand {
        .issueToken(IssuedToken(digest: [1], user: bytes(name), identityRevision: revision))
    }

    @Test("it is enabled only with a user root who has the role root, and that changes no revision")
    func enabling() {
        let driver = StoreDriver()
        #expect(driver.auth(.enable).error == .rootUserMissing)
        driver.auth(.addUser(bytes("root"), hash: [1]))
        #expect(driver.auth(.enable).error == .rootRoleMissing)
        driver.auth(.grantRole(bytes("root"), to: bytes("root")))
        let revision = driver.store.auth.revision
        #expect(revision == 3)
        #expect(driver.auth(.enable).error == nil)
        #expect(driver.store.auth.isEnabled && driver.store.auth.revision == revision)
        #expect(driver.auth(.enable, as: driver.principal("root")).error == nil)
        #expect(driver.auth(.disable).error == .userNameEmpty)
        #expect(driver.auth(.disable, as: driver.principal("root")).error == nil)
        #expect(!driver.store.auth.isEnabled && driver.store.auth.revision == revision + 1)
        #expect(driver.store.revision == Revision(1))
    }

    @Test("what is there twice, or not there, is said in etcd's words and changes nothing")
    func refusals() {
        let driver = StoreDriver()
        driver.auth(.addUser(bytes("u"), hash: [1]))
        driver.auth(.addRole(bytes("r")))
        let before = driver.store.auth
        let refusals: [(AuthCommand, StoreError)] = [
            (.addUser([], hash: [1]), .userNameEmpty),
            (.addUser(bytes("u"), hash: [1]), .userExists),
            (.deleteUser(bytes("x")), .userNotFound),
            (.changePassword(bytes("x"), hash: [1]), .userNotFound),
            (.grantRole(bytes("r"), to: bytes("x")), .userNotFound),
            (.grantRole(bytes("x"), to: bytes("u")), .roleNotFound),
            (.revokeRole(bytes("r"), from: bytes("x")), .userNotFound),
            (.revokeRole(bytes("r"), from: bytes("u")), .roleNotGranted),
            (.addRole([]), .roleNameEmpty),
            (.addRole(bytes("r")), .roleExists),
            (.deleteRole(bytes("x")), .roleNotFound),
            (.grantPermission(KeyPermission(.read, "a"), to: bytes("x")), .roleNotFound),
            (.grantPermission(KeyPermission(.read, ""), to: bytes("r")), .invalidAuthManagement),
            (
                .grantPermission(KeyPermission(.read, "b", to: "a"), to: bytes("r")),
                .invalidAuthManagement
            ),
            (.revokePermission(key: [97], rangeEnd: [], from: bytes("x")), .roleNotFound),
            (.revokePermission(key: [97], rangeEnd: [], from: bytes("r")), .permissionNotGranted),
            (tokenFor("u", 2), .authNotEnabled),
        ]
        for (command, error) in refusals {
            #expect(driver.auth(command).error == error, "\(command)")
            #expect(driver.store.auth == before)
        }
    }

    @Test("while it is on, the user root stays, and so do the role root and its grant")
    func rootStays() {
        let driver = StoreDriver()
        driver.enableAuth()
        let root = driver.principal("root")
        for command in [
            AuthCommand.deleteUser(bytes("root")), .deleteRole(bytes("root")),
            .revokeRole(bytes("root"), from: bytes("root")),
        ] { #expect(driver.auth(command, as: root).error == .invalidAuthManagement) }
    }

    @Test("a deleted role goes from its users; a permission for the same range is replaced")
    func rolesGo() throws {
        let driver = StoreDriver()
        driver.auth(.addUser(bytes("u"), hash: [1]))
        for role in ["b", "a"] {
            driver.auth(.addRole(bytes(role)))
            driver.auth(.grantRole(bytes(role), to: bytes("u")))
        }
        #expect(driver.store.auth.user(bytes("u"))?.roles == [bytes("a"), bytes("b")])
        for key in ["k", "c", "k"] {
            driver.auth(.grantPermission(KeyPermission(.read, key), to: bytes("a")))
        }
        driver.auth(.grantPermission(KeyPermission(.write, "c"), to: bytes("a")))
        let role = try #require(driver.store.auth.role(bytes("a")))
        #expect(role.permissions == [KeyPermission(.write, "c"), KeyPermission(.read, "k")])
        driver.auth(.deleteRole(bytes("a")))
        #expect(driver.store.auth.user(bytes("u"))?.roles == [bytes("b")])
    }

    @Test("a token is announced for the password that was checked, and for no later one")
    func tokens() throws {
        let driver = StoreDriver()
        driver.enableAuth()
        driver.addUser("u", [])
        driver.auth(.addUser(bytes("cert"), hash: []), as: driver.principal("root"))
        let user = try #require(driver.store.auth.user(bytes("u")))
        let revision = driver.store.auth.revision
        let applied = driver.auth(tokenFor("u", user.identityRevision), as: .node)
        #expect(applied.error == nil && driver.store.auth.revision == revision)
        guard case .issued(let token)? = applied.authChange else {
            Issue.record("no token")
            return
        }
        #expect(token.user == bytes("u"))
        #expect(driver.auth(tokenFor("nobody", 1), as: .node).error == .authFailed)
        let passwordless = try #require(driver.store.auth.user(bytes("cert")))
        let forCertificate = tokenFor("cert", passwordless.identityRevision)
        #expect(driver.auth(forCertificate, as: .node).error == .authFailed)
        let old = driver.principal("u")
        driver.auth(.changePassword(bytes("u"), hash: [2]), as: driver.principal("root"))
        let late = driver.auth(tokenFor("u", user.identityRevision), as: .node)
        #expect(late.error == .oldAuthRevision)
        let put = driver.apply(.put, PutRequest("k", "v").encoded, as: old)
        #expect(put.error == .oldAuthRevision)
    }

    @Test("what was proved before authentication was disabled proves nothing once it is on again")
    func identitiesEnd() throws {
        let driver = StoreDriver()
        driver.enableAuth()
        let old = driver.principal("root")
        driver.auth(.disable, as: old)
        #expect(driver.apply(.put, PutRequest("k", "v").encoded, as: old).error == nil)
        driver.auth(.enable)
        let put = driver.apply(.put, PutRequest("k", "v").encoded, as: old)
        #expect(put.error == .oldAuthRevision)
        let user = try #require(driver.store.auth.user(bytes("root")))
        #expect(user.identityRevision == driver.store.auth.revision)
        let again = driver.principal("root")
        #expect(driver.apply(.put, PutRequest("k", "v").encoded, as: again).error == nil)
    }

    @Test("an unknown number stops the node; other bytes are malformed")
    func unknownCommands() {
        let driver = StoreDriver()
        let unknown = driver.apply(.auth, [200], as: .node)
        #expect(unknown.error == .unknownCommand(version: 200, kind: 17) && unknown.mustStop)
        #expect(!driver.apply(.auth, [], as: .node).mustStop)
        let long = AuthCommand.addRole([UInt8](repeating: 97, count: 1025)).encode()
        guard case .malformed? = driver.apply(.auth, long, as: .node).error else {
            Issue.record("a name of 1,025 bytes was taken")
            return
        }
    }

    @Test("commands are what they were after a round trip; cut ones are malformed, never a trap")
    func coding() throws {
        let commands: [AuthCommand] = [
            .enable, .disable, .addUser([1, 2], hash: [3]), .deleteUser([4]),
            .changePassword([5], hash: []), .grantRole([6], to: [7]), .revokeRole([8], from: [9]),
            .addRole([10]), .deleteRole([11]),
            .grantPermission(KeyPermission(kind: .readWrite, key: [1], rangeEnd: [0]), to: [12]),
            .revokePermission(key: [13], rangeEnd: [14], from: [15]),
            .issueToken(IssuedToken(digest: [1, 2], user: [16], identityRevision: 17)),
        ]
        for command in commands {
            let encoded = command.encode()
            #expect(try encoded.withUnsafeBytes { try AuthCommand.decode($0) } == command)
            for count in 0..<encoded.count {
                #expect(throws: StoreError.self) {
                    try encoded[..<count].withUnsafeBytes { try AuthCommand.decode($0) }
                }
            }
        }
    }

    @Test("the table is in checkpoints, written again only when it changed, and in the digest")
    func checkpoints() throws {
        let driver = StoreDriver()
        var file = RowTests.File()
        _ = file.write(driver.store.freeze())
        driver.enableAuth()
        driver.addUser("u", [KeyPermission(.readWrite, "a", to: "b")])
        let digest = driver.store.digest
        let withTable = file.write(driver.store.freeze())
        #expect(try file.load().auth == driver.store.auth)
        driver.put("x", "y")
        #expect(file.write(driver.store.freeze()) < withTable)
        let loaded = try file.load()
        #expect(loaded.auth.users == driver.store.auth.users)
        #expect(loaded.auth.roles == driver.store.auth.roles)
        #expect(loaded.auth.isEnabled && loaded.auth.revision == driver.store.auth.revision)
        driver.auth(.deleteUser(bytes("u")), as: driver.principal("root"))
        #expect(driver.store.digest != digest)
    }

    @Test("the table does not outgrow a row of a checkpoint")
    func bounded() {
        let driver = StoreDriver()
        let hash = [UInt8](repeating: 1, count: AuthCommand.hashBytesMax)
        var refused: StoreError?
        for number in 0..<20_000 where refused == nil {
            refused = driver.auth(.addUser(bytes("user\(number)"), hash: hash)).error
        }
        #expect(refused == .tooManyUsers)
        #expect(driver.store.auth.encode().count <= AuthTable.bytesMax)
        #expect(driver.auth(.deleteUser(bytes("user0"))).error == nil)
    }
}
