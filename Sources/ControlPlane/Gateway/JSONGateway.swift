package import NIOCore
package import RPC

/// etcd's API as JSON over HTTP/1.1: `POST /v3/…`. Each connection has a client of its own to the
/// gRPC side of the same server, so that a call is checked, limited and counted as any other.
///
/// Confined to the event loop, hence `@unchecked Sendable`.
package final class JSONGateway: @unchecked Sendable {
    /// One HTTP connection's client.
    private final class Session: @unchecked Sendable {
        let client: EventLoopFuture<RPCClient>
        var call: GatewayCall?

        init(_ client: EventLoopFuture<RPCClient>) { self.client = client }
    }

    /// Makes a client of the server that the gateway stands before.
    package typealias Connector = (SocketAddress?) -> EventLoopFuture<RPCClient>

    private let eventLoop: any EventLoop
    private let connect: Connector

    package init(eventLoop: any EventLoop, connect: @escaping Connector) {
        self.eventLoop = eventLoop
        self.connect = connect
    }

    /// The answer to a request below `/v3/`; nil for any other.
    package func respond(_ request: HTTP1Request) -> EventLoopFuture<HTTP1Response>? {
        let path = request.uri.prefix { $0 != "?" }
        guard
            let name = ["/v3/", "/v3beta/"].lazy.compactMap({ prefix in
                path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : nil
            }).first
        else { return nil }
        guard let method = GatewayMethods.all[name] else {
            return eventLoop.makeSucceededFuture(.refusal(RPCStatus(.notFound, "Not Found")))
        }
        guard request.method == "POST" else {
            var refusal = HTTP1Response.refusal(RPCStatus(.unimplemented, "Method Not Allowed"))
            refusal.status = 405
            refusal.headers.append(("Allow", "POST"))
            return eventLoop.makeSucceededFuture(refusal)
        }
        // Browsers say from which page a request comes, and no page has business here: whoever
        // lures a user onto one could call with what the user's network lets through (A38).
        if request.header("origin") != nil {
            let text = "keelson: requests of web pages are refused"
            return eventLoop.makeSucceededFuture(.refusal(RPCStatus(.permissionDenied, text)))
        }
        let promise = eventLoop.makePromise(of: HTTP1Response.self)
        let call = GatewayCall(method, metadata: Self.metadata(of: request)) {
            promise.succeed($0)
        }
        let session = self.session(of: request.connection)
        session.call = call
        let body = request.body
        session.client.whenComplete { result in
            switch result {
            case .success(let client): call.start(on: client, body: body)
            case .failure(let error): call.fail(error)
            }
        }
        return promise.futureResult
    }

    private func session(of connection: HTTP1Connection) -> Session {
        if let known = connection.session as? Session { return known }
        let session = Session(connect(connection.peerAddress))
        connection.session = session
        connection.onClose = {
            session.call?.cancel()
            session.client.whenSuccess { $0.abort() }
        }
        return session
    }

    /// The token, the trace, and what `Grpc-Metadata-` headers say.
    private static func metadata(of request: HTTP1Request) -> [(name: String, value: String)] {
        let prefix = "grpc-metadata-"
        var metadata: [(name: String, value: String)] = []
        for header in request.headers {
            let name = header.name.lowercased()
            if name == "authorization" || name == "traceparent" {
                metadata.append((name, header.value))
            } else if name.hasPrefix(prefix), name.utf8.count > prefix.utf8.count {
                metadata.append((String(name.dropFirst(prefix.count)), header.value))
            }
        }
        return metadata
    }
}

extension HTTP1Response {
    /// A status as grpc-gateway answers with it.
    static func refusal(_ status: RPCStatus) -> HTTP1Response {
        .json(status.code.httpStatus, String(decoding: status.json, as: UTF8.self))
    }
}

extension RPCStatus {
    /// `{"code":3,"message":"…"}`
    var json: [UInt8] {
        var bytes = Array("{\"code\":\(code.rawValue),\"message\":\"".utf8)
        for byte in message.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                bytes += "\\u00\(byte < 16 ? "0" : "")\(digits)".utf8
            default: bytes.append(byte)
            }
        }
        return bytes + "\"}".utf8
    }
}

extension RPCCode {
    /// As grpc-gateway maps it.
    var httpStatus: Int {
        switch self {
        case .ok: 200
        case .cancelled: 499
        case .invalidArgument, .failedPrecondition, .outOfRange: 400
        case .deadlineExceeded: 504
        case .notFound: 404
        case .alreadyExists, .aborted: 409
        case .permissionDenied: 403
        case .unauthenticated: 401
        case .resourceExhausted: 429
        case .unimplemented: 501
        case .unavailable: 503
        case .unknown, .internalError, .dataLoss: 500
        }
    }
}
