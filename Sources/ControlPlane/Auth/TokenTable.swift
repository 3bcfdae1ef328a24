internal import Crypto
package import NIOCore
package import Primitives
package import StateMachine

/// The tokens that users were given, by digest, as this node has seen them in the log. A token
/// expires when it was not used on this node for its time to live; one that a restart or a snapshot
/// skipped is unknown, and its client logs in again. All as with etcd's simple tokens.
package struct TokenTable {
    private struct Entry {
        var token: IssuedToken
        var expiresAt: NIODeadline
    }

    /// Above it the one that expires next makes room.
    package static let tokensMax = 100_000

    /// For how long a token that is not used counts.
    let timeToLive: TimeAmount
    private var entries: [Bytes: Entry] = [:]
    private var nextSweep = NIODeadline.uptimeNanoseconds(0)

    package init(timeToLive: TimeAmount) { self.timeToLive = timeToLive }

    package var count: Int { entries.count }

    package mutating func add(_ token: IssuedToken, now: NIODeadline) {
        sweep(now)
        if entries.count >= Self.tokensMax,
            let oldest = entries.min(by: { $0.value.expiresAt < $1.value.expiresAt })
        {
            entries[oldest.key] = nil
        }
        entries[Bytes(token.digest)] = Entry(token: token, expiresAt: now + timeToLive)
    }

    /// The token of that digest, which counts as used now.
    package mutating func use(_ digest: [UInt8], now: NIODeadline) -> IssuedToken? {
        let key = Bytes(digest)
        guard let entry = entries[key] else { return nil }
        guard entry.expiresAt > now else {
            entries[key] = nil
            return nil
        }
        entries[key]?.expiresAt = now + timeToLive
        return entry.token
    }

    package mutating func removeAll() { entries = [:] }

    private mutating func sweep(_ now: NIODeadline) {
        guard now >= nextSweep else { return }
        nextSweep = now + .seconds(1)
        entries = entries.filter { $0.value.expiresAt > now }
    }
}

/// A token as its user has it: letters that nobody can guess, and the index of an entry behind the
/// one that announced it. A node that has applied less does not know the token yet.
package struct TokenText {
    private static let letters = Array(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".utf8)
    private static let secretByteCount = 32
    private static let bytesMax = 64

    package let secret: [UInt8]
    package let index: UInt64

    /// A new one: 190 bits from the system's generator, which is fit for secrets.
    package static func makeSecret() -> [UInt8] {
        (0..<secretByteCount).map { _ in letters[Int.random(in: 0..<letters.count)] }
    }

    package init(secret: [UInt8], index: LogIndex) {
        self.secret = secret
        self.index = index.rawValue
    }

    /// Nil for what is no token.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.bytesMax, let dot = text.utf8.lastIndex(of: 0x2E),
            let index = UInt64(text[text.index(after: dot)...])
        else { return nil }
        secret = Array(text.utf8[..<dot])
        self.index = index
    }

    package var text: String { String(decoding: secret, as: UTF8.self) + ".\(index)" }

    package var digest: [UInt8] { Array(SHA256.hash(data: secret)) }
}
