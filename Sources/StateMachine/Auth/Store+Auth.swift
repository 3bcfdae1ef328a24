internal import Primitives

/// What an entry changed about who may do what.
package indirect enum AuthChange: Equatable, Sendable {
    /// Users, roles, permissions, or that they count.
    case table
    /// Authentication is off.
    case disabled
    case issued(IssuedToken)
}

extension Store {
    /// Carries out a change of users, roles and permissions, or takes note of a token, by the rules
    /// that etcd has for them.
    func authenticate(
        _ header: CommandHeader, _ body: UnsafeRawBufferPointer, _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        let command = try AuthCommand.decode(body)
        if case .issueToken(let token) = command {
            try auth.check(token)
            applied.authChange = .issued(token)
            return .auth
        }
        try requireAdmin(header.principal)
        var next = auth
        guard try next.perform(command) else { return .auth }
        if next.byteCount > AuthTable.bytesMax, next.byteCount > auth.byteCount {
            throw .tooManyUsers
        }
        next.modifiedAt = appliedIndex.rawValue
        auth = next
        permissions = [:]
        applied.authChange = command == .disable ? .disabled : .table
        digest.fold(.auth, Array(body))
        return .auth
    }
}

extension AuthTable {
    /// Whether it changed anything.
    fileprivate mutating func perform(_ command: AuthCommand) throws(StoreError) -> Bool {
        switch command {
        case .enable: return try enable()
        case .disable:
            if !isEnabled { return false }
            isEnabled = false
            endIdentities()
        case .addUser(let name, let hash):
            if name.isEmpty { throw .userNameEmpty }
            if user(name) != nil { throw .userExists }
            set(AuthUser(name: name, passwordHash: hash, identityRevision: revision + 1))
        case .deleteUser(let name):
            if isEnabled, name == AuthTable.root { throw .invalidAuthManagement }
            if user(name) == nil { throw .userNotFound }
            removeUser(name)
        case .changePassword(let name, let hash):
            guard var user = user(name) else { throw .userNotFound }
            if user.hasPassword { user.passwordHash = hash }
            user.identityRevision = revision + 1
            set(user)
        case .grantRole(let role, let name): return try grant(role, to: name)
        case .revokeRole(let role, let name): try revoke(role, from: name)
        case .addRole(let name):
            if name.isEmpty { throw .roleNameEmpty }
            if role(name) != nil { throw .roleExists }
            set(AuthRole(name: name))
        case .deleteRole(let name):
            if isEnabled, name == AuthTable.root { throw .invalidAuthManagement }
            if role(name) == nil { throw .roleNotFound }
            removeRole(name)
        case .grantPermission(let permission, let name): try grant(permission, to: name)
        case .revokePermission(let key, let rangeEnd, let name):
            guard var role = role(name) else { throw .roleNotFound }
            let count = role.permissions.count
            role.permissions.removeAll { $0.key == key && $0.rangeEnd == rangeEnd }
            if role.permissions.count == count { throw .permissionNotGranted }
            set(role)
        case .issueToken: return false
        }
        revision += 1
        return true
    }

    /// What users proved before authentication was disabled proves nothing once it is on again: a
    /// signed token may outlive both.
    private mutating func endIdentities() {
        for var user in users {
            user.identityRevision = revision + 1
            set(user)
        }
    }

    /// It raises no revision: nobody's rights are others than before.
    private mutating func enable() throws(StoreError) -> Bool {
        if isEnabled { return false }
        guard let root = user(AuthTable.root) else { throw .rootUserMissing }
        guard root.isRoot else { throw .rootRoleMissing }
        isEnabled = true
        return true
    }

    private mutating func grant(_ role: [UInt8], to name: [UInt8]) throws(StoreError) -> Bool {
        guard var user = user(name) else { throw .userNotFound }
        if role != AuthTable.root, self.role(role) == nil { throw .roleNotFound }
        if user.roles.contains(role) { return false }
        user.roles.append(role)
        user.roles.sort { Bytes.compare($0, $1) < 0 }
        set(user)
        revision += 1
        return true
    }

    private mutating func revoke(_ role: [UInt8], from name: [UInt8]) throws(StoreError) {
        if isEnabled, name == AuthTable.root, role == AuthTable.root {
            throw .invalidAuthManagement
        }
        guard var user = user(name) else { throw .userNotFound }
        guard user.roles.contains(role) else { throw .roleNotGranted }
        user.roles.removeAll { $0 == role }
        set(user)
    }

    private mutating func grant(
        _ permission: KeyPermission, to name: [UInt8]
    ) throws(StoreError) {
        guard permission.isSound else { throw .invalidAuthManagement }
        guard var role = role(name) else { throw .roleNotFound }
        let place = role.permissions.firstIndex {
            $0.key == permission.key && $0.rangeEnd == permission.rangeEnd
        }
        if let place {
            role.permissions[place].kind = permission.kind
        } else {
            let next = role.permissions.firstIndex { Bytes.compare($0.key, permission.key) > 0 }
            role.permissions.insert(permission, at: next ?? role.permissions.count)
        }
        set(role)
    }

    /// A token counts only for the user whose password it was given for.
    fileprivate func check(_ token: IssuedToken) throws(StoreError) {
        guard isEnabled else { throw .authNotEnabled }
        guard let user = user(token.user), user.hasPassword else { throw .authFailed }
        if user.identityRevision != token.identityRevision { throw .oldAuthRevision }
    }
}
