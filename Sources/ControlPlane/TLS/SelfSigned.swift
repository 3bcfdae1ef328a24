import Crypto
import Foundation
import RPC
import SwiftASN1
import X509

/// The certificates of `--auto-tls` and `--peer-auto-tls`: made once, kept in the data directory,
/// and signed by nobody but themselves. They hide what is said; they prove nothing.
enum SelfSigned {
    /// Where `port`'s certificate and key are, made anew where they are missing, out of date, or
    /// not for all of `hosts`.
    ///
    /// - Throws: ``ConfigurationError`` where they cannot be written.
    static func files(
        _ flags: TLSFlags, in dataDirectory: String, hosts: [String], years: Int
    ) throws(ConfigurationError) -> (certificate: String, key: String) {
        let folder = "\(dataDirectory)/fixtures/\(flags.portName)"
        let certificate = folder + "/cert.pem"
        let key = folder + "/key.pem"
        if isUsable(certificate, key, hosts) { return (certificate, key) }
        do {
            let made = try make(hosts: hosts, years: years)
            let manager = FileManager.default
            try manager.createDirectory(
                atPath: folder, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
            for (path, text) in [(key, made.key), (certificate, made.certificate)] {
                try? manager.removeItem(atPath: path)
                let isMade = manager.createFile(
                    atPath: path, contents: Data(text.utf8),
                    attributes: [.posixPermissions: 0o600])
                guard isMade else { throw CocoaError(.fileWriteUnknown) }
            }
        } catch {
            throw ConfigurationError(
                flag: flags.name(.automatic), value: folder,
                reason: "a certificate cannot be made there: \(error)",
                hint: "Make --data-dir a place that this server may write to")
        }
        return (certificate, key)
    }

    private static func isUsable(_ certificate: String, _ key: String, _ hosts: [String]) -> Bool {
        guard FileManager.default.fileExists(atPath: key),
            let text = try? String(contentsOfFile: certificate, encoding: .utf8),
            let found = try? Certificate(pemEncoded: text), let subject = CertificateSubject(found)
        else { return false }
        return found.notValidAfter > Date() && hosts.allSatisfy(subject.covers(host:))
    }

    private static func make(
        hosts: [String], years: Int
    ) throws -> (certificate: String, key: String) {
        let key = P256.Signing.PrivateKey()
        let name = try DistinguishedName { OrganizationName("keelson") }
        let names = hosts.map { host -> GeneralName in
            guard let address = IPAddressBytes.parse(host) else { return .dnsName(host) }
            return .ipAddress(ASN1OctetString(contentBytes: address[...]))
        }
        let now = Date()
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(),
            publicKey: Certificate.PublicKey(key.publicKey),
            // Clocks differ a little.
            notValidBefore: now - 3600, notValidAfter: now + Double(years) * 365 * 86_400,
            issuer: name, subject: name,
            // No key usage: one without the signing of certificates could not be given to clients
            // as the CA to trust, and one with it would belong to a CA.
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
                SubjectAlternativeNames(names)
            },
            issuerPrivateKey: Certificate.PrivateKey(key))
        return (try certificate.serializeAsPEM().pemString, key.pemRepresentation)
    }
}
