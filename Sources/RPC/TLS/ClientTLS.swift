internal import NIOCore
package import NIOSSL

/// How a client speaks TLS: whom it trusts, and who it is.
package struct ClientTLS: Sendable {
    private let context: NIOSSLContext

    /// - Parameters:
    ///   - caPath: whose certificates servers must have; nil for those that the system trusts.
    ///   - certificatePath: what is shown to servers that ask; nil for nothing.
    ///   - skipsVerification: takes any server for the right one.
    package init(
        caPath: String?, certificatePath: String?, keyPath: String?, skipsVerification: Bool
    ) throws(TLSFileError) {
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
            identity, trust: trust, minimum: .tls12, protocols: ["h2"])
    }

    /// TLS towards the server at `host`, whose certificate must have that name or address.
    package func security(for host: String) -> RPCSecurity {
        let context = self.context
        return RPCSecurity { channel in
            let pipeline = channel.pipeline.syncOperations
            let handler = try TLSClientHandlers.make(context, host: host)
            try pipeline.addHandler(handler)
            try pipeline.addHandler(TLSFailureHandler(handler))
        }
    }
}

package enum TLSClientHandlers {
    /// - Parameter host: a name or an address, which the server's certificate must have. A name is
    ///   sent to the server too (SNI).
    package static func make(
        _ context: NIOSSLContext, host: String
    ) throws -> NIOSSLClientHandler {
        // Without a name NIOSSL compares the certificate with the address that was dialled.
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
    }
}

/// Says what a TLS connection failed of, in words, to the connection that is above it.
private final class TLSFailureHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let tls: NIOSSLHandler

    init(_ tls: NIOSSLHandler) { self.tls = tls }

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
