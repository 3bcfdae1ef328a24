import ControlPlane
import NIOCore
import NIOSSL
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("Peers: what is evidence that a process is gone (DESIGN §9)")
struct PeerEvidenceTests {
    @Test("that nobody listens is")
    func refused() {
        let error = IOError(errnoCode: ECONNREFUSED, reason: "connect")
        #expect(DialFailure.meansNobodyListens(error))
    }

    private static let harmless: [any Error] = [
        IOError(errnoCode: ETIMEDOUT, reason: "connect"),
        IOError(errnoCode: ECONNRESET, reason: "read"),
        IOError(errnoCode: EHOSTUNREACH, reason: "connect"),
        NIOSSLError.handshakeFailed(.sslError([])), NIOSSLError.uncleanShutdown,
        NIOSSLExtraError.failedToValidateHostname, ChannelError.connectTimeout(.seconds(1)),
        ChannelError.ioOnClosedChannel,
    ]

    @Test("a failed handshake, and all else, is not", arguments: harmless.indices)
    func others(index: Int) {
        #expect(!DialFailure.meansNobodyListens(Self.harmless[index]))
    }
}

@Suite("TLS: flags have etcd's names")
struct TLSFlagNameTests {
    @Test("the two ports' flags")
    func names() {
        let client = TLSFlags(.client)
        let peer = TLSFlags(.peer)
        #expect(client.name(.certificate) == "--cert-file")
        #expect(client.name(.clientAuth) == "--client-cert-auth")
        #expect(client.name(.revocationList) == "--client-crl-file")
        #expect(client.name(.allowedHost) == "--client-cert-allowed-hostname")
        #expect(client.name(.automatic) == "--auto-tls")
        #expect(peer.name(.key) == "--peer-key-file")
        #expect(peer.name(.clientAuth) == "--peer-client-cert-auth")
        #expect(peer.name(.trustedCA) == "--peer-trusted-ca-file")
        #expect(peer.name(.revocationList) == "--peer-crl-file")
        #expect(peer.name(.allowedName) == "--peer-cert-allowed-cn")
        #expect(peer.name(.automatic) == "--peer-auto-tls")
    }
}
