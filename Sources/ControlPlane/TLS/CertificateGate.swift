import NIOCore
import NIOSSL
import NIOTLS
import RPC

/// Which certificates are let through, beyond that a trusted CA has signed them. The same for every
/// listener, and for peers that are dialled.
struct CertificatePolicy: Sendable {
    /// Whether the handshake has verified the other side's certificate.
    let isVerified: Bool
    /// The host that was dialled. Nil: the other side dialled.
    let host: String?
    let revocations: [RevocationList]
    let allowedNames: [String]
    let allowedHosts: [String]

    /// Nil for a certificate that is let through.
    func refusal(of subject: CertificateSubject) -> String? {
        if let host, !subject.covers(host: host) {
            return "its certificate is for \(subject.summary), not for \(host)"
        }
        if revocations.contains(where: { $0.revokes(subject) }) {
            return "the certificate with the serial number \(subject.serial) is revoked"
        }
        if !allowedNames.isEmpty, !allowedNames.contains(subject.commonName ?? "") {
            return "the certificate's common name '\(subject.commonName ?? "")' is not allowed"
        }
        if !allowedHosts.isEmpty, !allowedHosts.contains(where: subject.covers(host:)) {
            return "the certificate is for \(subject.summary), which is not allowed"
        }
        return nil
    }
}

/// Why a connection over TLS came to nothing, for people.
struct TLSRefusal: Error, CustomStringConvertible {
    let description: String
}

/// Stands behind a TLS handler: lets nothing through before the certificate is judged, and says
/// why a handshake failed.
///
/// Confined to its channel's event loop.
final class CertificateGate: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let tls: NIOSSLHandler
    private let chain: ChainCheck?
    private let policy: CertificatePolicy
    private let onRefusal: (String) -> Void
    private var isOpen = false
    private var isRefused = false
    /// Of the other side's verified certificate.
    private(set) var subject: CertificateSubject?

    init(
        _ tls: NIOSSLHandler, _ chain: ChainCheck?, _ policy: CertificatePolicy,
        onRefusal: @escaping (String) -> Void
    ) {
        self.tls = tls
        self.chain = chain
        self.policy = policy
        self.onRefusal = onRefusal
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent {
            if let reason = judge() { return refuse(context, reason) }
            isOpen = true
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func judge() -> String? {
        guard policy.isVerified else { return nil }
        guard let certificate = tls.peerCertificate else { return "it showed no certificate" }
        // A session that is resumed brings its certificate along, and no CA is asked again.
        if let reason = TLSReason.outOfTime(certificate) { return "its certificate: \(reason)" }
        guard let subject = CertificateSubject(certificate) else {
            return "its certificate has something that cannot be read"
        }
        if let reason = policy.refusal(of: subject) { return reason }
        self.subject = subject
        return nil
    }

    private func refuse(_ context: ChannelHandlerContext, _ reason: String) {
        guard !isRefused else { return }
        isRefused = true
        onRefusal(reason)
        context.fireErrorCaught(TLSRefusal(description: reason))
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isOpen { context.fireChannelRead(data) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isOpen, !isRefused else {
            context.fireErrorCaught(error)
            return
        }
        refuse(context, chain?.refusal ?? TLSReason.describe(error, tls.peerCertificate))
    }
}
