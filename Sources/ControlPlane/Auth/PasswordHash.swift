internal import Crypto
internal import CryptoExtras
internal import Foundation

/// What is kept of a password: scrypt (RFC 7914) over it and a salt of its own.
///
/// ```
/// 0  u8  version, 1
/// 1  u8  log2 of N     what it cost to make, so that a later default does not
/// 2  u8  r             make old hashes void
/// 3  u8  p
/// 4      16 bytes of salt, then 32 of key
/// ```
package struct PasswordHash: Sendable {
    private static let version: UInt8 = 1
    private static let headByteCount = 4
    private static let saltByteCount = 16
    private static let keyByteCount = 32
    /// N = 2^15, r = 8, p = 1: 32 MiB and about a tenth of a second.
    private static let usualCost = Cost(logRounds: 15, blockSize: 8, parallelism: 1)
    /// A hash that asks for more than this is not one of ours.
    private static let logRoundsMax: UInt8 = 20

    private struct Cost: Sendable {
        var logRounds: UInt8
        var blockSize: UInt8
        var parallelism: UInt8
    }

    private let cost: Cost
    private let salt: [UInt8]
    private let key: SymmetricKey

    /// Hashes a password. Cost: some 32 MiB and a tenth of a second, so never on an event loop.
    package static func make(_ password: [UInt8]) -> [UInt8] {
        let salt = (0..<saltByteCount).map { _ in UInt8.random(in: 0...(.max)) }
        guard let key = derive(password, salt, usualCost) else { return [] }
        let head = [version, usualCost.logRounds, usualCost.blockSize, usualCost.parallelism]
        return head + salt + key.withUnsafeBytes { Array($0) }
    }

    /// Nil for bytes that are not a hash of ours.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.headByteCount + Self.saltByteCount + Self.keyByteCount,
            bytes[0] == Self.version, (1...Self.logRoundsMax).contains(bytes[1]), bytes[2] > 0,
            bytes[3] > 0
        else { return nil }
        cost = Cost(logRounds: bytes[1], blockSize: bytes[2], parallelism: bytes[3])
        salt = Array(bytes[Self.headByteCount..<(Self.headByteCount + Self.saltByteCount)])
        key = SymmetricKey(data: bytes[(Self.headByteCount + Self.saltByteCount)...])
    }

    /// Whether a password is the one that was hashed; compared in constant time. Cost: as
    /// ``make(_:)``.
    package func matches(_ password: [UInt8]) -> Bool {
        Self.derive(password, salt, cost).map { $0 == key } ?? false
    }

    /// A hash that no password matches: who asks for a user that does not exist waits as long.
    package static let ofNobody: PasswordHash? = {
        let cost = usualCost
        let head = [version, cost.logRounds, cost.blockSize, cost.parallelism]
        let rest = (0..<(saltByteCount + keyByteCount)).map { _ in UInt8.random(in: 0...(.max)) }
        return PasswordHash(head + rest)
    }()

    private static func derive(
        _ password: [UInt8], _ salt: [UInt8], _ cost: Cost
    ) -> SymmetricKey? {
        try? KDF.Scrypt.deriveKey(
            from: password, salt: salt, outputByteCount: keyByteCount,
            rounds: 1 << Int(cost.logRounds), blockSize: Int(cost.blockSize),
            parallelism: Int(cost.parallelism))
    }
}
