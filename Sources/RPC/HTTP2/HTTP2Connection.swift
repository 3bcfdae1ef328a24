package import NIOCore

/// A NIO channel under an HTTP/2 session: what servers and clients have in common.
///
/// Bytes that one turn of the event loop produces leave in one write. Confined to the channel's
/// event loop, hence `@unchecked Sendable`.
package class HTTP2Connection: ChannelInboundHandler, @unchecked Sendable {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    final let flushQueue: FlushQueue
    final let turnBytesMax: Int
    private final let settings: HTTP2SessionSettings
    @exclusivity(unchecked) private(set) final var session: HTTP2Session! = nil
    /// What the connection failed of, where the layer below could say.
    private(set) final var failure: RPCStatus?
    @exclusivity(unchecked) private final var context: ChannelHandlerContext?
    final var channel: (any Channel)? { context?.channel }
    @exclusivity(unchecked) private final var streams: [HTTP2Stream] = []
    @exclusivity(unchecked) private final var isReading = false
    @exclusivity(unchecked) private final var isFlushing = false
    @exclusivity(unchecked) private final var isQueued = false
    /// It may not write before, because it has just written much.
    @exclusivity(unchecked) private final var nextTurn = NIODeadline.uptimeNanoseconds(0)
    @exclusivity(unchecked) private final var unconsumedBytes = 0
    /// Streams of ours that ended before the peer's side did: they are reset once all is written.
    @exclusivity(unchecked) private final var resetsAfterOutput: [Int32] = []
    private final var drained: [HTTP2Stream] = []
    @exclusivity(unchecked) private(set) final var isClosed = false
    /// Nothing more is read; what is to be said is written, then the channel is closed.
    @exclusivity(unchecked) private final var isClosing = false
    private final var hasSaidGoodbye = false
    @exclusivity(unchecked) final var lastReadAt = NIODeadline.now()
    /// When the flush began in which frames are being put together.
    @exclusivity(unchecked) private(set) final var flushBeganAt = NIODeadline.uptimeNanoseconds(0)
    /// When output last moved, or when there last was none.
    @exclusivity(unchecked) final var lastWriteAt = NIODeadline.now()

    init(flushQueue: FlushQueue, turnBytesMax: Int, settings: HTTP2SessionSettings) {
        self.flushQueue = flushQueue
        self.turnBytesMax = turnBytesMax
        self.settings = settings
        session = HTTP2Session(connection: self, settings: settings)
    }

    // MARK: What a subclass decides

    /// A stream that the peer opens, or nil to refuse it.
    func makeStream(_ streamID: Int32) -> HTTP2Stream? { nil }
    func controlFrameReceived(_ frame: HTTP2ControlFrame) {}
    func invalidFrameReceived() {}
    /// The channel is gone; the streams are told next.
    func connectionLosing() {}
    /// The channel is gone and every stream was told.
    func connectionClosed() {}
    func streamCountChanged() {}

    // MARK: Streams

    final var streamCount: Int { streams.count }
    final var openStreams: [HTTP2Stream] { streams }

    final func attach(_ stream: HTTP2Stream) {
        stream.slot = streams.count
        streams.append(stream)
    }

    final func detach(_ stream: HTTP2Stream) {
        let slot = stream.slot
        guard slot >= 0 else { return }
        stream.slot = -1
        let last = streams.removeLast()
        if last !== stream {
            streams[slot] = last
            last.slot = slot
        }
        streamCountChanged()
    }

    /// Resets `stream` when all that was submitted until now is on its way.
    final func resetAfterOutput(_ streamID: Int32) {
        resetsAfterOutput.append(streamID)
        setNeedsFlush()
    }

    /// Calls `stream`'s `outputDrained` after this flush.
    final func notifyDrained(_ stream: HTTP2Stream) { drained.append(stream) }

    /// Body bytes count against the connection's window only until this turn's end: a stream that
    /// is not read holds its own window, never the others'.
    final func bodyBytesReceived(_ count: Int) { unconsumedBytes += count }

    // MARK: Channel

    package final func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { setNeedsFlush() }
    }

    package final func channelActive(context: ChannelHandlerContext) {
        setNeedsFlush()
        context.fireChannelActive()
    }

    package final func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        receive(unwrapInboundIn(data))
    }

    final func receive(_ bytes: ByteBuffer) {
        guard !isClosing, !isClosed else { return }
        isReading = true
        lastReadAt = .now()
        flushQueue.receivedBytes &+= UInt64(bytes.readableBytes)
        let isSound = bytes.withUnsafeReadableBytes { session.receive($0) }
        if !isSound { close() }
    }

    package final func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        if unconsumedBytes > 0 {
            session.consumeConnection(unconsumedBytes)
            unconsumedBytes = 0
        }
        flush()
    }

    package final func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, !isQueued { flush() }
    }

    package final func channelInactive(context: ChannelHandlerContext) {
        tearDown()
        context.fireChannelInactive()
    }

    package final func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Whatever it is, this connection has no further use; its streams learn it as a loss.
        if failure == nil { failure = error as? RPCStatus }
        context.close(promise: nil)
    }

    package final func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    /// Sees to it that what was submitted is written before this turn of the event loop is over.
    @inline(__always)
    final func setNeedsFlush() {
        if isReading || isQueued || isFlushing || isClosed { return }
        isQueued = true
        flushQueue.add(self)
    }

    final func flush() {
        isQueued = false
        guard let context, !isFlushing, !isClosed else { return }
        let start = NIODeadline.now()
        if start < nextTurn { return flush(at: nextTurn) }
        isFlushing = true
        flushBeganAt = start
        let channel = context.channel
        var isBlocked = !channel.isWritable
        if !isBlocked {
            isBlocked = !gatherFrames()
            let count = flushQueue.gatheredCount
            if count > 0 {
                lastWriteAt = start
                let bytes = flushQueue.take(channel.allocator)
                context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
                nextTurn = flushQueue.pacer.wrote(count, since: start)
            }
        }
        isFlushing = false
        guard !isClosed else { return }
        if isBlocked {
            // A full socket calls back; a turn that is used up continues after the others' turns.
            if channel.isWritable { flush(at: nextTurn) }
        } else if isClosing || session.isFinished {
            sayGoodbye(context)
            return
        }
        if !drained.isEmpty { tellDrained() }
    }

    private final func flush(at time: NIODeadline) {
        isQueued = true
        context?.eventLoop.scheduleTask(deadline: time) { self.flush() }
    }

    /// Puts frames together. False when there is more than one turn may write.
    private final func gatherFrames() -> Bool {
        while true {
            while let frames = session.nextOutput() {
                flushQueue.gather(frames)
                if flushQueue.gatheredCount >= turnBytesMax { return false }
            }
            if resetsAfterOutput.isEmpty { return true }
            for streamID in resetsAfterOutput {
                session.reset(streamID: streamID, errorCode: HTTP2ErrorCode.noError)
            }
            resetsAfterOutput.removeAll(keepingCapacity: true)
        }
    }

    private final func tellDrained() {
        let list = drained
        drained.removeAll(keepingCapacity: true)
        for stream in list { stream.outputDrained() }
    }

    /// How long the peer has to read our last words.
    private static let goodbyeTime = TimeAmount.seconds(1)

    /// Ends our side and lets the peer end its own: closing at once would reset the connection if
    /// bytes of the peer were still unread, and our last frames would be lost with it.
    private final func sayGoodbye(_ context: ChannelHandlerContext) {
        guard !hasSaidGoodbye else { return }
        hasSaidGoodbye = true
        isClosing = true
        if !settings.isServer, !streams.isEmpty {
            // The session is broken: whoever waits for an answer is to know it now.
            abort()
            return
        }
        context.close(mode: .output, promise: nil)
        context.eventLoop.scheduleTask(in: Self.goodbyeTime) { self.abort() }
    }

    /// True when the peer's socket takes nothing and bytes for it wait.
    final var isBlockedBySocket: Bool { context.map { !$0.channel.isWritable } ?? false }

    /// Writes what is to be said, then closes the channel.
    final func close() {
        isClosing = true
        isReading = false
        setNeedsFlush()
    }

    /// Closes the channel at once, or as soon as nghttp2 has returned: what it works on must stay
    /// until then, and a handler may ask for this in the middle of it.
    final func abort() {
        guard let context else { return }
        if session.isInside {
            context.eventLoop.execute { self.abort() }
        } else {
            context.close(promise: nil)
        }
    }

    private final func tearDown() {
        guard !isClosed else { return }
        if session.isInside {
            context?.eventLoop.execute { self.tearDown() }
            return
        }
        isClosed = true
        connectionLosing()
        let lost = streams
        streams.removeAll()
        for stream in lost { stream.slot = -1 }
        for stream in lost { stream.streamClosed(errorCode: HTTP2ErrorCode.cancel) }
        session.delete()
        context = nil
        drained.removeAll()
        connectionClosed()
    }
}
