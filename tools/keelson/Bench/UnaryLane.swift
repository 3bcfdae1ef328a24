internal import NIOCore
internal import Primitives
internal import RPC

/// A server to measure.
struct BenchPlace: Sendable {
    let host: String
    let port: Int
    /// Nil for plaintext.
    let security: RPCSecurity?

    func connect(on loop: any EventLoop) -> EventLoopFuture<RPCClient> {
        RPCClient.connect(host: host, port: port, on: loop, security: security)
    }
}

/// A connection that is dialled again when it is lost. Confined to one event loop.
class ReconnectingLane: @unchecked Sendable {
    let loop: any EventLoop
    private let endpoints: [BenchPlace]
    private var next: Int
    private(set) var client: RPCClient?
    private var isClosed = false

    /// `first` is the endpoint to begin with; a lost connection goes to the one behind it.
    init(loop: any EventLoop, endpoints: [BenchPlace], first: Int) {
        self.loop = loop
        self.endpoints = endpoints
        next = first % endpoints.count
    }

    /// Dials once; the future fails if that does.
    func connect() -> EventLoopFuture<Void> {
        let endpoint = endpoints[next]
        return endpoint.connect(on: loop).map { client in
            self.client = client
            client.onClose = { _ in self.lost() }
            self.connected(client)
        }
    }

    /// For subclasses: calls can be made on `client` from now on.
    func connected(_ client: RPCClient) {}

    func close() {
        isClosed = true
        // Not at once: the caller may stand inside one of the connection's own callbacks.
        if let client { loop.execute { client.abort() } }
        client = nil
    }

    private func lost() {
        client = nil
        if isClosed { return }
        next = (next + 1) % endpoints.count
        redial()
    }

    private func redial() {
        loop.scheduleTask(in: .milliseconds(20)) {
            if self.isClosed { return }
            self.connect().whenFailure { _ in
                self.next = (self.next + 1) % self.endpoints.count
                self.redial()
            }
        }
    }
}

/// Makes the messages of unary calls.
protocol MessageSource: AnyObject, Sendable {
    var path: String { get }
    func nextMessage() -> [UInt8]
    /// What is wrong with an answer whose status is OK, or nil.
    func complaint(about answer: [UInt8]) -> String?
}

/// Unary calls on one connection.
final class UnaryLane: ReconnectingLane, LoadLane, RPCResponseSink, @unchecked Sendable {
    private let number: Int
    private let driver: LoadDriver
    var source: any MessageSource { didSet { method = client?.method(source.path) } }
    private var method: RPCMethod?

    init(
        number: Int, driver: LoadDriver, endpoints: [BenchPlace], first: Int,
        source: any MessageSource
    ) {
        self.number = number
        self.driver = driver
        self.source = source
        super.init(loop: driver.loop, endpoints: endpoints, first: first)
    }

    override func connected(_ client: RPCClient) {
        method = client.method(source.path)
        driver.laneIsReady(number)
    }

    func start(slot: Int) -> Bool {
        guard let client, let method, client.isUsable else { return false }
        client.unary(method, source.nextMessage(), tag: slot, to: self)
        return true
    }

    func completed(tag: Int, status: RPCStatus, message: [UInt8]) {
        if status.code != .ok {
            driver.finished(lane: number, slot: tag, (status.code, status.message))
        } else if let complaint = source.complaint(about: message) {
            driver.finished(lane: number, slot: tag, (.unknown, complaint))
        } else {
            driver.finished(lane: number, slot: tag, nil)
        }
    }
}
