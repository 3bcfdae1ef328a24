internal import NIOCore
package import NIOSSL
internal import NIOTLS

/// How a client speaks TLS: whom it trusts, and who it is.
package struct ClientTLS: Sendable {
    private let context: NIOSSLContext
    private let skipsVerification: Bool

    /// - Parameters:
    ///   - caPath: whose certificates servers must have; nil for those that the system trusts.
    ///   - certificatePath: what is shown to servers that ask; nil for nothing.
    ///   - skipsVerification: takes any server for the right one.
    ///   - protocols: what ALPN offers: gRPC's, unless said otherwise.
    package init(
        caPath: String?, certificatePath: String?, keyPath: String?, skipsVerification: Bool,
        protocols: [String] = ["h2"]
    ) throws(TLSFileError) {
        self.skipsVerification = skipsVerification
        var identity: TLSIdentity?
        if let certificatePath, let keyPath {
            identity = try TLSIdentity(certificatePath: certificatePath, keyPath: keyPath)
        }
        let trust: TLSProfile.Trust
        if skipsVerification {
            trust = .anybody
        } else if let caPath {
            trust = .roots(try TLSFiles.certificates(at: caPath))
        } else {
            trust = .system
        }
        context = try TLSProfile.clientContext(
            identity, trust: trust, minimum: .tls12, protocols: protocols)
    }

    /// TLS towards the server at `host`, whose certificate must have that name or address.
    package func security(for host: String) -> RPCSecurity {
        let context = self.context
        let expected = skipsVerification ? nil : host
        return RPCSecurity { channel in
            let pipeline = channel.pipeline.syncOperations
            let handler = try TLSClientHandlers.make(context, host: host)
            try pipeline.addHandler(handler)
            try pipeline.addHandler(ServerGate(handler, host: expected))
        }
    }
}

package enum TLSClientHandlers {
    /// - Parameter host: a name or an address, which the server's certificate must have. A name is
    ///   sent to the server too (SNI).
    package static func make(
        _ context: NIOSSLContext, host: String
    ) throws -> NIOSSLClientHandler {
        // NIOSSL takes a certificate for the address that was dialled even where a name was given:
        // whoever uses this compares with ``CertificateHosts`` himself.
        try NIOSSLClientHandler(context: context, serverHostname: serverName(host))
    }

    /// What the server is told of whom it is taken for. Nil for an address.
    package static func serverName(_ host: String) -> String? {
        IPAddressBytes.parse(host) == nil ? host : nil
    }
}

/// Lets nothing of a server through before its certificate is known to be for the host that was
/// meant, and says what a TLS connection failed of, in words, to the connection that is above it.
private final class ServerGate: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let tls: NIOSSLHandler
    /// Nil: any server will do.
    private let host: String?
    private var isOpen = false

    init(_ tls: NIOSSLHandler, host: String?) {
        self.tls = tls
        self.host = host
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent {
            if let host {
                let hosts =
                    tls.peerCertificate.map(CertificateHosts.init)
                    ?? CertificateHosts(names: [], addresses: [])
                guard hosts.covers(host: host) else { return refuse(context, hosts, host) }
            }
            isOpen = true
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func refuse(
        _ context: ChannelHandlerContext, _ hosts: CertificateHosts, _ host: String
    ) {
        let reason = "its certificate is for \(hosts.summary), not for \(host)"
        context.fireErrorCaught(
            RPCStatus(.unavailable, "TLS failed: \(reason)", neverSent: true))
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isOpen { context.fireChannelRead(data) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A server that closes without a word is a lost connection like any other.
        if case .uncleanShutdown? = error as? NIOSSLError {
            context.fireErrorCaught(error)
            return
        }
        let reason = TLSReason.describe(error, tls.peerCertificate)
        context.fireErrorCaught(
            RPCStatus(.unavailable, "TLS failed: \(reason)", neverSent: false))
    }
}
