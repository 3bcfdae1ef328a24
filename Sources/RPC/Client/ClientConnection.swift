internal import NIOCore

/// The client's end of one HTTP/2 connection.
final class ClientConnection: HTTP2Connection, @unchecked Sendable {
    let settings: RPCClientSettings
    let deadlines: DeadlineWheel
    private let eventLoop: any EventLoop
    /// Why no new call is taken; nil while calls are.
    private(set) var refusal: RPCStatus?
    /// Why the connection was lost, once it was.
    private(set) var loss: RPCStatus?
    var onClose: ((RPCStatus) -> Void)?
    /// Fulfilled when the server's SETTINGS came: before that its limit of streams is not known.
    private var ready: EventLoopPromise<Void>?
    private var isReady = false
    private var keepaliveSentAt: NIODeadline?
    private var keepaliveTask: RepeatedTask?

    init(eventLoop: any EventLoop, settings: RPCClientSettings) {
        self.eventLoop = eventLoop
        self.settings = settings
        deadlines = DeadlineWheel(eventLoop: eventLoop)
        super.init(
            flushQueue: FlushQueue(eventLoop: eventLoop), turnBytesMax: settings.turnBytesMax,
            settings: HTTP2SessionSettings(
                isServer: false, concurrentStreamsMax: 0,
                streamWindowBytes: settings.streamWindowBytes,
                connectionWindowBytes: settings.connectionWindowBytes,
                headerListBytesMax: 64 * 1024))
    }

    /// Opens a call. Nil: the reason is in `refusal`, or given by `status`.
    func start(
        _ method: RPCMethod, receiver: ClientCall.Receiver, message: [UInt8]?,
        timeout: TimeAmount?
    ) -> (call: ClientCall?, status: RPCStatus?) {
        if let refusal { return (nil, refusal) }
        guard streamCount < settings.callsMax else {
            let text = "\(streamCount) calls are running or waiting on this connection already"
            return (nil, RPCStatus(.resourceExhausted, text, neverSent: true))
        }
        guard let number = session.nextStreamID else {
            refusal = RPCStatus(
                .unavailable, "the connection has no stream numbers left", neverSent: true)
            return (nil, refusal)
        }
        let call = ClientCall(
            connection: self, streamID: number, method: method, receiver: receiver)
        if let message {
            call.output.append(message)
            call.ending = .endOfStream
        }
        let isSubmitted: Bool
        if let timeout {
            isSubmitted = TimeoutHeader.encode(timeout).withUnsafeBytes {
                session.submitRequest(method.block, timeout: $0, number: number, stream: call)
            }
        } else {
            isSubmitted = session.submitRequest(
                method.block, timeout: nil, number: number, stream: call)
        }
        guard isSubmitted else {
            return (nil, RPCStatus(.unavailable, "the connection is closing", neverSent: true))
        }
        attach(call)
        if let timeout { call.startDeadline(.now() + timeout) }
        setNeedsFlush()
        return (call, nil)
    }

    override func controlFrameReceived(_ frame: HTTP2ControlFrame) {
        switch frame {
        case .goAway(_, let errorCode):
            if refusal == nil {
                refusal = RPCStatus(
                    .unavailable, "the server is going away (HTTP/2 error \(errorCode))",
                    neverSent: true)
            }
            if streamCount == 0 { close() }
        case .ping(isAcknowledgement: true): keepaliveSentAt = nil
        case .settings(isAcknowledgement: false):
            if !isReady { startKeepalive() }
            isReady = true
            ready?.succeed(())
            ready = nil
        case .ping, .settings, .reset, .windowUpdate, .idle: break
        }
    }

    override func streamCountChanged() {
        if streamCount == 0, refusal != nil { close() }
    }

    override func connectionLosing() {
        let status =
            failure ?? RPCStatus(.unavailable, "the connection to the server was closed")
        loss = status
        refusal = RPCStatus(status.code, status.message, neverSent: true)
    }

    override func connectionClosed() {
        keepaliveTask?.cancel()
        keepaliveTask = nil
        let reason = failure?.message ?? "the server closed the connection at once"
        ready?.fail(RPCStatus(.unavailable, reason, neverSent: true))
        ready = nil
        let onClose = self.onClose
        self.onClose = nil
        onClose?(loss ?? RPCStatus(.unavailable, "the connection was closed"))
    }

    /// Succeeds when the server has answered; gives the connection up after `timeout`.
    func whenReady(timeout: TimeAmount) -> EventLoopFuture<Void> {
        if isReady { return eventLoop.makeSucceededVoidFuture() }
        let promise = eventLoop.makePromise(of: Void.self)
        ready = promise
        let timer = eventLoop.scheduleTask(in: timeout) { [weak self] in self?.abort() }
        promise.futureResult.whenComplete { _ in timer.cancel() }
        return promise.futureResult
    }

    /// Takes no new calls and closes when the running ones have ended.
    func drain() {
        if refusal == nil {
            refusal = RPCStatus(.unavailable, "the client was closed", neverSent: true)
        }
        if streamCount == 0 { close() }
    }

    private func startKeepalive() {
        guard let interval = settings.keepaliveInterval else { return }
        keepaliveTask = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) {
            [weak self] _ in self?.keepalive(interval: interval)
        }
    }

    private func keepalive(interval: TimeAmount) {
        let now = NIODeadline.now()
        if keepaliveSentAt != nil || lastReadAt + interval > now { return }
        keepaliveSentAt = now
        session.submitPing()
        setNeedsFlush()
        eventLoop.scheduleTask(in: settings.keepaliveTimeout) { [weak self] in
            if self?.keepaliveSentAt == now { self?.abort() }
        }
    }
}
