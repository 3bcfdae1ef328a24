import NIOSSL
import RPC
import SwiftASN1
import X509

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The certificates that a CA has revoked (RFC 5280 §5.1), its signature verified.
package struct RevocationList: Sendable {
    /// Why a list is not used.
    private enum Refusal: Error {
        case malformed(String)
    }

    let issuer: DistinguishedName
    private let serials: Set<Certificate.SerialNumber>
    /// When the next list should be out, in seconds since 1970. Nil: it does not say.
    let nextUpdate: Int?

    /// Whether a newer list should be there.
    var isOverdue: Bool { nextUpdate.map { $0 < time(nil) } ?? false }

    func revokes(_ subject: CertificateSubject) -> Bool {
        subject.issuer == issuer && serials.contains(subject.serial)
    }

    /// The lists in a file: PEM blocks one after another, or one list in DER.
    ///
    /// - Parameter roots: one of them must have signed each list.
    static func read(
        _ path: String, roots: [NIOSSLCertificate]
    ) throws(TLSFileError) -> [RevocationList] {
        try parse(try TLSFiles.read(path), path: path, roots: roots)
    }

    private static func parse(
        _ bytes: [UInt8], path: String, roots: [NIOSSLCertificate]
    ) throws(TLSFileError) -> [RevocationList] {
        let authorities = roots.compactMap { root in
            (try? root.toDERBytes()).flatMap { try? Certificate(derEncoded: $0) }
        }
        do {
            let documents = try documents(bytes)
            guard !documents.isEmpty else { throw Refusal.malformed("it is empty") }
            return try documents.map { try RevocationList(der: $0, authorities: authorities) }
        } catch Refusal.malformed(let reason) {
            throw .badRevocationList(path: path, reason: reason)
        } catch {
            throw .badRevocationList(path: path, reason: "its encoding is wrong (\(error))")
        }
    }

    /// Whether these bytes would be taken as lists that one of `roots`, in PEM, has signed.
    package static func accepts(_ bytes: [UInt8], roots: [UInt8]) -> Bool {
        let roots = (try? NIOSSLCertificate.fromPEMBytes(roots)) ?? []
        return (try? parse(bytes, path: "", roots: roots)) != nil
    }

    private static func documents(_ bytes: [UInt8]) throws -> [[UInt8]] {
        // A sequence in DER; PEM is text.
        if bytes.first == 0x30 { return [bytes] }
        let blocks = try PEMDocument.parseMultiple(
            pemString: String(decoding: bytes, as: UTF8.self))
        return try blocks.map { block in
            guard block.discriminator == "X509 CRL" else {
                throw Refusal.malformed("it has a block '\(block.discriminator)'")
            }
            return block.derBytes
        }
    }

    private init(der: [UInt8], authorities: [Certificate]) throws {
        let parts = try Self.children(try DER.parse(der))
        guard parts.count == 3 else { throw Refusal.malformed("it is no CertificateList") }
        let list = try Self.children(parts[0])
        var next = list[...]
        if next.first?.identifier == .integer { next = next.dropFirst() }
        guard next.count >= 3 else { throw Refusal.malformed("it is no TBSCertList") }
        guard next[next.startIndex].encodedBytes == parts[1].encodedBytes else {
            throw Refusal.malformed("it names two algorithms")
        }
        issuer = try DistinguishedName(derEncoded: next[next.startIndex + 1])
        next = next.dropFirst(3)
        if let time = next.first.flatMap(Self.seconds) {
            nextUpdate = time
            next = next.dropFirst()
        } else {
            nextUpdate = nil
        }
        var revoked: Set<Certificate.SerialNumber> = []
        if let node = next.first, node.identifier == .sequence {
            for entry in try Self.children(node) {
                let fields = try Self.children(entry)
                guard let serial = fields.first else {
                    throw Refusal.malformed("an entry is empty")
                }
                try Self.refuseCritical(fields.dropFirst(2).first)
                let number = try ArraySlice<UInt8>(derEncoded: serial)
                revoked.insert(Certificate.SerialNumber(bytes: number))
            }
            next = next.dropFirst()
        }
        serials = revoked
        if let tagged = next.first { try Self.refuseCritical(try Self.children(tagged).first) }
        try Self.verify(parts, issuer, authorities)
    }

    private static func verify(
        _ parts: [ASN1Node], _ issuer: DistinguishedName, _ authorities: [Certificate]
    ) throws {
        let named = authorities.filter { $0.subject == issuer }
        guard !named.isEmpty else {
            throw Refusal.malformed("it is of \(issuer), which is not among the trusted CAs")
        }
        guard let identifier = try children(parts[1]).first,
            let algorithm = algorithms[try ASN1ObjectIdentifier(derEncoded: identifier)]
        else { throw Refusal.malformed("its signature's algorithm is not supported") }
        let signature = try ASN1BitString(derEncoded: parts[2])
        let isSigned = named.contains { authority in
            let mayNotSign = (try? authority.extensions.keyUsage)?.cRLSign == false
            return !mayNotSign
                && authority.publicKey.isValidSignature(
                    Array(signature.bytes), for: Array(parts[0].encodedBytes),
                    signatureAlgorithm: algorithm)
        }
        guard isSigned else { throw Refusal.malformed("\(issuer) has not signed it") }
    }

    /// Source: RFC 5758 §3.2, RFC 4055 §5, RFC 8410 §3.
    private static let algorithms: [ASN1ObjectIdentifier: Certificate.SignatureAlgorithm] = [
        [1, 2, 840, 10045, 4, 3, 2]: .ecdsaWithSHA256,
        [1, 2, 840, 10045, 4, 3, 3]: .ecdsaWithSHA384,
        [1, 2, 840, 10045, 4, 3, 4]: .ecdsaWithSHA512,
        [1, 2, 840, 113549, 1, 1, 11]: .sha256WithRSAEncryption,
        [1, 2, 840, 113549, 1, 1, 12]: .sha384WithRSAEncryption,
        [1, 2, 840, 113549, 1, 1, 13]: .sha512WithRSAEncryption,
        [1, 3, 101, 112]: .ed25519,
    ]

    /// What a list means that has a critical extension is not what its entries say alone (RFC 5280
    /// §5.2, §5.3): parts of lists, differences, entries of other CAs.
    private static func refuseCritical(_ extensions: ASN1Node?) throws {
        guard let extensions else { return }
        for one in try children(extensions) {
            let fields = try children(one)
            if fields.count == 3, try Bool(derEncoded: fields[1]), let name = fields.first {
                let identifier = try ASN1ObjectIdentifier(derEncoded: name)
                throw Refusal.malformed("it has the critical extension \(identifier)")
            }
        }
    }

    private static func children(_ node: ASN1Node) throws -> [ASN1Node] {
        guard case .constructed(let nodes) = node.content else {
            throw Refusal.malformed("a sequence is missing")
        }
        return Array(nodes)
    }

    private static func seconds(_ node: ASN1Node) -> Int? {
        var parts = tm()
        if let time = try? UTCTime(derEncoded: node) {
            parts.tm_year = Int32(time.year - 1900)
            parts.tm_mon = Int32(time.month - 1)
            parts.tm_mday = Int32(time.day)
            parts.tm_hour = Int32(time.hours)
            parts.tm_min = Int32(time.minutes)
            parts.tm_sec = Int32(time.seconds)
        } else if let time = try? GeneralizedTime(derEncoded: node) {
            parts.tm_year = Int32(time.year - 1900)
            parts.tm_mon = Int32(time.month - 1)
            parts.tm_mday = Int32(time.day)
            parts.tm_hour = Int32(time.hours)
            parts.tm_min = Int32(time.minutes)
            parts.tm_sec = Int32(time.seconds)
        } else {
            return nil
        }
        return timegm(&parts)
    }
}
