package import NIOCore

/// Puts a security layer (TLS) under a connection, before anything else sees its bytes.
package struct RPCSecurity: Sendable {
    /// Called for every connection, on its event loop.
    package var addHandlers: @Sendable (any Channel) throws -> Void

    package init(addHandlers: @escaping @Sendable (any Channel) throws -> Void) {
        self.addHandlers = addHandlers
    }
}
