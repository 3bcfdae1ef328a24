package import Primitives

/// authpb.Permission.Type.
package enum PermissionKind: UInt8, Sendable {
    case read = 0
    case write = 1
    case readWrite = 2
}

/// Leave to read or write the keys of a range, as etcd writes ranges.
package struct KeyPermission: Equatable, Sendable {
    package var kind: PermissionKind
    package var key: [UInt8]
    package var rangeEnd: [UInt8]

    package init(kind: PermissionKind, key: [UInt8], rangeEnd: [UInt8]) {
        self.kind = kind
        self.key = key
        self.rangeEnd = rangeEnd
    }

    package var range: KeyRange { KeyRange(key: key, rangeEnd: rangeEnd) }

    /// Whether the range is one: a key, and an end behind it or none.
    var isSound: Bool {
        guard !key.isEmpty else { return false }
        if rangeEnd.isEmpty || rangeEnd == [0] { return true }
        return Bytes.compare(key, rangeEnd) < 0
    }
}

/// One user. Names are bytes here: two that look alike are two.
package struct AuthUser: Equatable, Sendable {
    package var name: [UInt8]
    /// What the proposer's password hash made of the password; empty for a user without one, who
    /// is known by a certificate only.
    package var passwordHash: [UInt8]
    /// Sorted.
    package var roles: [[UInt8]] = []
    /// The revision of the table at which the name was taken, the password set last, or
    /// authentication disabled last: what was proved before then proves nothing now.
    package var identityRevision: UInt64

    package var hasPassword: Bool { !passwordHash.isEmpty }
    package var isRoot: Bool { roles.contains(AuthTable.root) }
}

package struct AuthRole: Equatable, Sendable {
    package var name: [UInt8]
    /// Sorted by key; among equal keys in the order in which they were granted.
    package var permissions: [KeyPermission] = []

    package init(name: [UInt8]) { self.name = name }
}

/// Who may do what: users, their roles, the roles' permissions. Not part of the keys' revision
/// history; it has a revision of its own, which every change raises by one.
package struct AuthTable: Equatable, Sendable {
    package static let root: [UInt8] = Array("root".utf8)
    package static let nameBytesMax = 1024
    /// What the table may take as a row of a checkpoint.
    package static let bytesMax = 8 << 20

    package internal(set) var isEnabled = false
    package internal(set) var revision: UInt64 = 1
    /// Both sorted by name.
    package internal(set) var users: [AuthUser] = []
    package internal(set) var roles: [AuthRole] = []
    /// Index of the entry that changed it last.
    var modifiedAt: UInt64 = 0
    /// About what ``encode()`` needs.
    private(set) var byteCount = 0

    package init() {}

    package func user(_ name: [UInt8]) -> AuthUser? {
        AuthTable.place(of: name, in: users, \.name).found.map { users[$0] }
    }

    package func role(_ name: [UInt8]) -> AuthRole? {
        AuthTable.place(of: name, in: roles, \.name).found.map { roles[$0] }
    }

    mutating func set(_ user: AuthUser) {
        let place = AuthTable.place(of: user.name, in: users, \.name)
        if let found = place.found {
            byteCount -= users[found].byteCount
            users[found] = user
        } else {
            users.insert(user, at: place.next)
        }
        byteCount += user.byteCount
    }

    mutating func set(_ role: AuthRole) {
        let place = AuthTable.place(of: role.name, in: roles, \.name)
        if let found = place.found {
            byteCount -= roles[found].byteCount
            roles[found] = role
        } else {
            roles.insert(role, at: place.next)
        }
        byteCount += role.byteCount
    }

    mutating func removeUser(_ name: [UInt8]) {
        guard let found = AuthTable.place(of: name, in: users, \.name).found else { return }
        byteCount -= users.remove(at: found).byteCount
    }

    mutating func removeRole(_ name: [UInt8]) {
        guard let found = AuthTable.place(of: name, in: roles, \.name).found else { return }
        byteCount -= roles.remove(at: found).byteCount
        for user in users where user.roles.contains(name) {
            var poorer = user
            poorer.roles.removeAll { $0 == name }
            set(poorer)
        }
    }

    /// Where an item of that name is, or would be.
    private static func place<Item>(
        of name: [UInt8], in items: [Item], _ nameOf: (Item) -> [UInt8]
    ) -> (found: Int?, next: Int) {
        var low = 0
        var high = items.count
        while low < high {
            let middle = (low + high) / 2
            if Bytes.compare(nameOf(items[middle]), name) < 0 {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let isFound = low < items.count && nameOf(items[low]) == name
        return (isFound ? low : nil, low)
    }
}

extension AuthUser {
    fileprivate var byteCount: Int {
        24 + name.count + passwordHash.count + roles.reduce(0) { $0 + 4 + $1.count }
    }
}

extension AuthRole {
    fileprivate var byteCount: Int {
        8 + name.count
            + permissions.reduce(0) { $0 + 9 + $1.key.count + $1.rangeEnd.count }
    }
}

// MARK: - As a row

extension AuthTable {
    /// `u8 enabled | u64 revision | u32 users | user* | u32 roles | role*`, where
    /// a user is `name | hash | u64 identity revision | u32 roles | name*`,
    /// a role is `name | u32 permissions | (u8 kind | key | range end)*`;
    /// names, hashes and keys are length-prefixed. Little-endian.
    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: byteCount + 32)
        writer.write(UInt8(isEnabled ? 1 : 0))
        writer.write(revision)
        writer.write(UInt32(users.count))
        for user in users {
            writer.writeLengthPrefixed(user.name)
            writer.writeLengthPrefixed(user.passwordHash)
            writer.write(user.identityRevision)
            writer.write(UInt32(user.roles.count))
            for role in user.roles { writer.writeLengthPrefixed(role) }
        }
        writer.write(UInt32(roles.count))
        for role in roles {
            writer.writeLengthPrefixed(role.name)
            writer.write(UInt32(role.permissions.count))
            for permission in role.permissions {
                writer.write(permission.kind.rawValue)
                writer.writeLengthPrefixed(permission.key)
                writer.writeLengthPrefixed(permission.rangeEnd)
            }
        }
        return writer.bytes
    }

    package static func decode(_ reader: inout ByteReader) throws(DecodingError) -> AuthTable {
        var table = AuthTable()
        let enabled: UInt8 = try reader.read()
        table.isEnabled = enabled != 0
        let offset = reader.offset
        table.revision = try reader.read()
        guard table.revision < UInt64(RecordCoding.countMax) else {
            throw .invalid(field: "revision", offset: offset)
        }
        let userCount: UInt32 = try reader.read()
        for _ in 0..<userCount {
            var user = AuthUser(
                name: try reader.readLengthPrefixed(limit: nameBytesMax),
                passwordHash: try reader.readLengthPrefixed(limit: AuthCommand.hashBytesMax),
                identityRevision: try reader.read())
            let roleCount: UInt32 = try reader.read()
            for _ in 0..<roleCount {
                user.roles.append(try reader.readLengthPrefixed(limit: nameBytesMax))
            }
            table.set(user)
        }
        let roleCount: UInt32 = try reader.read()
        for _ in 0..<roleCount {
            var role = AuthRole(name: try reader.readLengthPrefixed(limit: nameBytesMax))
            let permissionCount: UInt32 = try reader.read()
            for _ in 0..<permissionCount {
                role.permissions.append(try KeyPermission.decode(&reader))
            }
            table.set(role)
        }
        return table
    }
}

extension KeyPermission {
    static func decode(_ reader: inout ByteReader) throws(DecodingError) -> KeyPermission {
        let offset = reader.offset
        guard let kind = PermissionKind(rawValue: try reader.read()) else {
            throw .invalid(field: "permission", offset: offset)
        }
        return KeyPermission(
            kind: kind, key: try reader.readLengthPrefixed(),
            rangeEnd: try reader.readLengthPrefixed())
    }
}
