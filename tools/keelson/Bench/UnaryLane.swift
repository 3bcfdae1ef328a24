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
    /// The methods that it calls, ``UnaryLane/methodsMax`` at most. Elsewhere a method is its
    /// place in here.
    var paths: [String] { get }
    func nextCall() -> (method: Int, message: [UInt8])
    /// What is wrong with an answer whose status is OK, or nil.
    func complaint(about answer: [UInt8], of method: Int) -> String?
}

/// Unary calls on one connection.
final class UnaryLane: ReconnectingLane, LoadLane, RPCResponseSink, @unchecked Sendable {
    private let number: Int
    private let driver: LoadDriver
    var source: any MessageSource { didSet { if let client { learnMethods(client) } } }
    private var methods: [RPCMethod] = []
    /// So that a call's tag has room for its method beside its slot.
    static let methodsMax = 2

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
        learnMethods(client)
        driver.laneIsReady(number)
    }

    private func learnMethods(_ client: RPCClient) {
        methods = source.paths.map { client.method($0) }
        invariant(methods.count <= UnaryLane.methodsMax, "a source has few methods")
    }

    func start(slot: Int) -> Bool {
        guard let client, client.isUsable else { return false }
        let call = source.nextCall()
        client.unary(
            methods[call.method], call.message, tag: slot * UnaryLane.methodsMax + call.method,
            to: self)
        return true
    }

    func completed(tag: Int, status: RPCStatus, message: [UInt8]) {
        let (slot, method) = tag.quotientAndRemainder(dividingBy: UnaryLane.methodsMax)
        if status.code != .ok {
            driver.finished(lane: number, slot: slot, (status.code, status.message))
        } else if let complaint = source.complaint(about: message, of: method) {
            driver.finished(lane: number, slot: slot, (.unknown, complaint))
        } else {
            driver.finished(lane: number, slot: slot, nil, byteCount: message.count)
        }
    }
}
