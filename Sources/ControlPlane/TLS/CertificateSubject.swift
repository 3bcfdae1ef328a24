import NIOSSL
import RPC
import SwiftASN1
import X509

/// Whom a certificate is for, and by what it can be revoked.
struct CertificateSubject: Sendable {
    /// The last common name, where there is one.
    let commonName: String?
    private let hosts: CertificateHosts
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
        hosts = CertificateHosts(
            names: names.compactMap {
                guard case .dnsName(let name) = $0 else { return nil }
                return name
            },
            addresses: names.compactMap {
                guard case .ipAddress(let address) = $0 else { return nil }
                return Array(address.bytes)
            })
        issuer = certificate.issuer
        serial = certificate.serialNumber
    }

    /// Whether it is for this host: an address, or a name.
    func covers(host: String) -> Bool { hosts.covers(host: host) }

    /// For logs: its hosts, bounded.
    var summary: String { hosts.summary }
}
