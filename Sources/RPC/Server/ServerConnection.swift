internal import NIOCore

/// A client's HTTP/2 connection: opens calls, and polices what a client may cost.
final class ServerConnection: HTTP2Connection, @unchecked Sendable {
    let core: ServerCore
    let peerAddress: SocketAddress?
    let peerCommonName: String?
    let acceptedAt: NIODeadline
    /// Its place in the server's list.
    var slot = -1

    private var hasSettings = false
    private var isDraining = false
    private var idleFrames: TokenBucket
    private var streamErrors: TokenBucket
    private var pingStrikes = 0
    private var lastPingAt: NIODeadline?
    /// A message or a status left since the last PING.
    @exclusivity(unchecked) var hasAnswered = false
    private var isCalmed = false
    private var keepaliveSentAt: NIODeadline?
    private var idleSince = NIODeadline.now()

    init(
        core: ServerCore, peerAddress: SocketAddress?, peerCommonName: String?,
        acceptedAt: NIODeadline
    ) {
        self.core = core
        self.peerAddress = peerAddress
        self.peerCommonName = peerCommonName
        self.acceptedAt = acceptedAt
        let limits = core.limits
        idleFrames = TokenBucket(
            burst: limits.idleFramesBurstMax, perSecond: limits.idleFramesPerSecondMax,
            now: acceptedAt)
        streamErrors = TokenBucket(
            burst: limits.streamErrorsBurstMax, perSecond: limits.streamErrorsPerSecondMax,
            now: acceptedAt)
        super.init(
            flushQueue: core.flushQueue, turnBytesMax: limits.turnBytesMax,
            settings: HTTP2SessionSettings(
                isServer: true, concurrentStreamsMax: limits.concurrentStreamsMax,
                streamWindowBytes: limits.streamWindowBytes,
                connectionWindowBytes: limits.connectionWindowBytes,
                headerListBytesMax: limits.headerListBytesMax,
                resetBurstMax: limits.resetBurstMax, resetsPerSecondMax: limits.resetsPerSecondMax))
        core.add(self)
    }

    override func makeStream(_ streamID: Int32) -> HTTP2Stream? {
        guard !isDraining else { return nil }
        let call = ServerCall(connection: self, streamID: streamID)
        attach(call)
        return call
    }

    override func streamCountChanged() {
        if streamCount == 0 {
            idleSince = lastReadAt
            if isDraining { close() }
        }
    }

    override func connectionClosed() { core.remove(self) }

    // MARK: Policing

    override func controlFrameReceived(_ frame: HTTP2ControlFrame) {
        switch frame {
        case .ping(isAcknowledgement: true): keepaliveSentAt = nil
        case .ping(isAcknowledgement: false): pingReceived()
        case .settings(let isAcknowledgement):
            if !hasSettings, let channel { core.opened(channel) }
            hasSettings = true
            if !isAcknowledgement { spendIdleFrame() }
        case .idle: spendIdleFrame()
        case .goAway, .reset, .windowUpdate: break
        }
    }

    private func spendIdleFrame() {
        if !idleFrames.take(now: .now()) { calm("too_many_idle_frames") }
    }

    override func invalidFrameReceived() {
        if !streamErrors.take(now: .now()) { calm("too_many_stream_errors") }
    }

    /// gRPC's rule: a PING that follows the last one too closely is a strike, unless something was
    /// sent to the client in between (clients measure bandwidth with PINGs).
    private func pingReceived() {
        spendIdleFrame()
        let now = NIODeadline.now()
        defer { lastPingAt = now }
        if hasAnswered {
            hasAnswered = false
            pingStrikes = 0
            return
        }
        guard let lastPingAt, lastPingAt + core.limits.pingIntervalMin > now else { return }
        pingStrikes += 1
        if pingStrikes > core.limits.pingStrikesMax { calm("too_many_pings") }
    }

    /// Ends a connection that costs too much. Its open calls end with it.
    private func calm(_ reason: StaticString) {
        guard !isCalmed else { return }
        isCalmed = true
        isDraining = true
        session.submitGoAway(errorCode: HTTP2ErrorCode.enhanceYourCalm, reason: reason)
        close()
    }

    // MARK: Time

    /// Called about once a second.
    func tick(now: NIODeadline) {
        let limits = core.limits
        if !hasSettings, acceptedAt + limits.handshakeTime < now {
            abort()
            return
        }
        tickCalls(now: now)
        if isBlockedBySocket {
            if lastWriteAt + limits.stalledOutputTime < now { abort() }
            return
        }
        if let idleTime = limits.idleTime, streamCount == 0, idleSince + idleTime < now {
            drain()
        } else if let keepaliveSentAt {
            if keepaliveSentAt + limits.keepaliveTimeout < now { abort() }
        } else if lastReadAt + limits.keepaliveInterval < now {
            keepaliveSentAt = now
            session.submitPing()
            setNeedsFlush()
        }
    }

    /// Ends calls whose request comes too slowly or whose answer nobody reads.
    private func tickCalls(now: NIODeadline) {
        let limits = core.limits
        for case let call as ServerCall in openStreams {
            if call.isHeadUnfinished, call.beganAt + limits.handshakeTime < now {
                calm("headers_too_slow")
                return
            }
            if let since = call.unfinishedSince, since + limits.requestTime < now {
                call.fail(
                    RPCStatus(.deadlineExceeded, "the request did not arrive in time"))
            } else if let since = call.stalled(now: now), since + limits.stalledOutputTime < now {
                call.giveUp()
            }
        }
    }

    /// Takes no new calls; closes when those that run have ended.
    func drain() {
        guard !isDraining else { return }
        isDraining = true
        session.submitGoAway(errorCode: HTTP2ErrorCode.noError, reason: "")
        if streamCount == 0 { close() } else { setNeedsFlush() }
    }
}
