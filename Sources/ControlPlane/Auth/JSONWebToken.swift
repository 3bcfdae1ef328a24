internal import Crypto
internal import Foundation
package import Primitives
internal import RPC
internal import StateMachine

/// What a signed token says: that somebody has proved to be a user, when authentication was at a
/// revision, and until when that counts. Names and form of the claims are etcd's.
package struct JWTClaims: Equatable, Sendable {
    package var user: [UInt8]
    package var revision: UInt64
    /// Seconds since 1970, as `notBefore`.
    package var expiresAt: Double
    package var notBefore: Double?

    package init(
        user: [UInt8], revision: UInt64, expiresAt: Double, notBefore: Double? = nil
    ) {
        self.user = user
        self.revision = revision
        self.expiresAt = expiresAt
        self.notBefore = notBefore
    }

    package func count(at now: Double) -> Bool {
        now < expiresAt && notBefore.map { $0 <= now } ?? true
    }
}

/// A token as it comes with a call: three parts in base64 with dots between them (RFC 7515 §7.1).
///
/// Only what is signed is decoded any further; and it is verified by the configured algorithm,
/// whatever its header says. The header must say the same all the same.
package struct JSONWebToken: Sendable {
    package static let bytesMax = 8 << 10

    private static let dot = UInt8(ascii: ".")

    /// Header, dot and claims: what the signature is of.
    private let signed: [UInt8]
    private let header: [UInt8]
    private let claims: [UInt8]
    private let signature: [UInt8]

    /// Nil for what cannot be one.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.bytesMax else { return nil }
        let parts = bytes.split(separator: Self.dot, omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Self.decode(parts[0]),
            let claims = Self.decode(parts[1]), let signature = Self.decode(parts[2])
        else { return nil }
        signed = Array(bytes[..<parts[1].endIndex])
        self.header = header
        self.claims = claims
        self.signature = signature
    }

    /// What it says, if one of these keys has signed it. Nil otherwise, and where it does not say
    /// who, as of when and until when. Cost: that of a signature, so not on an event loop.
    package func verified(by keys: JWTKeys) -> JWTClaims? {
        guard keys.verifies(signature, of: signed) else { return nil }
        let decoder = JSONDecoder()
        guard let header = try? decoder.decode(Header.self, from: Data(header)),
            header.alg == keys.algorithm.rawValue, header.crit == nil,
            let said = try? decoder.decode(Payload.self, from: Data(claims)),
            (1...AuthTable.nameBytesMax).contains(said.username.utf8.count), said.exp.isFinite
        else { return nil }
        return JWTClaims(
            user: Array(said.username.utf8), revision: said.revision, expiresAt: said.exp,
            notBefore: said.nbf)
    }

    /// A token of these claims; nil where the keys can only verify. Cost: that of a signature.
    package static func make(_ claims: JWTClaims, _ keys: JWTKeys) throws -> String? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let header = try encoder.encode(Header(alg: keys.algorithm.rawValue, typ: "JWT"))
        let payload = try encoder.encode(
            Payload(
                username: String(decoding: claims.user, as: UTF8.self), revision: claims.revision,
                exp: claims.expiresAt, nbf: claims.notBefore))
        let signed = encode(Array(header)) + [dot] + encode(Array(payload))
        guard let signature = try keys.sign(signed) else { return nil }
        return String(decoding: signed + [dot] + encode(signature), as: UTF8.self)
    }

    /// By which it is remembered. Nil for what is too long to be one.
    package static func digest(of text: String) -> Bytes? {
        guard text.utf8.count <= bytesMax else { return nil }
        return Bytes(Array(SHA256.hash(data: Array(text.utf8))))
    }

    private struct Header: Codable {
        var alg: String
        var typ: String?
        /// Extensions that must be understood: there is none that is (RFC 7515 §4.1.11).
        var crit: [String]?
    }

    private struct Payload: Codable {
        var username: String
        var revision: UInt64
        var exp: Double
        var nbf: Double?
    }

    // MARK: base64url without padding (RFC 7515 §2)

    private static func encode(_ bytes: [UInt8]) -> [UInt8] {
        Base64.encode(bytes).compactMap { byte in
            switch byte {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "_")
            case UInt8(ascii: "="): nil
            default: byte
            }
        }
    }

    private static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let others = [UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "=")]
        guard !text.isEmpty, !text.contains(where: others.contains) else { return nil }
        return Base64.decode(Array(text))
    }
}
