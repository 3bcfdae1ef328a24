internal import Monitoring
package import NIOCore

/// One call on a server, from its headers to its trailers.
///
/// Confined to its connection's event loop, hence `@unchecked Sendable`: every member is to be used
/// there. After the call has ended everything that sends is without effect.
package final class ServerCall: HTTP2Stream, DeadlineTarget, @unchecked Sendable {
    private enum Phase {
        /// The request is still coming, or the handler has not answered.
        case open
        /// The status was given; what is buffered and the trailers are on their way.
        case finishing
        case closed
    }

    // Both live as long as the superclass's `connection`.
    private unowned(unsafe) let server: ServerConnection
    unowned(unsafe) let core: ServerCore
    /// When its first header came, to a turn of the event loop.
    let beganAt: NIODeadline
    @exclusivity(unchecked) private(set) var head = RequestHead()
    @exclusivity(unchecked) private var rules = RequestRules()
    @exclusivity(unchecked) private var phase = Phase.open
    @exclusivity(unchecked) private var assembler = MessageAssembler()
    @exclusivity(unchecked) private var request: [UInt8]?
    @exclusivity(unchecked) private var stream: (any ServerStream)?
    @exclusivity(unchecked) private var isDispatched = false
    @exclusivity(unchecked) private var hasSentHeaders = false
    @exclusivity(unchecked) private var status = RPCStatus.ok
    @exclusivity(unchecked) private var deadlineEntry: DeadlineWheel.Entry?
    private var isAboveHighWater = false
    // What a paused handler has not taken: not consumed, so that the client's window closes.
    @exclusivity(unchecked) private var isPaused = false
    @exclusivity(unchecked) private var isDelivering = false
    @exclusivity(unchecked) private var heldBytes: [UInt8] = []
    @exclusivity(unchecked) private var unconsumedBytes = 0
    @exclusivity(unchecked) private var accountedBytes = 0
    @exclusivity(unchecked) private var messageBeganAt: NIODeadline?
    @exclusivity(unchecked) package var times = CallTimes()

    /// When the call must be over. Nil: the client set no deadline.
    package private(set) var deadline: NIODeadline?
    /// Who calls, as far as the services have found out.
    package var identity: CallIdentity?
    /// For unary calls: told once if the call ends before it was answered (the client went away or
    /// its deadline passed). Streams are told by ``ServerStream/closed(cancelled:)``.
    package var onCancel: (() -> Void)?

    init(connection: ServerConnection, streamID: Int32) {
        server = connection
        core = connection.core
        beganAt = connection.lastReadAt
        super.init(connection: connection, streamID: streamID)
    }

    var isHeadUnfinished: Bool { !isDispatched }
    /// Since when the client owes the rest of what it began: a unary request, or a message of a
    /// stream.
    var unfinishedSince: NIODeadline? {
        guard phase == .open, !isRemoteClosed else { return nil }
        return stream == nil ? beganAt : isPaused ? nil : messageBeganAt
    }

    package var eventLoop: any EventLoop { core.eventLoop }
    package var path: String {
        head.route?.pathText ?? String(decoding: head.unknownPath, as: UTF8.self)
    }
    /// True until a status was given or the call was lost.
    package var isOpen: Bool { phase == .open }
    /// The client's address, for logs.
    package var peerAddress: SocketAddress? { server.peerAddress }
    /// The common name of the client's certificate (TLS). Nil without a verified certificate.
    package var peerCommonName: String? { server.peerCommonName }

    // MARK: Answering

    /// One message and the status OK: a unary call's whole answer.
    package func respond(_ message: [UInt8]) {
        guard phase == .open else { return }
        output.append(message)
        finish(.ok)
    }

    package func send(_ message: [UInt8]) {
        guard phase == .open else { return }
        output.append(message)
        outputAppended()
    }

    package func send(_ message: SharedMessage) {
        guard phase == .open else { return }
        output.append(message)
        outputAppended()
    }

    /// One message that is too large to be in memory at once. `next` is asked for a piece whenever
    /// flow control has room; the pieces must sum to `byteCount`, otherwise the call is reset.
    package func send(byteCount: Int, next: @escaping () -> [UInt8]?) {
        guard phase == .open else { return }
        guard byteCount >= 0, byteCount <= Int(UInt32.max) else {
            finish(RPCStatus(.resourceExhausted, "message of \(byteCount) bytes cannot be framed"))
            return
        }
        output.append(OutputQueue.Pull(byteCount: byteCount, next: next))
        outputAppended()
    }

    /// Sends the response's headers now instead of with the first message.
    package func sendHeaders() {
        guard phase == .open, !hasSentHeaders else { return }
        outputAppended()
    }

    /// Ends the call after what was sent.
    package func finish(_ status: RPCStatus) {
        guard phase == .open else { return }
        phase = .finishing
        self.status = status
        cancelDeadline()
        noteEnd(status.code)
        guard isAttached else { return }
        if !hasSentHeaders, output.isEmpty {
            submitTrailersOnly(httpStatus: "200")
        } else {
            ending = .trailers
            outputAppended()
        }
        stopReading()
    }

    /// Bytes given to `send` that flow control has not let go.
    package var bufferedBytes: Int { output.bufferedBytes }

    /// False while more than the high-water mark is buffered; `writable()` says when to go on.
    package var isWritable: Bool {
        if output.bufferedBytes < core.limits.outputHighWaterBytes { return true }
        isAboveHighWater = true
        return false
    }

    private func outputAppended() {
        guard isAttached else { return }
        if !hasSentHeaders {
            hasSentHeaders = true
            connection.session.submitResponse(self)
        } else if isDeferred {
            isDeferred = false
            connection.session.resume(self)
        }
        connection.setNeedsFlush()
    }

    private func submitTrailersOnly(httpStatus: String) {
        hasSentHeaders = true
        server.hasAnswered = true
        var fields: [(name: [UInt8], value: [UInt8])] = [
            (Array(":status".utf8), Array(httpStatus.utf8)),
            (Array("content-type".utf8), Array("application/grpc".utf8)),
        ]
        fields.append(contentsOf: statusFields())
        connection.session.submitHeadersOnly(self, HTTP2HeaderBlock(fields, isKept: false))
        ended()
        connection.setNeedsFlush()
    }

    private func statusFields() -> [(name: [UInt8], value: [UInt8])] {
        var fields = [
            (name: Array("grpc-status".utf8), value: Array(String(status.code.rawValue).utf8))
        ]
        if !status.message.isEmpty {
            fields.append((Array("grpc-message".utf8), StatusMessage.encode(status.message)))
        }
        if status.code == .unimplemented, !head.encoding.isEmpty {
            fields.append(
                (Array("grpc-accept-encoding".utf8), Array(MessageEncoding.accepted.utf8)))
        }
        return fields
    }

    override func submitTrailers() {
        if status.isOK {
            connection.session.submitTrailers(self, .trailersOK)
        } else {
            connection.session.submitTrailers(self, HTTP2HeaderBlock(statusFields(), isKept: false))
        }
        ended()
    }

    /// Our side is over. A client that still sends is told to stop, after the trailers.
    private func ended() {
        noteOver(sentAt: connection.flushBeganAt, status.code)
        if !isRemoteClosed { connection.resetAfterOutput(streamID) }
    }

    override func outputTaken(bufferedBefore before: Int) {
        server.hasAnswered = true
        if isAboveHighWater, output.bufferedBytes <= core.limits.outputLowWaterBytes {
            isAboveHighWater = false
            connection.notifyDrained(self)
        }
    }

    override func outputDrained() {
        if phase == .open { stream?.writable() }
    }

    // MARK: Receiving

    override func headerReceived(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        // A second block is trailers: gRPC clients send none, and they mean nothing here.
        guard !isDispatched else { return }
        rules.check(name, value)
        head.add(
            name, value, routes: core.routes,
            byteCountMax: core.limits.headerListBytesMax)
    }

    override func headersReceived(endOfStream: Bool) {
        guard !isDispatched else { return }
        isDispatched = true
        if endOfStream { isRemoteClosed = true }
        guard rules.isMet else { return refuseMalformed() }
        if let refusal = headRefusal() {
            refuse(refusal.status, httpStatus: refusal.http)
            return
        }
        head.route?.meter.callStarted()
        if let timeout = head.timeout { startDeadline(.now() + timeout) }
        if let make = head.route?.stream { stream = make(self) }
    }

    /// No HTTP request at all: there is nothing to answer (RFC 9113 §8.1.1).
    private func refuseMalformed() {
        phase = .finishing
        server.invalidFrameReceived()
        connection.session.reset(streamID: streamID, errorCode: HTTP2ErrorCode.protocolError)
        connection.setNeedsFlush()
    }

    private func headRefusal() -> (http: String, status: RPCStatus)? {
        let limit = core.limits.headerListBytesMax
        if head.byteCount > limit {
            let text = "request headers of \(head.byteCount) bytes or more; the limit is \(limit)"
            return ("431", RPCStatus(.resourceExhausted, text))
        }
        if !head.isGRPC {
            let type = String(decoding: head.contentType, as: UTF8.self)
            let text = "invalid gRPC request content-type \"\(type)\""
            return ("415", RPCStatus(.invalidArgument, text))
        }
        if !head.isPost {
            return ("405", RPCStatus(.internalError, "a gRPC request must be a POST"))
        }
        guard head.route != nil else {
            return ("200", core.routes.refusal(ofPath: head.unknownPath))
        }
        if head.isTimeoutMalformed {
            return ("400", RPCStatus(.internalError, "malformed grpc-timeout"))
        }
        if !head.encoding.isEmpty, !MessageEncoding.isSupported(head.encoding) {
            let name = String(decoding: head.encoding, as: UTF8.self)
            let text = "grpc: Decompressor is not installed for grpc-encoding \"\(name)\""
            return ("200", RPCStatus(.unimplemented, text))
        }
        return nil
    }

    private func refuse(_ status: RPCStatus, httpStatus: String) {
        phase = .finishing
        self.status = status
        submitTrailersOnly(httpStatus: httpStatus)
    }

    override func dataReceived(_ bytes: UnsafeRawBufferPointer) {
        unconsumedBytes += bytes.count
        guard phase == .open else {
            consume()
            return
        }
        if isPaused || isDelivering {
            heldBytes.append(contentsOf: bytes)
        } else {
            deliver(bytes)
        }
        accountHeldBytes()
    }

    private func deliver(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        isDelivering = true
        defer { isDelivering = false }
        do throws(MessageAssembler.Refusal) {
            while !isPaused, phase == .open,
                let message = try assembler.next(
                    &rest, byteCountMax: core.limits.messageBytesMax)
            {
                messageBeganAt = nil
                accept(message)
            }
            if assembler.isMidMessage, messageBeganAt == nil { messageBeganAt = server.lastReadAt }
        } catch {
            refuseMessage(error)
        }
        if phase != .open {
            rest = UnsafeRawBufferPointer(start: nil, count: 0)
        }
        if !rest.isEmpty { heldBytes.append(contentsOf: rest) }
        if heldBytes.isEmpty { consume() }
    }

    private func refuseMessage(_ refusal: MessageAssembler.Refusal) {
        switch refusal {
        case .tooLarge(let byteCount):
            let limit = core.limits.messageBytesMax
            let text = "grpc: received message larger than max (\(byteCount) vs. \(limit))"
            fail(RPCStatus(.resourceExhausted, text))
        case .unknownFlags(let flags):
            fail(RPCStatus(.internalError, "grpc: received unexpected payload format \(flags)"))
        }
    }

    private func accept(_ message: ReceivedMessage) {
        var bytes = message.bytes
        if message.isCompressed {
            guard !head.encoding.isEmpty else {
                let text = "grpc: compressed flag set with identity or empty encoding"
                fail(RPCStatus(.internalError, text))
                return
            }
            do throws(RPCStatus) {
                bytes = try MessageEncoding.decompress(
                    bytes, byteCountMax: core.limits.messageBytesMax)
            } catch {
                fail(error)
                return
            }
        }
        if let stream {
            stream.received(bytes)
        } else if request == nil {
            request = bytes
        } else {
            fail(RPCStatus(.internalError, "a unary call takes exactly one request message"))
        }
    }

    override func remoteClosed() {
        isRemoteClosed = true
        guard phase == .open, !isPaused, heldBytes.isEmpty else { return }
        halfClose()
    }

    private func halfClose() {
        guard !assembler.isMidMessage else {
            fail(RPCStatus(.internalError, "unexpected EOF"))
            return
        }
        if let stream {
            stream.halfClosed()
            return
        }
        guard let handler = head.route?.unary, let message = request else {
            fail(RPCStatus(.internalError, "a unary call takes exactly one request message"))
            return
        }
        request = nil
        times.requestBytes = message.count
        handler(self, message)
    }

    /// Stops handing messages to the stream; the client can send what its window still allows.
    package func pauseReading() { isPaused = true }

    package func resumeReading() {
        guard isPaused else { return }
        isPaused = false
        // Until now the client may have waited for room.
        if messageBeganAt != nil { messageBeganAt = .now() }
        guard !isDelivering, phase == .open else { return }
        if !heldBytes.isEmpty {
            let bytes = heldBytes
            heldBytes = []
            bytes.withUnsafeBytes { deliver($0) }
            accountHeldBytes()
            connection.setNeedsFlush()
        }
        if isRemoteClosed, phase == .open, !isPaused, heldBytes.isEmpty { halfClose() }
    }

    /// Opens the client's window again for what the handler has taken.
    private func consume() {
        if unconsumedBytes > 0, isAttached, !isRemoteClosed {
            connection.session.consumeStream(streamID, unconsumedBytes)
        }
        unconsumedBytes = 0
    }

    private func accountHeldBytes() {
        let held = phase == .open ? heldBytes.count + assembler.heldByteCount : 0
        if held == accountedBytes { return }
        core.heldBytes += held - accountedBytes
        accountedBytes = held
        if core.heldBytes > core.limits.heldBytesMax, held > 0 {
            fail(RPCStatus(.resourceExhausted, "too many bytes of unfinished requests"))
        }
    }

    private func stopReading() {
        heldBytes = []
        assembler = MessageAssembler()
        accountHeldBytes()
    }

    // MARK: Ending

    private func startDeadline(_ time: NIODeadline) {
        deadline = time
        deadlineEntry = core.deadlines.add(self, deadline: time)
    }

    private func cancelDeadline() {
        if let deadlineEntry {
            core.deadlines.remove(deadlineEntry)
            self.deadlineEntry = nil
        }
    }

    package func deadlineExpired() {
        fail(RPCStatus(.deadlineExceeded, "context deadline exceeded"))
    }

    /// Ends an open call from this side: the client gets `status`, the handler learns that it is
    /// over.
    func fail(_ status: RPCStatus) {
        guard phase == .open else { return }
        if output.isMidMessage {
            // Trailers inside of a message would be read as part of it.
            phase = .finishing
            cancelDeadline()
            noteEnd(status.code)
            connection.session.reset(streamID: streamID, errorCode: HTTP2ErrorCode.cancel)
            connection.setNeedsFlush()
            stopReading()
        } else {
            output.removeAll()
            finish(status)
        }
        tellCancelled()
    }

    /// Resets a call whose answer the client does not read: there is no room to say why.
    func giveUp() {
        let wasOpen = phase == .open
        phase = .finishing
        cancelDeadline()
        if wasOpen { noteEnd(.cancelled) }
        noteOver(sentAt: nil, .cancelled)
        connection.session.reset(streamID: streamID, errorCode: HTTP2ErrorCode.cancel)
        connection.setNeedsFlush()
        output.removeAll()
        stopReading()
        if wasOpen { tellCancelled() }
    }

    private func tellCancelled() {
        let stream = self.stream
        let onCancel = self.onCancel
        self.stream = nil
        self.onCancel = nil
        stream?.closed(cancelled: true)
        onCancel?()
    }

    override func streamClosed(errorCode: UInt32) {
        let wasOpen = phase == .open
        phase = .closed
        cancelDeadline()
        let isLost = wasOpen || errorCode != HTTP2ErrorCode.noError
        output.removeAll()
        stopReading()
        if wasOpen {
            noteEnd(.cancelled)
            noteOver(sentAt: nil, .cancelled)
            tellCancelled()
        } else if let stream {
            self.stream = nil
            stream.closed(cancelled: isLost)
        }
        onCancel = nil
    }
}
