import NIOCore
import NIOPosix
import Primitives
import Replication

/// The dialling side of one connection to one peer: it opens it, says hello, and opens it again
/// when it breaks.
///
/// Confined to its event loop.
final class PeerLink {
    enum Event {
        case welcomed(PeerWelcome)
        /// With the reason where TLS came to nothing.
        case closed(TLSRefusal?)
        /// Nobody listens there: the peer's process is gone. A handshake that fails says nothing of
        /// the kind.
        case refused
    }

    let peer: NodeID
    let kind: PeerChannelKind
    private let loop: any EventLoop
    private let address: ServiceURL
    private let security: TLSPort?
    private let hello: () -> PeerHello?
    private let onEvent: (PeerLink, Event) -> Void
    private var handler: PeerChannelHandler?
    private(set) var isReady = false
    /// Whether the other end takes notes of traces.
    private(set) var takesTraces = false
    private var stopped = false
    private var dialling = false
    private var backoff: TimeAmount = PeerLink.backoffMin
    private var redial: Scheduled<Void>?
    private(set) var sentBytes: UInt64 = 0
    private(set) var sendFailures: UInt64 = 0
    private(set) var lastRefusal: String?
    /// Names the process at the other end, once it has answered.
    private(set) var peerNonce: UInt64?
    private var lateAnswer: Scheduled<Void>?

    static let backoffMin: TimeAmount = .milliseconds(10)
    static let backoffMax: TimeAmount = .milliseconds(500)

    init(
        peer: NodeID, kind: PeerChannelKind, address: ServiceURL, security: TLSPort?,
        loop: any EventLoop, hello: @escaping () -> PeerHello?,
        onEvent: @escaping (PeerLink, Event) -> Void
    ) {
        self.peer = peer
        self.kind = kind
        self.address = address
        self.security = security
        self.loop = loop
        self.hello = hello
        self.onEvent = onEvent
    }

    var isOpen: Bool { handler != nil }

    func start() { dial() }

    func stop() {
        stopped = true
        redial?.cancel()
        handler?.close()
    }

    /// Opens it anew: what was said in its hello does not hold any more.
    func reopen() {
        if isOpen { handler?.close() } else { dialSoon() }
    }

    /// False when the message was dropped.
    func send(_ frame: ByteBuffer) -> Bool {
        guard isReady, let handler, handler.send(frame: frame) else {
            sendFailures &+= 1
            return false
        }
        sentBytes &+= UInt64(frame.readableBytes)
        return true
    }

    func flush() { handler?.flush() }

    /// The smoothed round trip that TCP has measured; nothing where it has not, or cannot say.
    func roundTrip(_ done: @escaping (UInt64) -> Void) {
        #if os(Linux)
            guard isReady, let options = handler?.channel as? any SocketOptionProvider else {
                return
            }
            options.getTCPInfo().assumeIsolated().whenSuccess { info in
                if info.tcpi_rtt > 0 { done(UInt64(info.tcpi_rtt) * 1000) }
            }
        #endif
    }

    private func dial() {
        guard !stopped, !dialling, handler == nil else { return }
        dialling = true
        let handler = PeerChannelHandler()
        handler.onActive = { [weak self] in self?.opened($0) }
        handler.onFrame = { [weak self] in try self?.received($1, on: $0) }
        handler.onClose = { [weak self] in self?.closed($0, $1 as? TLSRefusal) }
        let (address, security) = (self.address, self.security)
        let bound = NIOLoopBound(handler, eventLoop: loop)
        ClientBootstrap(group: loop)
            .peerSocketOptions()
            .channelOption(.writeBufferWaterMark, value: .init(low: 1 << 20, high: 8 << 20))
            .connectTimeout(.seconds(1))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try PeerSocket.secure(channel, to: address, security)
                    try channel.pipeline.syncOperations.addHandler(bound.value)
                }
            }
            .connect(host: address.host, port: address.port)
            .hop(to: loop)
            .assumeIsolated()
            .whenComplete { [weak self] result in self?.dialled(result.map { _ in () }) }
    }

    private func dialled(_ result: Result<Void, any Error>) {
        dialling = false
        guard case .failure(let error) = result else { return }
        if DialFailure.meansNobodyListens(error) { onEvent(self, .refused) }
        if let refusal = error as? TLSRefusal { onEvent(self, .closed(refusal)) }
        redialLater()
    }

    private func redialLater() {
        guard !stopped else { return }
        let wait = backoff
        backoff = min(Self.backoffMax, backoff * 2)
        redial = loop.assumeIsolated().scheduleTask(in: wait) { [weak self] in self?.dial() }
    }

    /// The peer was heard of: a redial that waits is made at once.
    func dialSoon() {
        guard !isOpen, !dialling, !stopped else { return }
        redial?.cancel()
        backoff = Self.backoffMin
        dial()
    }

    private func opened(_ handler: PeerChannelHandler) {
        guard !stopped else { return handler.close() }
        self.handler = handler
        guard let hello = hello() else { return handler.close() }
        _ = handler.send(hello.encode())
        handler.flush()
        lateAnswer = loop.assumeIsolated().scheduleTask(in: PeerTransport.helloDeadline) {
            handler.close()
        }
    }

    private func received(_ frame: [UInt8], on handler: PeerChannelHandler) throws {
        guard !isReady else { return }
        lateAnswer?.cancel()
        let welcome = try PeerWelcome.decode(frame)
        peerNonce = welcome.nonce
        if welcome.verdict.isWelcome {
            isReady = true
            takesTraces = welcome.takesTraces
            backoff = Self.backoffMin
            lastRefusal = nil
        } else {
            lastRefusal = welcome.reason
            handler.close()
        }
        onEvent(self, .welcomed(welcome))
    }

    private func closed(_ handler: PeerChannelHandler, _ refusal: TLSRefusal?) {
        guard handler === self.handler else { return }
        let wasReady = isReady
        self.handler = nil
        isReady = false
        takesTraces = false
        peerNonce = nil
        lateAnswer?.cancel()
        onEvent(self, .closed(refusal))
        // A connection that worked is opened again at once: whether that is refused tells whether
        // the process is gone.
        if wasReady { dial() } else { redialLater() }
    }
}
