import NIOSSL
import SwiftASN1
import X509

/// Looks every certificate of a chain up in the lists of revocations, while BoringSSL verifies it:
/// from the trusted CA's down to the one that is shown.
///
/// It can only refuse what BoringSSL takes. A refusal ends the handshake, so that no session comes
/// of it that could be resumed without a look at the lists.
///
/// Confined to its channel's event loop.
final class ChainCheck {
    private let revocations: [RevocationList]
    /// Why the chain was refused here.
    private(set) var refusal: String?

    /// RFC 5280 §4.2.1.11. What BoringSSL finds to be against it, it may blame on no certificate,
    /// and swift-nio-ssl's callback cannot be told that.
    private static let policyConstraints: ASN1ObjectIdentifier = [2, 5, 29, 36]

    private init(_ revocations: [RevocationList]) { self.revocations = revocations }

    /// - Parameter revocations: with none there is nothing to look up, and no check.
    static func server(
        _ context: NIOSSLContext, _ revocations: [RevocationList]
    ) throws -> (NIOSSLHandler, ChainCheck?) {
        if revocations.isEmpty { return (NIOSSLServerHandler(context: context), nil) }
        let check = ChainCheck(revocations)
        return (try makers.server(context, check.judge), check)
    }

    /// - Parameter name: sent to the server (SNI); nil for an address.
    static func client(
        _ context: NIOSSLContext, name: String?, _ revocations: [RevocationList]
    ) throws -> (NIOSSLHandler, ChainCheck?) {
        if revocations.isEmpty {
            return (try NIOSSLClientHandler(context: context, serverHostname: name), nil)
        }
        let check = ChainCheck(revocations)
        return (try makers.client(context, name, check.judge), check)
    }

    private func judge(
        _ result: NIOSSLVerificationResult, _ certificate: NIOSSLCertificate
    ) -> NIOSSLVerificationResult {
        guard case .certificateVerified = result, refusal == nil else { return .failed }
        refusal = reason(against: certificate)
        return refusal == nil ? result : .failed
    }

    private func reason(against certificate: NIOSSLCertificate) -> String? {
        guard let bytes = try? certificate.toDERBytes(),
            let parsed = try? Certificate(derEncoded: bytes),
            let subject = CertificateSubject(parsed)
        else { return "a certificate of its chain has something that cannot be read" }
        if parsed.extensions[oid: Self.policyConstraints] != nil {
            return "a certificate of its chain has policy constraints, which cannot be used"
                + " together with lists of revocations"
        }
        if revocations.contains(where: { $0.revokes(subject) }) {
            return "the certificate of '\(subject.commonName ?? "")' with the serial number"
                + " \(subject.serial) is revoked"
        }
        return nil
    }

    private static var makers: any ChainHandlers.Type { CallbackHandlers.self }
}

/// How handlers are made that ask for each certificate.
private protocol ChainHandlers {
    static func server(
        _ context: NIOSSLContext, _ judge: @escaping NIOSSLVerificationCallback
    ) throws -> NIOSSLHandler
    static func client(
        _ context: NIOSSLContext, _ name: String?, _ judge: @escaping NIOSSLVerificationCallback
    ) throws -> NIOSSLHandler
}

/// swift-nio-ssl calls these initialisers deprecated in favour of ones that replace BoringSSL's
/// verification as a whole (decision 0007); no others tell the chain and keep it.
private enum CallbackHandlers: ChainHandlers {
    @available(*, deprecated, message: "only through ChainHandlers")
    static func server(
        _ context: NIOSSLContext, _ judge: @escaping NIOSSLVerificationCallback
    ) throws -> NIOSSLHandler {
        try NIOSSLServerHandler(context: context, verificationCallback: judge)
    }

    @available(*, deprecated, message: "only through ChainHandlers")
    static func client(
        _ context: NIOSSLContext, _ name: String?, _ judge: @escaping NIOSSLVerificationCallback
    ) throws -> NIOSSLHandler {
        try NIOSSLClientHandler(
            context: context, serverHostname: name, verificationCallback: judge)
    }
}
