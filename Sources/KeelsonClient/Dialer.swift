internal import NIOCore
internal import RPC
internal import Synchronization

/// Keeps at most one connection to each endpoint and knows which ones answered last.
///
/// It prefers the endpoint that served the last call: an application talks to one member until that
/// fails. `@unchecked Sendable`: everything mutable is touched on `loop` alone.
final class Dialer: @unchecked Sendable {
    private struct Line {
        let endpoint: Endpoint
        var client: RPCClient?
        var dialing: EventLoopFuture<RPCClient>?
    }

    typealias Dial = (Endpoint) -> EventLoopFuture<RPCClient>

    let loop: any EventLoop
    let login: Login
    private let dial: Dial
    private var lines: [Line]
    private var preferred = 0
    private(set) var isClosed = false
    /// Nothing may be put on the loop any more: its owner is about to shut it down.
    private let isShut = Mutex(false)

    init(
        endpoints: [Endpoint], credentials: Credentials?, loop: any EventLoop,
        dial: @escaping Dial
    ) {
        login = Login(credentials)
        self.loop = loop
        self.dial = dial
        lines = endpoints.map { Line(endpoint: $0) }
    }

    var endpointCount: Int { lines.count }

    func endpoint(_ index: Int) -> Endpoint { lines[index].endpoint }

    /// The endpoint to try, or nil if all were tried.
    func candidate(notIn tried: [Bool]) -> Int? {
        loop.preconditionInEventLoop()
        for step in 0..<lines.count {
            let index = (preferred + step) % lines.count
            if !tried[index] { return index }
        }
        return nil
    }

    /// The open connection to an endpoint, or a new one.
    func connection(to index: Int) -> EventLoopFuture<RPCClient> {
        loop.preconditionInEventLoop()
        if let client = lines[index].client, client.isUsable {
            return loop.makeSucceededFuture(client)
        }
        if let dialing = lines[index].dialing { return dialing }
        if isClosed { return loop.makeFailedFuture(Dialer.closedError) }
        let dialing = dial(lines[index].endpoint)
        lines[index].dialing = dialing
        dialing.whenComplete { result in
            self.lines[index].dialing = nil
            guard case .success(let client) = result else { return }
            if self.isClosed { return client.abort() }
            self.lines[index].client = client
        }
        return dialing
    }

    /// Connects over TCP, with TLS where the endpoint says so.
    static func overTCP(_ tls: ClientTLS?, on loop: any EventLoop) -> Dial {
        { endpoint in
            var settings = RPCClientSettings()
            settings.connectTimeout = ClientLimits.connectTimeout
            settings.keepaliveInterval = ClientLimits.keepaliveInterval
            settings.keepaliveTimeout = ClientLimits.keepaliveTimeout
            return RPCClient.connect(
                host: endpoint.host, port: endpoint.port, on: loop, settings: settings,
                security: endpoint.usesTLS ? tls?.security(for: endpoint.host) : nil)
        }
    }

    func succeeded(_ index: Int) {
        loop.preconditionInEventLoop()
        preferred = index
    }

    /// The endpoint failed a call: the next one is preferred from now on.
    func failed(_ index: Int) {
        loop.preconditionInEventLoop()
        if preferred == index { preferred = (index + 1) % lines.count }
    }

    /// What the preferred endpoint gave is not what was wanted: the next one may have more.
    func preferNext() {
        loop.preconditionInEventLoop()
        preferred = (preferred + 1) % lines.count
    }

    private func close() {
        loop.preconditionInEventLoop()
        isClosed = true
        for index in lines.indices {
            lines[index].client?.abort()
            lines[index].client = nil
        }
    }

    /// Runs `body` on the loop, or answers false after the client was shut down.
    @discardableResult
    func execute(_ body: @escaping @Sendable () -> Void) -> Bool {
        isShut.withLock { isShut in
            if !isShut { loop.execute(body) }
            return !isShut
        }
    }

    /// Closes every connection and refuses what comes later. True the first time.
    func shutDown() async -> Bool {
        await withCheckedContinuation { continuation in
            let isFirst = isShut.withLock { isShut in
                defer { isShut = true }
                return !isShut
            }
            guard isFirst else { return continuation.resume(returning: false) }
            loop.execute {
                self.close()
                continuation.resume(returning: true)
            }
        }
    }

    static let closedError = ClusterError(.closed, "the client was shut down")
}
