package import NIOCore
internal import NIOPosix

/// A connection to one server that carries any number of calls at a time.
///
/// Every member but `connect` is to be used on the event loop that it was given, and calls back
/// there; `@unchecked Sendable` because of that. It does not reconnect: when `onClose` is called,
/// make another. One that is let go of closes when its running calls have ended.
package final class RPCClient: @unchecked Sendable {
    package let eventLoop: any EventLoop
    private let connection: ClientConnection
    private let authority: String
    private let scheme: String
    private var methods: [String: RPCMethod] = [:]

    private init(
        connection: ClientConnection, eventLoop: any EventLoop, authority: String, scheme: String
    ) {
        self.connection = connection
        self.eventLoop = eventLoop
        self.authority = authority
        self.scheme = scheme
    }

    deinit {
        let connection = self.connection
        eventLoop.execute { connection.drain() }
    }

    /// Fails with an ``RPCStatus`` of code `unavailable`.
    package static func connect(
        host: String, port: Int, on eventLoop: any EventLoop,
        settings: RPCClientSettings = RPCClientSettings(), security: RPCSecurity? = nil
    ) -> EventLoopFuture<RPCClient> {
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(settings.connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(
                .writeBufferWaterMark, value: .init(low: 256 * 1024, high: 1024 * 1024)
            )
            .channelInitializer { channel in
                // Before the channel is active: the server's first bytes may follow at once.
                channel.eventLoop.makeCompletedFuture {
                    try security?.addHandlers(channel)
                    try channel.pipeline.syncOperations.addHandler(
                        ClientConnection(eventLoop: eventLoop, settings: settings))
                }
            }
        let name = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        let connected = bootstrap.connect(host: host, port: port).hop(to: eventLoop)
        return connected.flatMapThrowing { channel in
            let pipeline = channel.pipeline.syncOperations
            return RPCClient(
                connection: try pipeline.handler(type: ClientConnection.self),
                eventLoop: eventLoop, authority: name,
                scheme: security == nil ? "http" : "https")
        }.flatMap { (client: RPCClient) in
            client.connection.whenReady(timeout: settings.connectTimeout).map { client }
        }.flatMapErrorThrowing { error in
            if let status = error as? RPCStatus { throw status }
            throw RPCStatus(.unavailable, "cannot connect to \(name): \(error)", neverSent: true)
        }
    }

    /// A client at the other end of a connected socket, which is its from now on.
    static func adopt(
        socket: NIOBSDSocket.Handle, on eventLoop: any EventLoop, settings: RPCClientSettings
    ) -> EventLoopFuture<RPCClient> {
        ClientBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ClientConnection(eventLoop: eventLoop, settings: settings))
                }
            }
            .withConnectedSocket(socket).hop(to: eventLoop)
            .flatMapThrowing { channel in
                let pipeline = channel.pipeline.syncOperations
                return RPCClient(
                    connection: try pipeline.handler(type: ClientConnection.self),
                    eventLoop: eventLoop, authority: "localhost", scheme: "http")
            }.flatMap { (client: RPCClient) in
                client.connection.whenReady(timeout: settings.connectTimeout).map { client }
            }
    }

    /// A client over a channel that somebody else feeds: an embedded one.
    package static func over(
        _ channel: any Channel, settings: RPCClientSettings = RPCClientSettings()
    ) throws -> RPCClient {
        let connection = ClientConnection(eventLoop: channel.eventLoop, settings: settings)
        try channel.pipeline.syncOperations.addHandler(connection)
        return RPCClient(
            connection: connection, eventLoop: channel.eventLoop, authority: "localhost",
            scheme: "http")
    }

    /// Called once when the connection is gone, after every call that was on it has ended.
    package var onClose: ((RPCStatus) -> Void)? {
        get { connection.onClose }
        set { connection.onClose = newValue }
    }

    /// False when a call would be refused: the server is going away, or the connection is lost.
    package var isUsable: Bool { connection.refusal == nil }
    package var callCount: Int { connection.streamCount }

    /// A method's headers, made once. Metadata names are lower case; `-bin` values are base64
    /// (``RPCMethod/binaryValue(_:)``).
    package func method(
        _ path: String, metadata: [(name: String, value: String)] = []
    ) -> RPCMethod {
        RPCMethod(path: path, scheme: scheme, authority: authority, metadata: metadata)
    }

    private func cached(_ path: String, _ metadata: [(name: String, value: String)]) -> RPCMethod {
        guard metadata.isEmpty else { return method(path, metadata: metadata) }
        if let known = methods[path] { return known }
        let made = method(path)
        methods[path] = made
        return made
    }

    package func unary(
        _ path: String, _ message: [UInt8], metadata: [(name: String, value: String)] = [],
        timeout: TimeAmount? = nil, _ done: @escaping (Result<[UInt8], RPCStatus>) -> Void
    ) {
        unary(cached(path, metadata), message, timeout: timeout, done)
    }

    package func unary(
        _ method: RPCMethod, _ message: [UInt8], timeout: TimeAmount? = nil,
        _ done: @escaping (Result<[UInt8], RPCStatus>) -> Void
    ) {
        let started = connection.start(
            method, receiver: .unary(done), message: message, timeout: timeout)
        if let status = started.status { done(.failure(status)) }
    }

    /// The cheapest form: no closure for each call.
    package func unary(
        _ method: RPCMethod, _ message: [UInt8], timeout: TimeAmount? = nil, tag: Int,
        to sink: any RPCResponseSink
    ) {
        let started = connection.start(
            method, receiver: .sink(sink, tag: tag), message: message, timeout: timeout)
        if let status = started.status { sink.completed(tag: tag, status: status, message: []) }
    }

    /// A call of any kind. Nil, after `onEnd` was called, when it cannot be started.
    @discardableResult
    package func stream(
        _ path: String, metadata: [(name: String, value: String)] = [],
        timeout: TimeAmount? = nil, onMessage: @escaping ([UInt8]) -> Void,
        onEnd: @escaping (RPCStatus) -> Void
    ) -> ClientStream? {
        let started = connection.start(
            cached(path, metadata), receiver: .stream(onMessage: onMessage, onEnd: onEnd),
            message: nil, timeout: timeout)
        if let status = started.status { onEnd(status) }
        return started.call
    }

    /// Takes no new calls; the connection closes when the running ones have ended.
    package func close() { connection.drain() }

    /// Closes now; running calls end with `unavailable`.
    package func abort() { connection.abort() }
}
