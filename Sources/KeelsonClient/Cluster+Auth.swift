internal import API
internal import SwiftProtobuf

/// Users, roles and permissions. While authentication is on, all but looking at oneself is for
/// users with the role `root`.
extension Cluster {
    private static let auth = "/etcdserverpb.Auth/"

    /// Lets in only who logs in. There must be a user `root` with the role `root`.
    public func enableAuth(timeout: Duration? = nil) async throws(ClusterError) {
        let _: EtcdAuthEnableResponse = try await call(
            Self.auth + "AuthEnable", EtcdAuthEnableRequest(), isRead: false, timeout: timeout)
    }

    /// Lets everybody do everything. Users and roles stay.
    public func disableAuth(timeout: Duration? = nil) async throws(ClusterError) {
        let _: EtcdAuthDisableResponse = try await call(
            Self.auth + "AuthDisable", EtcdAuthDisableRequest(), isRead: false, timeout: timeout)
    }

    public func authState(timeout: Duration? = nil) async throws(ClusterError) -> AuthState {
        let answer: EtcdAuthStatusResponse = try await call(
            Self.auth + "AuthStatus", EtcdAuthStatusRequest(), isRead: true, timeout: timeout)
        return AuthState(
            header: AnswerHeader(answer.header), isEnabled: answer.enabled,
            revision: answer.authRevision)
    }

    // MARK: Users

    /// Without a password the user is known by a certificate only.
    public func addUser(
        _ name: String, password: String?, timeout: Duration? = nil
    ) async throws(ClusterError) {
        var request = EtcdAuthUserAddRequest()
        request.name = name
        if let password {
            request.password = password
        } else {
            request.options.noPassword = true
        }
        let _: EtcdAuthUserAddResponse = try await call(
            Self.auth + "UserAdd", request, isRead: false, timeout: timeout)
    }

    public func deleteUser(_ name: String, timeout: Duration? = nil) async throws(ClusterError) {
        var request = EtcdAuthUserDeleteRequest()
        request.name = name
        let _: EtcdAuthUserDeleteResponse = try await call(
            Self.auth + "UserDelete", request, isRead: false, timeout: timeout)
    }

    /// Whoever is logged in as the user has to log in again.
    public func changePassword(
        of name: String, to password: String, timeout: Duration? = nil
    ) async throws(ClusterError) {
        var request = EtcdAuthUserChangePasswordRequest()
        request.name = name
        request.password = password
        let _: EtcdAuthUserChangePasswordResponse = try await call(
            Self.auth + "UserChangePassword", request, isRead: false, timeout: timeout)
    }

    /// The names of all users, sorted.
    public func users(timeout: Duration? = nil) async throws(ClusterError) -> [String] {
        let answer: EtcdAuthUserListResponse = try await call(
            Self.auth + "UserList", EtcdAuthUserListRequest(), isRead: true, timeout: timeout)
        return answer.users
    }

    /// The roles of a user, sorted.
    public func roles(
        of user: String, timeout: Duration? = nil
    ) async throws(ClusterError) -> [String] {
        var request = EtcdAuthUserGetRequest()
        request.name = user
        let answer: EtcdAuthUserGetResponse = try await call(
            Self.auth + "UserGet", request, isRead: true, timeout: timeout)
        return answer.roles
    }

    public func grantRole(
        _ role: String, to user: String, timeout: Duration? = nil
    ) async throws(ClusterError) {
        var request = EtcdAuthUserGrantRoleRequest()
        request.user = user
        request.role = role
        let _: EtcdAuthUserGrantRoleResponse = try await call(
            Self.auth + "UserGrantRole", request, isRead: false, timeout: timeout)
    }

    public func revokeRole(
        _ role: String, from user: String, timeout: Duration? = nil
    ) async throws(ClusterError) {
        var request = EtcdAuthUserRevokeRoleRequest()
        request.name = user
        request.role = role
        let _: EtcdAuthUserRevokeRoleResponse = try await call(
            Self.auth + "UserRevokeRole", request, isRead: false, timeout: timeout)
    }

    // MARK: Roles

    public func addRole(_ name: String, timeout: Duration? = nil) async throws(ClusterError) {
        var request = EtcdAuthRoleAddRequest()
        request.name = name
        let _: EtcdAuthRoleAddResponse = try await call(
            Self.auth + "RoleAdd", request, isRead: false, timeout: timeout)
    }

    /// Takes the role from all who have it, too.
    public func deleteRole(_ name: String, timeout: Duration? = nil) async throws(ClusterError) {
        var request = EtcdAuthRoleDeleteRequest()
        request.role = name
        let _: EtcdAuthRoleDeleteResponse = try await call(
            Self.auth + "RoleDelete", request, isRead: false, timeout: timeout)
    }

    /// The names of all roles, sorted.
    public func roles(timeout: Duration? = nil) async throws(ClusterError) -> [String] {
        let answer: EtcdAuthRoleListResponse = try await call(
            Self.auth + "RoleList", EtcdAuthRoleListRequest(), isRead: true, timeout: timeout)
        return answer.roles
    }

    /// What a role allows, by key.
    public func permissions(
        of role: String, timeout: Duration? = nil
    ) async throws(ClusterError) -> [Permission] {
        var request = EtcdAuthRoleGetRequest()
        request.role = role
        let answer: EtcdAuthRoleGetResponse = try await call(
            Self.auth + "RoleGet", request, isRead: true, timeout: timeout)
        return answer.perm.map { permission in
            let kind: Permission.Kind =
                switch permission.permType {
                case .read: .read
                case .write: .write
                case .readwrite, .UNRECOGNIZED: .readWrite
                }
            return Permission(
                kind, KeyRange(Array(permission.key), Array(permission.rangeEnd)))
        }
    }

    /// Allows a role something; a permission for the same range is replaced.
    public func grant(
        _ permission: Permission, to role: String, timeout: Duration? = nil
    ) async throws(ClusterError) {
        var request = EtcdAuthRoleGrantPermissionRequest()
        request.name = role
        request.perm.key = .init(wire: permission.range.start)
        request.perm.rangeEnd = .init(wire: permission.range.end)
        switch permission.kind {
        case .read: request.perm.permType = .read
        case .write: request.perm.permType = .write
        case .readWrite: request.perm.permType = .readwrite
        }
        let _: EtcdAuthRoleGrantPermissionResponse = try await call(
            Self.auth + "RoleGrantPermission", request, isRead: false, timeout: timeout)
    }

    public func revokePermission(
        for range: KeyRange, from role: String, timeout: Duration? = nil
    ) async throws(ClusterError) {
        var request = EtcdAuthRoleRevokePermissionRequest()
        request.role = role
        request.key = .init(wire: range.start)
        request.rangeEnd = .init(wire: range.end)
        let _: EtcdAuthRoleRevokePermissionResponse = try await call(
            Self.auth + "RoleRevokePermission", request, isRead: false, timeout: timeout)
    }
}
