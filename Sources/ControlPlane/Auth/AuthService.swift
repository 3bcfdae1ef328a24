internal import API
internal import Foundation
internal import NIOCore
internal import Primitives
internal import RPC
internal import StateMachine
internal import SwiftProtobuf

/// etcdserverpb.Auth. Passwords are hashed before anything is proposed: neither the log nor a
/// checkpoint ever has one.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class AuthService: @unchecked Sendable {
    private unowned let node: any NodeFacade
    private let passwords: CallWorker
    /// Nil: the log announces tokens.
    private let signing: JWTKeyFiles?

    private static let passwordBytesMax = 4096
    /// What may wait for its password to be hashed, at a tenth of a second each.
    private static let outstandingMax = 64
    private static let outstandingFromOnePlaceMax = 16

    init(node: any NodeFacade, signing: JWTKeyFiles?) {
        self.node = node
        self.signing = signing
        passwords = CallWorker(
            eventLoop: node.eventLoop, outstandingMax: Self.outstandingMax,
            outstandingFromOnePlaceMax: Self.outstandingFromOnePlaceMax)
    }

    func register(in routes: inout RPCRoutes) {
        let service = "/etcdserverpb.Auth/"
        routes.unary(service + "AuthEnable", EtcdAuthEnableRequest.self) { call, _ in
            self.change(call, .enable)
        }
        routes.unary(service + "AuthDisable", EtcdAuthDisableRequest.self) { call, _ in
            self.change(call, .disable)
        }
        routes.unary(service + "AuthStatus", EtcdAuthStatusRequest.self) { call, _ in
            self.status(call)
        }
        routes.unary(service + "Authenticate", EtcdAuthenticateRequest.self) {
            self.authenticate($0, $1)
        }
        registerUsers(service, in: &routes)
        registerRoles(service, in: &routes)
    }

    private func registerUsers(_ service: String, in routes: inout RPCRoutes) {
        routes.unary(service + "UserAdd", EtcdAuthUserAddRequest.self) { self.addUser($0, $1) }
        routes.unary(service + "UserGet", EtcdAuthUserGetRequest.self) { self.getUser($0, $1) }
        routes.unary(service + "UserList", EtcdAuthUserListRequest.self) { call, _ in
            self.listUsers(call)
        }
        routes.unary(service + "UserDelete", EtcdAuthUserDeleteRequest.self) { call, request in
            self.change(call, .deleteUser(Array(request.name.utf8)))
        }
        routes.unary(
            service + "UserChangePassword", EtcdAuthUserChangePasswordRequest.self
        ) { self.changePassword($0, $1) }
        routes.unary(
            service + "UserGrantRole", EtcdAuthUserGrantRoleRequest.self
        ) { call, request in
            self.change(
                call, .grantRole(Array(request.role.utf8), to: Array(request.user.utf8)))
        }
        routes.unary(
            service + "UserRevokeRole", EtcdAuthUserRevokeRoleRequest.self
        ) { call, request in
            self.change(
                call, .revokeRole(Array(request.role.utf8), from: Array(request.name.utf8)))
        }
    }

    private func registerRoles(_ service: String, in routes: inout RPCRoutes) {
        routes.unary(service + "RoleAdd", EtcdAuthRoleAddRequest.self) { call, request in
            self.change(call, .addRole(Array(request.name.utf8)))
        }
        routes.unary(service + "RoleGet", EtcdAuthRoleGetRequest.self) { self.getRole($0, $1) }
        routes.unary(service + "RoleList", EtcdAuthRoleListRequest.self) { call, _ in
            self.listRoles(call)
        }
        routes.unary(service + "RoleDelete", EtcdAuthRoleDeleteRequest.self) { call, request in
            self.change(call, .deleteRole(Array(request.role.utf8)))
        }
        routes.unary(
            service + "RoleGrantPermission", EtcdAuthRoleGrantPermissionRequest.self
        ) { self.grantPermission($0, $1) }
        routes.unary(
            service + "RoleRevokePermission", EtcdAuthRoleRevokePermissionRequest.self
        ) { call, request in
            self.change(
                call,
                .revokePermission(
                    key: Array(request.key), rangeEnd: Array(request.rangeEnd),
                    from: Array(request.role.utf8)))
        }
    }

    // MARK: Changes

    private func change(_ call: ServerCall, _ command: AuthCommand) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        let body = command.encode()
        guard command.names.allSatisfy({ $0.count <= AuthTable.nameBytesMax }),
            body.count <= node.requestBytesMax
        else { return call.finish(.requestTooLarge) }
        node.propose(.auth, proposedID: 0, body: body, as: call.principal) { [node] outcome in
            guard let applied = call.applied(outcome) else { return }
            call.respond(Response.header(node.header(revision: applied.revision)))
        }
    }

    private func addUser(_ call: ServerCall, _ request: EtcdAuthUserAddRequest) {
        let name = Array(request.name.utf8)
        if request.options.noPassword { return change(call, .addUser(name, hash: [])) }
        hash(call, request.password) { self.change(call, .addUser(name, hash: $0)) }
    }

    private func changePassword(_ call: ServerCall, _ request: EtcdAuthUserChangePasswordRequest) {
        let name = Array(request.name.utf8)
        hash(call, request.password) { self.change(call, .changePassword(name, hash: $0)) }
    }

    private func hash(
        _ call: ServerCall, _ password: String, _ done: @escaping ([UInt8]) -> Void
    ) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        let bytes = Array(password.utf8)
        guard bytes.count <= Self.passwordBytesMax else { return call.finish(.requestTooLarge) }
        let isTaken = passwords.run(from: call.place) {
            PasswordHash.make(bytes)
        } _: { hash in
            if hash.isEmpty { return call.finish(.unexpectedOutcome) }
            if call.isOpen { done(hash) }
        }
        if !isTaken { call.finish(.tooManyRequests) }
    }

    private func grantPermission(
        _ call: ServerCall, _ request: EtcdAuthRoleGrantPermissionRequest
    ) {
        guard request.hasPerm else {
            return call.finish(StoreError.permissionNotGiven.requestStatus)
        }
        guard let number = UInt8(exactly: request.perm.permType.rawValue),
            let kind = PermissionKind(rawValue: number)
        else { return call.finish(StoreError.invalidAuthManagement.requestStatus) }
        let permission = KeyPermission(
            kind: kind, key: Array(request.perm.key), rangeEnd: Array(request.perm.rangeEnd))
        change(call, .grantPermission(permission, to: Array(request.name.utf8)))
    }

    // MARK: Looking

    private func status(_ call: ServerCall) {
        read(call) { node in
            var response = EtcdAuthStatusResponse()
            response.header = node.headerMessage()
            response.enabled = node.store.auth.isEnabled
            response.authRevision = node.store.auth.revision
            call.respond(response)
        }
    }

    private func listUsers(_ call: ServerCall) {
        read(call) { node in
            if let refusal = self.refusal(call, unless: { _ in false }) {
                return call.finish(refusal)
            }
            var response = EtcdAuthUserListResponse()
            response.header = node.headerMessage()
            response.users = node.store.auth.users.map { String(decoding: $0.name, as: UTF8.self) }
            call.respond(response)
        }
    }

    private func listRoles(_ call: ServerCall) {
        read(call) { node in
            if let refusal = self.refusal(call, unless: { _ in false }) {
                return call.finish(refusal)
            }
            var response = EtcdAuthRoleListResponse()
            response.header = node.headerMessage()
            response.roles = node.store.auth.roles.map { String(decoding: $0.name, as: UTF8.self) }
            call.respond(response)
        }
    }

    /// Everybody may look at oneself.
    private func getUser(_ call: ServerCall, _ request: EtcdAuthUserGetRequest) {
        let name = Array(request.name.utf8)
        read(call) { node in
            if let refusal = self.refusal(call, unless: { $0.name == name }) {
                return call.finish(refusal)
            }
            guard let user = node.store.auth.user(name) else {
                return call.finish(StoreError.userNotFound.status)
            }
            var response = EtcdAuthUserGetResponse()
            response.header = node.headerMessage()
            response.roles = user.roles.map { String(decoding: $0, as: UTF8.self) }
            call.respond(response)
        }
    }

    /// Everybody may look at the roles that one has. The role `root` may do everything.
    private func getRole(_ call: ServerCall, _ request: EtcdAuthRoleGetRequest) {
        let name = Array(request.role.utf8)
        read(call) { node in
            if let refusal = self.refusal(call, unless: { $0.roles.contains(name) }) {
                return call.finish(refusal)
            }
            guard let role = node.store.auth.role(name) else {
                return call.finish(StoreError.roleNotFound.status)
            }
            var response = EtcdAuthRoleGetResponse()
            response.header = node.headerMessage()
            response.perm = role.permissions.map { EtcdAuthPermission($0) }
            if name == AuthTable.root {
                response.perm = [
                    .with {
                        $0.permType = .readwrite
                        $0.rangeEnd = Data([0])
                    }
                ]
            }
            call.respond(response)
        }
    }

    /// Why neither an administrator calls nor a user whom it concerns.
    private func refusal(
        _ call: ServerCall, unless concerns: (AuthUser) -> Bool
    ) -> RPCStatus? {
        if case .user(let name, _) = call.principal, let user = node.store.auth.user(name),
            concerns(user)
        {
            return nil
        }
        do throws(StoreError) {
            try node.store.requireAdmin(call.principal)
            return nil
        } catch {
            return error.status
        }
    }

    private func read(_ call: ServerCall, _ body: @escaping (any NodeFacade) -> Void) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        node.linearizableRead { [node] failure in
            if let failure { return call.finish(failure.status) }
            body(node)
        }
    }

    // MARK: Logging in

    /// A user that does not exist, or that has no password, takes as long as a wrong password and
    /// is answered alike: nobody learns who is a user.
    private func authenticate(_ call: ServerCall, _ request: EtcdAuthenticateRequest) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        let password = Array(request.password.utf8)
        guard password.count <= Self.passwordBytesMax else { return call.finish(.requestTooLarge) }
        node.linearizableRead { [self] failure in
            if let failure { return call.finish(failure.status) }
            guard node.store.auth.isEnabled else {
                return call.finish(StoreError.authNotEnabled.status)
            }
            let user = node.store.auth.user(Array(request.name.utf8))
            let hash = user.flatMap { PasswordHash($0.passwordHash) } ?? PasswordHash.ofNobody
            let draft = user.flatMap { makeDraft($0) }
            let isTaken = passwords.run(from: call.place) { () -> Login in
                guard hash?.matches(password) ?? false else { return .failed }
                return draft.map { .signed($0.sign()) } ?? .passed
            } _: { [self] login in
                guard let user, user.hasPassword else {
                    return call.finish(StoreError.authFailed.status)
                }
                guard call.isOpen else { return }
                switch login {
                case .failed: call.finish(StoreError.authFailed.status)
                case .passed: issueToken(call, to: user)
                case .signed(let token): answer(call, user, token)
                }
            }
            if !isTaken { call.finish(.tooManyRequests) }
        }
    }

    /// What a password came to.
    private enum Login: Sendable {
        case failed
        case passed
        /// Passed, and there is a token; nil: nothing to sign it with.
        case signed(String?)
    }

    /// What a signed token will say: the revision is that of the state whose password is checked.
    private struct Draft: Sendable {
        var user: [UInt8]
        var revision: UInt64
        var secondsToLive: Double
        var keys: JWTKeys

        /// Cost: up to some milliseconds.
        func sign() -> String? {
            let now = Double(WallClock.milliseconds() / 1000)
            let claims = JWTClaims(
                user: user, revision: revision, expiresAt: (now + secondsToLive).rounded(.up))
            return try? JSONWebToken.make(claims, keys)
        }
    }

    private func makeDraft(_ user: AuthUser) -> Draft? {
        signing.map {
            Draft(
                user: user.name, revision: node.store.auth.revision,
                secondsToLive: $0.options.secondsToLive, keys: $0.current().keys)
        }
    }

    /// Nothing is proposed: should the password have changed elsewhere, then the token says a
    /// revision that is too old for its user, and nobody takes it.
    private func answer(_ call: ServerCall, _ user: AuthUser, _ token: String?) {
        guard let token else { return call.finish(.onlyVerifies) }
        let current = node.store.auth.user(user.name)
        guard current?.identityRevision == user.identityRevision else {
            return call.finish(StoreError.oldAuthRevision.status)
        }
        var response = EtcdAuthenticateResponse()
        response.header = node.headerMessage()
        response.token = token
        call.respond(response)
    }

    private func issueToken(_ call: ServerCall, to user: AuthUser) {
        let secret = TokenText.makeSecret()
        let token = IssuedToken(
            digest: TokenText(secret: secret, index: .zero).digest, user: user.name,
            identityRevision: user.identityRevision)
        let body = AuthCommand.issueToken(token).encode()
        node.propose(.auth, proposedID: 0, body: body, as: .node) { [node] outcome in
            guard let applied = call.applied(outcome) else { return }
            var response = EtcdAuthenticateResponse()
            response.header = node.headerMessage(revision: applied.revision)
            response.token = TokenText(secret: secret, index: node.appliedIndex).text
            call.respond(response)
        }
    }
}

extension RPCStatus {
    /// etcd's words.
    fileprivate static let onlyVerifies = RPCStatus(
        .unknown, "auth: token signing attempted with verify-only key")
}

extension AuthCommand {
    /// The names of users and roles in it.
    fileprivate var names: [[UInt8]] {
        switch self {
        case .enable, .disable: []
        case .addUser(let name, _), .changePassword(let name, _), .deleteUser(let name),
            .addRole(let name), .deleteRole(let name), .grantPermission(_, let name),
            .revokePermission(_, _, let name):
            [name]
        case .grantRole(let role, let user), .revokeRole(let role, let user): [role, user]
        case .issueToken(let token): [token.user]
        }
    }
}

extension EtcdAuthPermission {
    init(_ permission: KeyPermission) {
        self.init()
        permType = TypeEnum(rawValue: Int(permission.kind.rawValue)) ?? .read
        key = Data(permission.key)
        rangeEnd = Data(permission.rangeEnd)
    }
}

extension ServerCall {
    /// Where the call comes from, for limits by source.
    var place: String { peerAddress?.ipAddress ?? "" }
}
