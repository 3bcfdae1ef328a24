import Logging
import Monitoring
import NIOCore
import NIOPosix
import Primitives
import RPC
import RaftCore
import Replication
import StateMachine
import Storage

/// What the transport tells the node, on the event loop.
protocol PeerTransportDelegate: AnyObject {
    func received(_ message: PeerMessage, from peer: NodeID)
    /// A peer had traced calls.
    func received(_ notes: [TraceNote])
    /// What is in flight to this peer is lost.
    func unreachable(_ peer: NodeID)
    /// All connections are closed and nobody listens: its process is gone.
    func refused(_ peer: NodeID)
    /// A peer has said what it remembers of this node.
    func welcomed(by peer: NodeID, _ welcome: PeerWelcome)
    /// What this node says first on a connection that it opens.
    func hello(to peer: NodeID, _ kind: PeerChannelKind) -> PeerHello
    /// Somebody asks which member it is, before it has a data directory.
    ///
    /// - Parameter certificate: of the connection that it came on, where one was verified.
    func asked(
        _ question: JoinQuestion, _ certificate: CertificateSubject?,
        _ answer: @escaping (JoinAnswer) -> Void)
    /// Judges a peer that says hello, and keeps what is to be remembered durably before it answers.
    ///
    /// - Parameter certificate: of the connection that it came on, where one was verified.
    func judge(
        _ hello: PeerHello, _ certificate: CertificateSubject?,
        _ answer: @escaping (PeerWelcome) -> Void)
    /// A peer's process is another one than before: what the earlier one was sent is lost.
    func restarted(_ peer: NodeID)
    /// A peer opened a snapshot connection; its frames go to the closure that comes back.
    func snapshotArriving(
        from peer: NodeID, on handler: PeerChannelHandler
    ) -> ([UInt8]) throws -> Void
}

/// The connections between this node and its peers: two that it dials to each (bulk and urgent),
/// those that they dial, and one for each snapshot.
///
/// Confined to its event loop.
final class PeerTransport {
    private struct Peer {
        var links: [PeerLink]
        var address: ServiceURL
        /// Why TLS to it came to nothing, as it was last said.
        var refusal = ""
        var inboundOpen = 0
        /// Names the last process of it that was admitted.
        var nonce: UInt64?
        var refusedSinceHeard = false
        var receivedBytes: UInt64 = 0
        var roundTrips = DurationHistogram.empty
    }

    /// A connection that somebody opened to this node; who it is comes with the hello.
    private struct Inbound {
        var handler: PeerChannelHandler
        var hello: PeerHello?
    }

    let loop: any EventLoop
    /// For addresses with https; nil without certificates.
    let security: TLSPort?
    private let logger: Logger
    private var peers: [NodeID: Peer] = [:]
    private(set) var peerIDs: [NodeID] = []
    private var server: (any Channel)?
    private var inbound: [ObjectIdentifier: Inbound] = [:]
    private var openings = ConnectionOpenings(perSourceMax: PeerTransport.strangersPerSourceMax)
    private var dirty: [PeerLink] = []
    private var lastFrame: (message: PeerMessage, bytes: ByteBuffer)?
    private var stopped = false
    weak var delegate: (any PeerTransportDelegate)?

    /// Connections from peers at the same time; a stranger cannot take more.
    static let inboundMax = 256
    /// Those of one address that have not said hello.
    static let strangersPerSourceMax = 64
    static let helloDeadline: TimeAmount = .seconds(10)

    init(loop: any EventLoop, security: TLSPort?, logger: Logger) {
        self.loop = loop
        self.security = security
        self.logger = logger
    }

    func listen(on url: ServiceURL) -> EventLoopFuture<any Channel> {
        let isSecure = url.isSecure
        let bound = NIOLoopBound(self, eventLoop: loop)
        return ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childPeerSocketOptions()
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try bound.value.accept(channel, isSecure: isSecure)
                }
            }
            .bind(host: url.host, port: url.port)
    }

    func listening(on channel: any Channel) { server = channel }

    /// Follows the membership: connections to those who are no peers any more end, and whoever has
    /// moved is dialled at its new address.
    func follow(_ wanted: [NodeID: ServiceURL]) {
        for id in peerIDs where wanted[id] == nil || wanted[id] != peers[id]?.address {
            removePeer(id)
        }
        for id in wanted.keys.sorted() {
            if let address = wanted[id] { addPeer(id, at: address) }
        }
    }

    private func removePeer(_ id: NodeID) {
        let links = peers[id]?.links ?? []
        peers[id] = nil
        peerIDs.removeAll { $0 == id }
        for link in links { link.stop() }
        dirty.removeAll { $0.peer == id }
        for connection in inbound.values where connection.hello?.sender == id {
            connection.handler.close()
        }
    }

    private func addPeer(_ id: NodeID, at address: ServiceURL) {
        guard peers[id] == nil, !stopped else { return }
        peers[id] = Peer(links: [], address: address)
        peerIDs = (peerIDs + [id]).sorted()
        for kind in [PeerChannelKind.bulk, .urgent] {
            let link = PeerLink(
                peer: id, kind: kind, address: address, security: security, loop: loop,
                hello: { [unowned self] in delegate?.hello(to: id, kind) },
                onEvent: { [unowned self] in happened($1, on: $0) })
            peers[id]?.links.append(link)
            link.start()
        }
    }

    func address(of peer: NodeID) -> ServiceURL? { peers[peer]?.address }

    var addresses: [ServiceURL] { peerIDs.compactMap(address(of:)) }

    /// Says hello to everybody once more: what this node offers has changed.
    func redialAll() {
        for id in peerIDs { for link in peers[id]?.links ?? [] { link.reopen() } }
    }

    /// Queues a message; ``flush()`` sends it. A message to nobody is dropped, as a network may.
    func send(_ message: PeerMessage, to peer: NodeID) {
        guard let links = peers[peer]?.links else { return }
        let link = links[message.isUrgent ? 1 : 0]
        guard link.isReady else { return }
        guard link.send(frame(of: message)) else {
            delegate?.unreachable(link.peer)
            return
        }
        if !dirty.contains(where: { $0 === link }) { dirty.append(link) }
    }

    /// Queues notes of traces for all peers that take them. They may be lost.
    func send(_ notes: [TraceNote]) {
        let frame = PeerFrameDecoder.frame(TraceNote.encode(notes))
        for id in peerIDs {
            guard let link = peers[id]?.links.first, link.takesTraces, link.send(frame) else {
                continue
            }
            if !dirty.contains(where: { $0 === link }) { dirty.append(link) }
        }
    }

    /// Followers that are equally far get the same append one after another: it is encoded once,
    /// and they share the bytes. Comparing is cheap, for equal messages share their entries too.
    private func frame(of message: PeerMessage) -> ByteBuffer {
        if let lastFrame, lastFrame.message == message { return lastFrame.bytes }
        var writer = ByteWriter(capacity: message.encodedByteCountHint)
        message.encode(into: &writer)
        let bytes = PeerFrameDecoder.frame(writer.bytes)
        lastFrame = message.hasEntries ? (message, bytes) : nil
        return bytes
    }

    func flush() {
        lastFrame = nil
        for link in dirty { link.flush() }
        dirty.removeAll(keepingCapacity: true)
    }

    func isConnected(_ peer: NodeID) -> Bool {
        peers[peer]?.links.contains(where: \.isReady) == true
    }

    func traffic() -> [PeerTraffic] {
        peerIDs.map { id in
            let links = peers[id]?.links ?? []
            var traffic = PeerTraffic(
                peer: id, sentBytes: links.reduce(0) { $0 &+ $1.sentBytes },
                receivedBytes: peers[id]?.receivedBytes ?? 0,
                sendFailures: links.reduce(0) { $0 &+ $1.sendFailures })
            traffic.isConnected = isConnected(id)
            if let peer = peers[id] { traffic.roundTrips = peer.roundTrips }
            return traffic
        }
    }

    /// Asks the kernel what it knows of each connection for heartbeats.
    func sampleRoundTrips() {
        for id in peerIDs {
            peers[id]?.links.last?.roundTrip { [weak self] nanoseconds in
                self?.peers[id]?.roundTrips.record(nanoseconds: nanoseconds)
            }
        }
    }

    func stop() {
        stopped = true
        server?.close(promise: nil)
        for id in peerIDs { for link in peers[id]?.links ?? [] { link.stop() } }
        for connection in inbound.values { connection.handler.close() }
    }

    private func happened(_ event: PeerLink.Event, on link: PeerLink) {
        // A link that was let go has nothing to say of a peer that has moved.
        guard !stopped, peers[link.peer]?.links.contains(where: { $0 === link }) == true else {
            return
        }
        switch event {
        case .welcomed(let welcome):
            peers[link.peer]?.refusedSinceHeard = false
            peers[link.peer]?.refusal = ""
            delegate?.welcomed(by: link.peer, welcome)
        case .closed(let refusal):
            if let refusal { report(refusal, of: link.peer) }
            delegate?.unreachable(link.peer)
        case .refused:
            peers[link.peer]?.refusedSinceHeard = true
            reportIfGone(link.peer)
        }
    }

    /// A link dials twice a second: what has been said is not said again.
    private func report(_ refusal: TLSRefusal, of id: NodeID) {
        guard let peer = peers[id], peer.refusal != refusal.description else { return }
        peers[id]?.refusal = refusal.description
        logger.error(
            "TLS to a peer failed",
            metadata: [
                "peer": "\(id)", "url": "\(peer.address)", "reason": "\(refusal)",
            ])
    }

    /// Evidence that a process is gone: no connection is left, and a redial was refused since.
    private func reportIfGone(_ id: NodeID) {
        guard let peer = peers[id], peer.refusedSinceHeard, peer.inboundOpen == 0,
            !peer.links.contains(where: \.isOpen)
        else { return }
        delegate?.refused(id)
    }

    private func accept(_ channel: any Channel, isSecure: Bool) throws {
        let handler = PeerChannelHandler()
        guard inbound.count < Self.inboundMax, !stopped, openings.begin(channel) else {
            channel.close(promise: nil)
            return
        }
        channel.closeFuture.assumeIsolated().whenComplete { [weak self] _ in
            self?.openings.end(channel)
        }
        if isSecure {
            guard let security else {
                throw TLSRefusal(description: "there is no certificate to show")
            }
            try security.accept(channel)
        }
        inbound[ObjectIdentifier(handler)] = Inbound(handler: handler)
        let late = loop.assumeIsolated().scheduleTask(in: Self.helloDeadline) { handler.close() }
        handler.onFrame = { [weak self] handler, frame in
            late.cancel()
            try self?.greeted(frame, on: handler)
        }
        handler.onClose = { [weak self] handler, _ in
            late.cancel()
            self?.inbound[ObjectIdentifier(handler)] = nil
        }
        try channel.pipeline.syncOperations.addHandler(handler)
    }

    private func greeted(_ frame: [UInt8], on handler: PeerChannelHandler) throws {
        if let channel = handler.channel { openings.end(channel) }
        if JoinQuestion.isOne(frame) {
            let question = try JoinQuestion.decode(frame)
            handler.onFrame = { _, _ in
                throw DecodingError.invalid(field: "frame behind a question", offset: 0)
            }
            guard let delegate else { return handler.close() }
            let certificate = handler.channel.flatMap(TLSPort.verifiedSubject(of:))
            return delegate.asked(question, certificate) { answer in
                _ = handler.send(answer.encode())
                handler.flush()
                handler.closeWhenSent()
            }
        }
        let hello = try PeerHello.decode(frame)
        handler.onFrame = { _, _ in
            throw DecodingError.invalid(field: "frame before welcome", offset: 0)
        }
        guard let delegate else { return handler.close() }
        let certificate = handler.channel.flatMap(TLSPort.verifiedSubject(of:))
        delegate.judge(hello, certificate) { [weak self] welcome in
            _ = handler.send(welcome.encode())
            handler.flush()
            if welcome.verdict.isWelcome {
                self?.admit(hello, isBehind: welcome.verdict == .behind, on: handler)
            } else {
                self?.logger.warning(
                    "refused a peer",
                    metadata: [
                        "peer": "\(hello.sender)", "reason": "\(welcome.reason)",
                    ])
                handler.close()
            }
        }
    }

    /// Where the peer's process is a new one, nothing that an earlier one sent may still arrive,
    /// and nothing is sent to that one any more.
    private func forgetOtherProcesses(of hello: PeerHello) {
        let id = hello.sender
        for link in peers[id]?.links ?? [] {
            if let nonce = link.peerNonce, nonce != hello.nonce { link.reopen() }
        }
        let last = peers[id]?.nonce
        peers[id]?.nonce = hello.nonce
        if last != nil, last != hello.nonce { delegate?.restarted(id) }
        let old = inbound.values.filter {
            $0.hello?.sender == hello.sender && $0.hello?.nonce != hello.nonce
        }
        for connection in old {
            connection.handler.onFrame = nil
            connection.handler.close()
        }
    }

    /// - Parameter isBehind: it may be a late hello of an earlier process, which must not end the
    ///   connections of the present one.
    private func admit(
        _ hello: PeerHello, isBehind: Bool, on handler: PeerChannelHandler
    ) {
        let id = hello.sender
        if peers[id] == nil, let url = try? ServiceURL(hello.peerURL, flag: "peer URL") {
            addPeer(id, at: url)
        }
        guard peers[id] != nil, handler.channel?.isActive == true else { return handler.close() }
        handler.acceptLargeFrames()
        if !isBehind { forgetOtherProcesses(of: hello) }
        inbound[ObjectIdentifier(handler)]?.hello = hello
        if hello.channel == .snapshot {
            if let take = delegate?.snapshotArriving(from: id, on: handler) {
                handler.onFrame = { _, frame in try take(frame) }
            } else {
                handler.close()
            }
            return
        }
        for link in peers[id]?.links ?? [] { link.dialSoon() }
        peers[id]?.inboundOpen += 1
        peers[id]?.refusedSinceHeard = false
        handler.onFrame = { [weak self] _, frame in
            self?.peers[id]?.receivedBytes &+= UInt64(frame.count + PeerProtocol.headerBytes)
            if TraceNote.isFrame(frame) {
                self?.delegate?.received(try TraceNote.decode(frame))
                return
            }
            var reader = ByteReader(frame)
            let message = try PeerMessage.decode(from: &reader)
            self?.delegate?.received(message, from: id)
        }
        handler.onClose = { [weak self] handler, _ in
            guard let self else { return }
            inbound[ObjectIdentifier(handler)] = nil
            peers[id]?.inboundOpen -= 1
            reportIfGone(id)
        }
    }
}
