import StateMachine

/// Users, roles and permissions as etcd's documents have them, written down once more: who may do
/// what is decided by going through single keys instead of merged intervals.
struct ModelAuth: Equatable, Sendable {
    struct User: Equatable, Sendable {
        var roles: Set<[UInt8]> = []
        var hash: [UInt8]
        var identity: UInt64
    }

    struct Permission: Equatable, Sendable {
        var key: [UInt8]
        var end: [UInt8]
        var reads: Bool
        var writes: Bool
    }

    private(set) var isEnabled = false
    private(set) var revision: UInt64 = 1
    private(set) var users: [[UInt8]: User] = [:]
    private(set) var roles: [[UInt8]: [Permission]] = [:]

    private static let root = Array("root".utf8)

    // MARK: Changes

    mutating func apply(_ command: AuthCommand, by principal: Principal) throws(StoreError) {
        if case .issueToken(let token) = command {
            if !isEnabled { throw .authNotEnabled }
            guard let user = users[token.user], !user.hash.isEmpty else { throw .authFailed }
            if user.identity != token.identityRevision { throw .oldAuthRevision }
            return
        }
        try requireRoot(principal)
        if try change(command) { revision += 1 }
    }

    /// Whether the revision grows.
    private mutating func change(_ command: AuthCommand) throws(StoreError) -> Bool {
        switch command {
        case .enable:
            if isEnabled { return false }
            guard let root = users[Self.root] else { throw .rootUserMissing }
            if !root.roles.contains(Self.root) { throw .rootRoleMissing }
            isEnabled = true
            return false
        case .disable:
            if !isEnabled { return false }
            isEnabled = false
            for name in users.keys { users[name]?.identity = revision + 1 }
            return true
        case .addUser(let name, let hash):
            if users[name] != nil { throw .userExists }
            users[name] = User(hash: hash, identity: revision + 1)
            return true
        case .deleteUser(let name):
            if isEnabled, name == Self.root { throw .invalidAuthManagement }
            if users.removeValue(forKey: name) == nil { throw .userNotFound }
            return true
        case .changePassword(let name, let hash):
            guard let user = users[name] else { throw .userNotFound }
            if !user.hash.isEmpty { users[name]?.hash = hash }
            users[name]?.identity = revision + 1
            return true
        case .addRole(let name):
            if roles[name] != nil { throw .roleExists }
            roles[name] = []
            return true
        case .deleteRole(let name):
            if isEnabled, name == Self.root { throw .invalidAuthManagement }
            if roles.removeValue(forKey: name) == nil { throw .roleNotFound }
            for user in users.keys { users[user]?.roles.remove(name) }
            return true
        case .grantRole(let role, let name):
            guard let user = users[name] else { throw .userNotFound }
            if role != Self.root, roles[role] == nil { throw .roleNotFound }
            users[name]?.roles.insert(role)
            return !user.roles.contains(role)
        case .revokeRole(let role, let name):
            if isEnabled, name == Self.root, role == Self.root { throw .invalidAuthManagement }
            guard users[name] != nil else { throw .userNotFound }
            if users[name]?.roles.remove(role) == nil { throw .roleNotGranted }
            return true
        case .grantPermission(let given, let name):
            if roles[name] == nil { throw .roleNotFound }
            roles[name]?.removeAll { $0.key == given.key && $0.end == given.rangeEnd }
            roles[name]?.append(
                Permission(
                    key: given.key, end: given.rangeEnd, reads: given.kind != .write,
                    writes: given.kind != .read))
            return true
        case .revokePermission(let key, let end, let name):
            guard let known = roles[name] else { throw .roleNotFound }
            let kept = known.filter { $0.key != key || $0.end != end }
            if kept.count == known.count { throw .permissionNotGranted }
            roles[name] = kept
            return true
        case .issueToken: return false
        }
    }

    // MARK: Judgement

    /// What somebody may do in this state.
    struct Rights {
        /// Nil: everything.
        var permissions: [Permission]?

        func mayRead(_ key: [UInt8], _ end: [UInt8]) -> Bool { may(key, end, \.reads) }
        func mayWrite(_ key: [UInt8], _ end: [UInt8] = []) -> Bool { may(key, end, \.writes) }

        /// A range is allowed when its first key is, and so is every key at which a permission
        /// ends inside it: between two of those nothing changes.
        private func may(
            _ key: [UInt8], _ end: [UInt8], _ how: KeyPath<Permission, Bool>
        ) -> Bool {
            guard let all = permissions else { return true }
            let given = all.filter { $0[keyPath: how] }
            let isEndless = end == [0]
            let isOneKey = !isEndless && !key.lexicographicallyPrecedes(end)
            var points = [key]
            if !isOneKey {
                for permission in given where permission.end != [0] {
                    let stop = permission.end.isEmpty ? permission.key + [0] : permission.end
                    let isBehind = key.lexicographicallyPrecedes(stop)
                    if isBehind, isEndless || stop.lexicographicallyPrecedes(end) {
                        points.append(stop)
                    }
                }
            }
            return points.allSatisfy { point in given.contains { $0.covers(point) } }
        }
    }

    func rights(of principal: Principal) throws(StoreError) -> Rights {
        if !isEnabled { return Rights(permissions: nil) }
        switch principal {
        case .node: return Rights(permissions: nil)
        case .anonymous: throw .userNameEmpty
        case .user(let name, let seen):
            guard let user = users[name] else { throw .permissionDenied }
            if seen < user.identity { throw .oldAuthRevision }
            if user.roles.contains(Self.root) { return Rights(permissions: nil) }
            return Rights(
                permissions: user.roles.sorted(by: Self.precedes).flatMap {
                    roles[$0] ?? []
                })
        }
    }

    func requireRoot(_ principal: Principal) throws(StoreError) {
        if !isEnabled { return }
        switch principal {
        case .node: return
        case .anonymous: throw .userNameEmpty
        case .user(let name, let seen):
            guard let user = users[name] else { throw .userNotFound }
            if seen < user.identity { throw .oldAuthRevision }
            if !user.roles.contains(Self.root) { throw .permissionDenied }
        }
    }

    private static func precedes(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        a.lexicographicallyPrecedes(b)
    }

    // MARK: Against the product

    func difference(_ table: AuthTable) -> String? {
        if table.isEnabled != isEnabled { return "authentication on: \(table.isEnabled)" }
        if table.revision != revision { return "auth revision \(table.revision), not \(revision)" }
        let held = table.users.map(\.name), known = users.keys.sorted(by: Self.precedes)
        if held != known { return "users \(held), not \(known)" }
        for user in table.users {
            guard let model = users[user.name] else { continue }
            if user.roles != model.roles.sorted(by: Self.precedes)
                || user.identityRevision != model.identity || user.passwordHash != model.hash
            {
                return "user \(user), not \(model)"
            }
        }
        if table.roles.map(\.name) != roles.keys.sorted(by: Self.precedes) {
            return "roles \(table.roles.map(\.name))"
        }
        for role in table.roles where !isSame(role) { return "role \(role)" }
        return nil
    }

    private func isSame(_ role: AuthRole) -> Bool {
        let model = roles[role.name] ?? []
        return model.count == role.permissions.count
            && role.permissions.allSatisfy { permission in
                model.contains(
                    Permission(
                        key: permission.key, end: permission.rangeEnd,
                        reads: permission.kind != .write, writes: permission.kind != .read))
            }
    }
}

extension ModelAuth.Permission {
    fileprivate func covers(_ point: [UInt8]) -> Bool {
        if end.isEmpty { return point == key }
        return !point.lexicographicallyPrecedes(key)
            && (end == [0] || point.lexicographicallyPrecedes(end))
    }
}
