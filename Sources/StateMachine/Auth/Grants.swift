internal import Primitives

/// What a principal may do in one state of the store: the one judge of every path that reveals or
/// changes a key.
package struct Grants: Sendable {
    /// Nil: everything.
    private let permissions: UserPermissions?

    package static let everything = Grants(permissions: nil)

    init(permissions: UserPermissions?) { self.permissions = permissions }

    package var isUnlimited: Bool { permissions == nil }

    package func checkRead(_ range: KeyRange) throws(StoreError) {
        guard permissions?.readable.covers(range) ?? true else { throw .permissionDenied }
    }

    package func checkWrite(_ range: KeyRange) throws(StoreError) {
        guard permissions?.writable.covers(range) ?? true else { throw .permissionDenied }
    }

    /// Whether all of a lease's keys may be written: who cannot write them can neither end the
    /// lease nor tie its own keys to it.
    package func checkWrite(ofLease id: Int64, in store: Store) throws(StoreError) {
        guard let permissions, id != 0 else { return }
        for key in store.leases.keys(of: id) where !permissions.writable.contains(key) {
            throw .permissionDenied
        }
    }

    package func checkRead(ofLease id: Int64, in store: Store) throws(StoreError) {
        guard let permissions, id != 0 else { return }
        for key in store.leases.keys(of: id) where !permissions.readable.contains(key) {
            throw .permissionDenied
        }
    }
}

/// The merged permissions of a user's roles.
struct UserPermissions: Equatable, Sendable {
    var readable = KeyIntervals()
    var writable = KeyIntervals()

    mutating func add(_ permission: KeyPermission) {
        switch permission.kind {
        case .read: readable.insert(permission.range)
        case .write: writable.insert(permission.range)
        case .readWrite:
            readable.insert(permission.range)
            writable.insert(permission.range)
        }
    }
}

extension Store {
    /// What a principal may do now.
    /// - Throws: ``StoreError/userNameEmpty`` for an anonymous one while authentication is on,
    ///   ``StoreError/oldAuthRevision`` where its user has another identity since,
    ///   ``StoreError/permissionDenied`` where there is no such user.
    package func grants(of principal: Principal) throws(StoreError) -> Grants {
        guard auth.isEnabled else { return .everything }
        switch principal {
        case .node: return .everything
        case .anonymous: throw .userNameEmpty
        case .user(let name, let revision):
            guard let user = auth.user(name) else { throw .permissionDenied }
            #if KEELSON_MUTANTS
                let isCurrent =
                    revision >= user.identityRevision || planted(.trustsOldIdentities)
            #else
                let isCurrent = revision >= user.identityRevision
            #endif
            guard isCurrent else { throw .oldAuthRevision }
            return user.isRoot ? .everything : Grants(permissions: permissions(of: user))
        }
    }

    /// - Throws: as ``grants(of:)``, and ``StoreError/userNotFound`` where there is no such user,
    ///   ``StoreError/permissionDenied`` for one without the role `root`.
    package func requireAdmin(_ principal: Principal) throws(StoreError) {
        guard auth.isEnabled else { return }
        switch principal {
        case .node: return
        case .anonymous: throw .userNameEmpty
        case .user(let name, let revision):
            guard let user = auth.user(name) else { throw .userNotFound }
            guard revision >= user.identityRevision else { throw .oldAuthRevision }
            guard user.isRoot else { throw .permissionDenied }
        }
    }

    /// - Throws: ``StoreError/userNameEmpty`` for an anonymous one while authentication is on,
    ///   ``StoreError/oldAuthRevision`` where its user has another identity since,
    ///   ``StoreError/permissionDenied`` where there is no such user.
    package func requireUser(_ principal: Principal) throws(StoreError) {
        _ = try grants(of: principal)
    }

    private func permissions(of user: AuthUser) -> UserPermissions {
        let name = Bytes(user.name)
        if let known = permissions[name] { return known }
        var merged = UserPermissions()
        for roleName in user.roles {
            for permission in auth.role(roleName)?.permissions ?? [] { merged.add(permission) }
        }
        if permissions.count >= Store.permissionsKnownMax { permissions = [:] }
        permissions[name] = merged
        return merged
    }
}
