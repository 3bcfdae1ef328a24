package import NIOCore
internal import NIOPosix

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension RPCServer {
    /// Serves a channel that somebody else feeds, an embedded one, as an HTTP/2 connection.
    package func serve(_ channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(
            ServerConnection(
                core: core, peerAddress: nil, peerCommonName: nil, acceptedAt: .now()))
    }

    /// A client of this server over a pair of sockets that nobody else can reach. Its calls are
    /// treated as if they came from `peerAddress`, without a certificate.
    /// - Returns: fails with an ``RPCStatus`` of code `unavailable` where the system has no more
    ///   sockets or the server no room.
    package func connectInProcess(
        peerAddress: SocketAddress?, settings: RPCClientSettings = RPCClientSettings()
    ) -> EventLoopFuture<RPCClient> {
        var pair: [CInt] = [-1, -1]
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &pair) == 0 else {
            return core.eventLoop.makeFailedFuture(
                RPCStatus(.unavailable, "no socket is left: errno \(errno)", neverSent: true))
        }
        let core = self.core
        let served = ClientBootstrap(group: core.eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard core.accepted(channel) else {
                        throw RPCStatus(
                            .unavailable, "too many connections", neverSent: true)
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        ServerConnection(
                            core: core, peerAddress: peerAddress, peerCommonName: nil,
                            acceptedAt: .now()))
                }
            }
            .withConnectedSocket(pair[0])
        let other = pair[1]
        return served.flatMap { _ in
            RPCClient.adopt(socket: other, on: core.eventLoop, settings: settings)
        }.flatMapErrorThrowing { error in
            if let status = error as? RPCStatus { throw status }
            throw RPCStatus(.unavailable, "cannot connect to myself: \(error)", neverSent: true)
        }
    }
}
