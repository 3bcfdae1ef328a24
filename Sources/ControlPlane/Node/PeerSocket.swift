import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// How the connections between peers find out that the machine at the other end is gone: a power
/// cut closes nothing, and neither does a network that loses everything.
///
/// There the system sends again after ever longer pauses, up to two minutes, and so long the
/// members would stay apart after the network has healed (tcp(7), RFC 5482).
enum PeerSocket {
    /// What was sent and not acknowledged, by the peer's system and not by the peer, for so long
    /// breaks the connection, in milliseconds. It is dialled anew, every 1.5 seconds at least.
    static let unacknowledgedMax: Int = 3000
    /// A silent connection is asked after so many seconds, so often, so many times.
    static let probeAfter: Int = 1
    static let probeEvery: Int = 1
    static let probes: Int = 3

    /// Puts TLS under a connection that this node opens, where the URL asks for it.
    static func secure(
        _ channel: any Channel, to url: ServiceURL, _ security: TLSPort?
    ) throws {
        guard url.isSecure else { return }
        guard let security else {
            throw TLSRefusal(description: "\(url) needs TLS: give --peer-cert-file here too")
        }
        try security.dial(channel, host: url.host)
    }

    static let options: [(ChannelOptions.Types.SocketOption, Int)] = [
        (.tcpOption(.tcp_nodelay), 1),
        (.socketOption(.so_keepalive), 1),
        (.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPIDLE)), probeAfter),
        (.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPINTVL)), probeEvery),
        (.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPCNT)), probes),
        (.tcpOption(NIOBSDSocket.Option(rawValue: TCP_USER_TIMEOUT)), unacknowledgedMax),
    ]
}

/// What a connection that could not be opened says of the process at the other end.
package enum DialFailure {
    /// Whether the system there says that nobody listens: evidence, on which an election may begin
    /// before its time, that the process is gone. Nothing else is: who accepts a connection and
    /// then cuts it, in a TLS handshake or later, is alive.
    package static func meansNobodyListens(_ error: any Error) -> Bool {
        if let error = error as? NIOConnectionError {
            // One address that does not answer may be the one where the peer is.
            let errors = error.connectionErrors
            return !errors.isEmpty && errors.allSatisfy { meansNobodyListens($0.error) }
        }
        return (error as? IOError)?.errnoCode == ECONNREFUSED
    }
}

extension ClientBootstrap {
    func peerSocketOptions() -> ClientBootstrap {
        PeerSocket.options.reduce(self) { $0.channelOption($1.0, value: $1.1) }
    }
}

extension ServerBootstrap {
    func childPeerSocketOptions() -> ServerBootstrap {
        PeerSocket.options.reduce(self) { $0.childChannelOption($1.0, value: $1.1) }
    }
}
