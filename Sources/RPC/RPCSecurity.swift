package import NIOCore

/// Puts a security layer (TLS) under a connection, before anything else sees its bytes.
package struct RPCSecurity: Sendable {
    /// Called for every connection, on its event loop.
    package var addHandlers: @Sendable (any Channel) throws -> Void
    /// Of a server's connection whose handshake is over: the common name of the client's verified
    /// certificate. Nil: it has none. Called on its event loop.
    package var peerCommonName: @Sendable (any Channel) -> String?

    package init(
        peerCommonName: @escaping @Sendable (any Channel) -> String? = { _ in nil },
        addHandlers: @escaping @Sendable (any Channel) throws -> Void
    ) {
        self.peerCommonName = peerCommonName
        self.addHandlers = addHandlers
    }
}
