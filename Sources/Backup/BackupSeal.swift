internal import Crypto
internal import FoundationEssentials
internal import Primitives

/// The key with which backups are encrypted, and told from forged ones: AES-256-GCM (NIST SP
/// 800-38D) with a nonce of 96 random bits for each piece.
///
/// A piece is 12 bytes of nonce, the ciphertext, and 16 bytes of tag. What a piece is, and where it
/// belongs, is authenticated with it, so that pieces cannot be swapped, left out, or taken from
/// another file. One key is good for 2³² pieces: a terabyte a day for a century.
package struct BackupSeal: Sendable {
    package static let keyByteCount = 32
    static let nonceByteCount = 12
    static let tagByteCount = 16
    /// How much longer a piece is than what is in it.
    static let overheadByteCount = nonceByteCount + tagByteCount

    private let key: SymmetricKey
    /// Tells keys apart, and nothing about them.
    let fingerprint: UInt64

    /// Of a key file: 32 bytes, or 64 hexadecimal digits with whitespace around them. Nil for
    /// anything else.
    package init?(keyFile bytes: [UInt8]) {
        guard let raw = Self.rawKey(bytes) else { return nil }
        key = SymmetricKey(data: raw)
        let named = Array("keelson backup key 1".utf8) + raw
        fingerprint = SHA256.hash(data: named).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func rawKey(_ bytes: [UInt8]) -> [UInt8]? {
        if bytes.count == keyByteCount { return bytes }
        let isBlank = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) }
        let digits = bytes.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
        guard digits.count == 2 * keyByteCount else { return nil }
        var raw: [UInt8] = []
        var high: UInt8?
        for digit in digits {
            guard let value = value(ofHexDigit: digit) else { return nil }
            if let first = high {
                raw.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return raw
    }

    private static func value(ofHexDigit digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// - Parameter context: what is authenticated besides.
    func seal(_ content: [UInt8], _ context: [UInt8]) -> [UInt8] {
        guard let box = try? AES.GCM.seal(content, using: key, authenticating: context) else {
            invariant(false, "AES-GCM refused a key of \(Self.keyByteCount) bytes")
            return []
        }
        return Array(box.nonce) + Array(box.ciphertext) + Array(box.tag)
    }

    /// What was sealed with this key and `context`; nil where that is not so.
    func open(_ piece: [UInt8], _ context: [UInt8]) -> [UInt8]? {
        guard piece.count >= Self.overheadByteCount,
            let nonce = try? AES.GCM.Nonce(data: piece.prefix(Self.nonceByteCount)),
            let box = try? AES.GCM.SealedBox(
                nonce: nonce,
                ciphertext: piece.dropFirst(Self.nonceByteCount).dropLast(Self.tagByteCount),
                tag: piece.suffix(Self.tagByteCount)),
            let content = try? AES.GCM.open(box, using: key, authenticating: context)
        else { return nil }
        return Array(content)
    }
}
