import NIOSSL
import SwiftASN1
import X509

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Whom a certificate is for, and by what it can be revoked.
struct CertificateSubject: Sendable {
    /// The last common name, where there is one.
    let commonName: String?
    /// Subject alternative names, in lower case.
    let dnsNames: [String]
    /// The same: 4 or 16 bytes each.
    let addresses: [[UInt8]]
    let issuer: DistinguishedName
    let serial: Certificate.SerialNumber

    /// Nil: the certificate has something that swift-certificates does not read.
    init?(_ certificate: NIOSSLCertificate) {
        guard let bytes = try? certificate.toDERBytes(),
            let parsed = try? Certificate(derEncoded: bytes)
        else { return nil }
        self.init(parsed)
    }

    init?(_ certificate: Certificate) {
        guard let names = try? certificate.extensions.subjectAlternativeNames.map(Array.init) ?? []
        else { return nil }
        var commonName: String?
        for attribute in certificate.subject.joined()
        where attribute.type == .RDNAttributeType.commonName {
            commonName = String(attribute.value)
        }
        self.commonName = commonName.flatMap { $0.isEmpty ? nil : $0 }
        dnsNames = names.compactMap {
            guard case .dnsName(let name) = $0 else { return nil }
            return name.lowercased()
        }
        addresses = names.compactMap {
            guard case .ipAddress(let address) = $0 else { return nil }
            return Array(address.bytes)
        }
        issuer = certificate.issuer
        serial = certificate.serialNumber
    }

    /// Whether it is for this host: an address, or a name. A name in the certificate whose first
    /// label is `*` stands for any one label there (RFC 6125 §6.4.3); the common name does not
    /// count.
    func covers(host: String) -> Bool {
        if let address = IPAddress.bytes(host) { return addresses.contains(address) }
        let name = host.lowercased()
        return dnsNames.contains { pattern in
            if pattern == name { return true }
            guard pattern.hasPrefix("*."), let dot = name.firstIndex(of: "."),
                dot != name.startIndex
            else { return false }
            return name[dot...] == pattern.dropFirst()
        }
    }

    /// For logs: its names, bounded.
    var summary: String {
        let texts = dnsNames.prefix(8) + addresses.prefix(8).map(IPAddress.text)
        return texts.isEmpty ? "no host" : texts.joined(separator: ", ")
    }
}

enum IPAddress {
    /// The 4 or 16 bytes of an address, or nil for a name.
    static func bytes(_ text: String) -> [UInt8]? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: four) { Array($0) } }
        var sixteen = in6_addr()
        guard inet_pton(AF_INET6, text, &sixteen) == 1 else { return nil }
        return withUnsafeBytes(of: sixteen) { Array($0) }
    }

    static func text(_ bytes: [UInt8]) -> String {
        if bytes.count == 4 { return bytes.map { "\($0)" }.joined(separator: ".") }
        let groups = stride(from: 0, to: bytes.count - 1, by: 2).map {
            String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16)
        }
        return groups.joined(separator: ":")
    }
}
