package import NIOCore

/// A whole HTTP/1.1 request.
package struct HTTP1Request: Sendable {
    /// `GET`, `POST`, …
    package var method: String
    /// The target as it was sent: path and query, not decoded.
    package var uri: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

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

    package init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// Answers HTTP/1.1 requests, on the connection's event loop.
package typealias HTTP1Responder =
    @Sendable (HTTP1Request, any EventLoop) -> EventLoopFuture<HTTP1Response>
