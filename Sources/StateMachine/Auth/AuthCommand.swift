internal import Primitives

/// What an entry of kind `auth` asks for.
///
/// `u8 number`, then the fields in order: names, hashes and keys length-prefixed, numbers
/// little-endian. The numbers are part of the log's format: never reused.
package enum AuthCommand: Equatable, Sendable {
    case enable
    case disable
    /// - Parameter hash: of the password; empty for a user who has none.
    case addUser([UInt8], hash: [UInt8])
    case deleteUser([UInt8])
    case changePassword([UInt8], hash: [UInt8])
    case grantRole([UInt8], to: [UInt8])
    case revokeRole([UInt8], from: [UInt8])
    case addRole([UInt8])
    case deleteRole([UInt8])
    case grantPermission(KeyPermission, to: [UInt8])
    case revokePermission(key: [UInt8], rangeEnd: [UInt8], from: [UInt8])
    /// A user has logged in. The entry has the token's digest only.
    case issueToken(IssuedToken)

    package static let hashBytesMax = 512

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 64)
        writer.write(number)
        switch self {
        case .enable, .disable: break
        case .addUser(let name, let hash), .changePassword(let name, let hash):
            writer.writeLengthPrefixed(name)
            writer.writeLengthPrefixed(hash)
        case .deleteUser(let name), .addRole(let name), .deleteRole(let name):
            writer.writeLengthPrefixed(name)
        case .grantRole(let role, let user), .revokeRole(let role, let user):
            writer.writeLengthPrefixed(role)
            writer.writeLengthPrefixed(user)
        case .grantPermission(let permission, let role):
            writer.write(permission.kind.rawValue)
            writer.writeLengthPrefixed(permission.key)
            writer.writeLengthPrefixed(permission.rangeEnd)
            writer.writeLengthPrefixed(role)
        case .revokePermission(let key, let rangeEnd, let role):
            writer.writeLengthPrefixed(key)
            writer.writeLengthPrefixed(rangeEnd)
            writer.writeLengthPrefixed(role)
        case .issueToken(let token):
            writer.writeLengthPrefixed(token.digest)
            writer.writeLengthPrefixed(token.user)
            writer.write(token.identityRevision)
        }
        return writer.bytes
    }

    private var number: UInt8 {
        switch self {
        case .enable: 1
        case .disable: 2
        case .addUser: 3
        case .deleteUser: 4
        case .changePassword: 5
        case .grantRole: 6
        case .revokeRole: 7
        case .addRole: 8
        case .deleteRole: 9
        case .grantPermission: 10
        case .revokePermission: 11
        case .issueToken: 12
        }
    }

    /// - Throws: ``StoreError/unknownCommand(version:kind:)`` for a number that this program does
    ///   not know, ``StoreError/malformed(offset:)`` for other bytes.
    package static func decode(_ bytes: UnsafeRawBufferPointer) throws(StoreError) -> AuthCommand {
        var reader = ByteReader(Array(bytes))
        let number: UInt8
        let command: AuthCommand?
        do throws(DecodingError) {
            number = try reader.read()
            command = try decode(number, &reader)
        } catch {
            throw .malformed(offset: reader.offset)
        }
        guard let command else {
            throw .unknownCommand(version: number, kind: CommandKind.auth.rawValue)
        }
        guard reader.isAtEnd else { throw .malformed(offset: reader.offset) }
        return command
    }

    private static func decode(
        _ number: UInt8, _ reader: inout ByteReader
    ) throws(DecodingError) -> AuthCommand? {
        func name() throws(DecodingError) -> [UInt8] {
            try reader.readLengthPrefixed(limit: AuthTable.nameBytesMax)
        }
        func hash() throws(DecodingError) -> [UInt8] {
            try reader.readLengthPrefixed(limit: hashBytesMax)
        }
        switch number {
        case 1: return .enable
        case 2: return .disable
        case 3: return .addUser(try name(), hash: try hash())
        case 4: return .deleteUser(try name())
        case 5: return .changePassword(try name(), hash: try hash())
        case 6: return .grantRole(try name(), to: try name())
        case 7: return .revokeRole(try name(), from: try name())
        case 8: return .addRole(try name())
        case 9: return .deleteRole(try name())
        case 10: return .grantPermission(try KeyPermission.decode(&reader), to: try name())
        case 11:
            return .revokePermission(
                key: try reader.readLengthPrefixed(), rangeEnd: try reader.readLengthPrefixed(),
                from: try name())
        case 12:
            return .issueToken(
                IssuedToken(
                    digest: try reader.readLengthPrefixed(limit: hashBytesMax),
                    user: try name(), identityRevision: try reader.read()))
        default: return nil
        }
    }
}

/// A token that a user was given for its password. Whoever has it is that user until it expires.
package struct IssuedToken: Equatable, Sendable {
    /// What the token is known by: the token itself is only ever sent to its user.
    package var digest: [UInt8]
    package var user: [UInt8]
    /// ``AuthUser/identityRevision`` when the password was right.
    package var identityRevision: UInt64

    package init(digest: [UInt8], user: [UInt8], identityRevision: UInt64) {
        self.digest = digest
        self.user = user
        self.identityRevision = identityRevision
    }
}
