package import NIOSSL

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// What went wrong with a TLS connection, in words.
package enum TLSReason {
    /// What BoringSSL calls it, and what it means.
    private static let meanings: [(code: String, text: String)] = [
        ("CERTIFICATE_VERIFY_FAILED", "its certificate cannot be verified"),
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "it showed no certificate"),
        ("CERTIFICATE_REQUIRED", "it asks for a certificate, and none was shown"),
        ("ALERT_UNKNOWN_CA", "it does not trust the CA of the certificate that it was shown"),
        ("ALERT_CERTIFICATE_EXPIRED", "the certificate that it was shown has expired"),
        ("ALERT_CERTIFICATE_REVOKED", "the certificate that it was shown is revoked"),
        ("ALERT_BAD_CERTIFICATE", "it does not accept the certificate that it was shown"),
        ("ALERT_CERTIFICATE_UNKNOWN", "it does not accept the certificate that it was shown"),
        ("ALERT_UNSUPPORTED_CERTIFICATE", "it does not accept the certificate that it was shown"),
        ("ALERT_PROTOCOL_VERSION", "it does not speak a version of TLS that is allowed here"),
        ("UNSUPPORTED_PROTOCOL", "it does not speak a version of TLS that is allowed here"),
        ("NO_SHARED_CIPHER", "both sides have no cipher suite in common"),
        ("HTTP_REQUEST", "it does not speak TLS"),
        ("WRONG_VERSION_NUMBER", "it does not speak TLS"),
        ("EOF during handshake", "it closed the connection in the middle of the handshake"),
    ]

    /// - Parameter certificate: what the other side showed, as far as that is known.
    package static func describe(_ error: any Error, _ certificate: NIOSSLCertificate?) -> String {
        if let error = error as? NIOSSLExtraError {
            switch error {
            case .failedToValidateHostname:
                return "its certificate is for another name (\(error))"
            default: return "\(error)"
            }
        }
        if case .unableToValidateCertificate? = error as? NIOSSLError {
            return "its certificate is for another address"
        }
        let text = "\(error)"
        guard let meaning = meanings.first(where: { text.contains($0.code) }) else { return text }
        guard meaning.code == "CERTIFICATE_VERIFY_FAILED" else { return meaning.text }
        return meaning.text + ": " + blame(certificate)
    }

    private static func blame(_ certificate: NIOSSLCertificate?) -> String {
        guard let certificate else {
            return "no trusted CA signed it, or it is not valid now or not for this use"
        }
        return outOfTime(certificate)
            ?? "no trusted CA signed it, or it is not for this use (extended key usage)"
    }

    /// Nil, or why a certificate does not hold at this moment.
    package static func outOfTime(_ certificate: NIOSSLCertificate) -> String? {
        let now = time(nil)
        if certificate.notValidAfter < now {
            return "it expired \(span(now - certificate.notValidAfter)) ago"
        }
        if certificate.notValidBefore > now {
            return "it becomes valid in \(span(certificate.notValidBefore - now)) only"
        }
        return nil
    }

    private static func span(_ seconds: Int) -> String {
        switch seconds {
        case ..<7200: "\(seconds) s"
        case ..<172_800: "\(seconds / 3600) h"
        default: "\(seconds / 86_400) days"
        }
    }
}
