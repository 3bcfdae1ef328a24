package import NIOCore

/// A whole HTTP/1.1 request.
package struct HTTP1Request: Sendable {
    /// `GET`, `POST`, …
    package var method: String
    /// The target as it was sent: path and query, not decoded.
    package var uri: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    package var connection: HTTP1Connection
    /// The common name of the client's certificate (TLS). Nil without a verified certificate.
    package var peerCommonName: String?

    /// The first header with that name, in any case.
    package func header(_ name: String) -> String? {
        let wanted = name.lowercased()
        return headers.first { $0.name.lowercased() == wanted }?.value
    }
}

/// A whole HTTP/1.1 answer; its length is set by the server.
package struct HTTP1Response: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    /// Given what to write more with, once head and ``body`` are sent; the answer ends when it says
    /// so. Nil: the body is all.
    package var continuation: (@Sendable (HTTP1Stream) -> Void)?

    package init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// One HTTP/1.1 connection, as those see it who answer its requests. Confined to its event loop,
/// hence `@unchecked Sendable`.
package final class HTTP1Connection: @unchecked Sendable {
    package let peerAddress: SocketAddress?
    /// What somebody keeps for as long as the connection lives.
    package var session: AnyObject?
    /// Told once when the connection is gone, whatever is being answered.
    package var onClose: (() -> Void)?

    package init(peerAddress: SocketAddress?) { self.peerAddress = peerAddress }
}

/// The rest of an answer that comes in pieces. Confined to the connection's event loop, hence
/// `@unchecked Sendable`.
package final class HTTP1Stream: @unchecked Sendable {
    var writePiece: (([UInt8]) -> Void)?
    var finish: (() -> Void)?
    /// Told when the client has taken what was written, after it had not.
    package var onWritable: (() -> Void)?
    /// False while the client does not take what was written.
    package internal(set) var isWritable = true

    /// Sends a piece; without effect once the answer has ended.
    package func write(_ bytes: [UInt8]) { writePiece?(bytes) }

    package func end() {
        finish?()
        writePiece = nil
        finish = nil
    }
}

/// Answers HTTP/1.1 requests, on the connection's event loop.
package typealias HTTP1Responder =
    @Sendable (HTTP1Request, any EventLoop) -> EventLoopFuture<HTTP1Response>
