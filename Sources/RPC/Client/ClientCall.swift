internal import NIOCore

/// One call on a client, of any kind.
///
/// Confined to its connection's event loop, hence `@unchecked Sendable`.
package final class ClientCall: HTTP2Stream, DeadlineTarget, @unchecked Sendable {
    enum Receiver {
        case sink(any RPCResponseSink, tag: Int)
        case unary((Result<[UInt8], RPCStatus>) -> Void)
        case stream(onMessage: ([UInt8]) -> Void, onEnd: (RPCStatus) -> Void)
    }

    private let client: ClientConnection
    /// Its header block must live until it is written.
    private let method: RPCMethod
    @exclusivity(unchecked) private var receiver: Receiver?
    @exclusivity(unchecked) private var assembler = MessageAssembler()
    @exclusivity(unchecked) private var response: [UInt8]?
    @exclusivity(unchecked) private var httpStatus = 0
    @exclusivity(unchecked) private var isGRPC = false
    @exclusivity(unchecked) private var grpcStatus: Int?
    private var grpcMessage = ""
    @exclusivity(unchecked) private var deadlineEntry: DeadlineWheel.Entry?
    @exclusivity(unchecked) private var isPaused = false
    @exclusivity(unchecked) private var isDelivering = false
    @exclusivity(unchecked) private var heldBytes: [UInt8] = []
    @exclusivity(unchecked) private var unconsumedBytes = 0

    init(
        connection: ClientConnection, streamID: Int32, method: RPCMethod, receiver: Receiver
    ) {
        client = connection
        self.method = method
        self.receiver = receiver
        super.init(connection: connection, streamID: streamID)
    }

    /// True until the call has ended.
    package var isOpen: Bool { receiver != nil }
    /// Bytes given to `send` that flow control has not let go.
    package var bufferedBytes: Int { output.bufferedBytes }
    /// Called when `bufferedBytes` has fallen to zero after a `send`.
    package var onDrained: (() -> Void)?

    // MARK: Sending

    package func send(_ message: [UInt8]) {
        guard isOpen, ending == .open else { return }
        output.append(message)
        outputAppended()
    }

    /// No more messages follow.
    package func halfClose() {
        guard isOpen, ending == .open else { return }
        ending = .endOfStream
        outputAppended()
    }

    /// Ends the call at once; `onEnd` is told `cancelled`.
    package func cancel() {
        end(
            RPCStatus(
                .cancelled, "the call was cancelled by its client", neverSent: !hasWrittenBody))
    }

    private func outputAppended() {
        guard isAttached else { return }
        if isDeferred {
            isDeferred = false
            connection.session.resume(self)
        }
        connection.setNeedsFlush()
    }

    override func outputTaken(bufferedBefore before: Int) {
        if onDrained != nil, output.isEmpty, ending == .open { connection.notifyDrained(self) }
    }

    override func outputDrained() { onDrained?() }

    // MARK: Receiving

    override func headerReceived(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        switch name.count {
        case 7 where name.equals(":status"):
            httpStatus = value.reduce(0) { ($0 &* 10) &+ Int($1) &- 48 }
        case 11 where name.equals("grpc-status"):
            grpcStatus =
                value.count > 9 ? -1 : value.reduce(0) { ($0 &* 10) &+ Int($1) &- 48 }
        case 12 where name.equals("grpc-message"): grpcMessage = StatusMessage.decode(value)
        case 12 where name.equals("content-type"):
            isGRPC =
                value.count >= 16
                && UnsafeRawBufferPointer(rebasing: value[..<16]).equals(
                    "application/grpc")
        default: break
        }
    }

    override func dataReceived(_ bytes: UnsafeRawBufferPointer) {
        unconsumedBytes += bytes.count
        guard isOpen, isGRPC, httpStatus == 200 else {
            consume()
            return
        }
        if isPaused || isDelivering {
            heldBytes.append(contentsOf: bytes)
        } else {
            deliver(bytes)
        }
    }

    private func deliver(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        isDelivering = true
        defer { isDelivering = false }
        do throws(MessageAssembler.Refusal) {
            while !isPaused, isOpen,
                let message = try assembler.next(
                    &rest, byteCountMax: client.settings.responseBytesMax)
            {
                accept(message)
            }
        } catch {
            refuse(error)
        }
        if isOpen, !rest.isEmpty { heldBytes.append(contentsOf: rest) }
        if heldBytes.isEmpty { consume() }
    }

    private func refuse(_ refusal: MessageAssembler.Refusal) {
        switch refusal {
        case .tooLarge(let byteCount):
            let limit = client.settings.responseBytesMax
            end(
                RPCStatus(
                    .resourceExhausted,
                    "grpc: received message larger than max (\(byteCount) vs. \(limit))"))
        case .unknownFlags(let flags):
            end(RPCStatus(.internalError, "grpc: received unexpected payload format \(flags)"))
        }
    }

    private func accept(_ message: ReceivedMessage) {
        guard !message.isCompressed else {
            end(RPCStatus(.internalError, "grpc: compressed flag set with identity encoding"))
            return
        }
        if case .stream(let onMessage, _) = receiver {
            onMessage(message.bytes)
        } else if response == nil {
            response = message.bytes
        } else {
            end(RPCStatus(.internalError, "a unary call has exactly one response message"))
        }
    }

    private func consume() {
        // A unary call's window is opened seldom: most answers fit it many times.
        if unconsumedBytes == 0 || !isAttached || isRemoteClosed { return }
        connection.session.consumeStream(streamID, unconsumedBytes)
        unconsumedBytes = 0
    }

    /// Stops `onMessage` until `resumeReading`; the server can send what the window still allows.
    package func pauseReading() { isPaused = true }

    package func resumeReading() {
        guard isPaused else { return }
        isPaused = false
        guard !isDelivering, isOpen else { return }
        if !heldBytes.isEmpty {
            let bytes = heldBytes
            heldBytes = []
            bytes.withUnsafeBytes { deliver($0) }
            connection.setNeedsFlush()
        }
        if isRemoteClosed, !isPaused, heldBytes.isEmpty { endAsServerSaid() }
    }

    override func remoteClosed() {
        isRemoteClosed = true
        if !isPaused { endAsServerSaid() }
    }

    private func endAsServerSaid() {
        if let grpcStatus {
            let code = RPCCode(rawValue: grpcStatus) ?? .unknown
            guard code == .ok else {
                end(RPCStatus(code, grpcMessage))
                return
            }
            if assembler.isMidMessage {
                end(RPCStatus(.internalError, "the server ended the call inside of a message"))
            } else {
                end(.ok)
            }
        } else if httpStatus != 200 {
            end(Self.status(ofHTTP: httpStatus))
        } else {
            end(RPCStatus(.internalError, "the server ended the call without a status"))
        }
    }

    // MARK: Ending

    func startDeadline(_ time: NIODeadline) {
        deadlineEntry = client.deadlines.add(self, deadline: time)
    }

    package func deadlineExpired() {
        end(RPCStatus(.deadlineExceeded, "context deadline exceeded", neverSent: !hasWrittenBody))
    }

    override func streamClosed(errorCode: UInt32) {
        guard isOpen else { return }
        if isPaused, isRemoteClosed, errorCode == HTTP2ErrorCode.noError { return }
        if let loss = client.loss {
            end(RPCStatus(loss.code, loss.message, neverSent: !hasWrittenBody))
        } else {
            end(Self.status(ofReset: errorCode, neverSent: !hasWrittenBody))
        }
    }

    /// Tells the caller once, and gives the stream up if it is still open.
    func end(_ status: RPCStatus) {
        guard let receiver else { return }
        self.receiver = nil
        onDrained = nil
        if let deadlineEntry {
            client.deadlines.remove(deadlineEntry)
            self.deadlineEntry = nil
        }
        if isAttached, !(isRemoteClosed && ending == .endOfStream && output.isEmpty) {
            output.removeAll()
            connection.session.reset(streamID: streamID, errorCode: HTTP2ErrorCode.cancel)
            connection.setNeedsFlush()
        }
        let message = response
        response = nil
        heldBytes = []
        tell(receiver, status, message)
    }

    private func tell(_ receiver: Receiver, _ status: RPCStatus, _ message: [UInt8]?) {
        var status = status
        switch receiver {
        case .stream(_, let onEnd):
            onEnd(status)
            return
        case .sink, .unary:
            if status.code == .ok, message == nil {
                status = RPCStatus(.internalError, "the server's answer holds no message")
            }
        }
        switch receiver {
        case .sink(let sink, let tag):
            sink.completed(tag: tag, status: status, message: message ?? [])
        case .unary(let done):
            done(status.code == .ok ? .success(message ?? []) : .failure(status))
        case .stream: break
        }
    }

    /// Source: gRPC's `http-grpc-status-mapping.md`.
    private static func status(ofHTTP status: Int) -> RPCStatus {
        let code: RPCCode
        switch status {
        case 400: code = .internalError
        case 401: code = .unauthenticated
        case 403: code = .permissionDenied
        case 404: code = .unimplemented
        case 429, 502, 503, 504: code = .unavailable
        default: code = .unknown
        }
        return RPCStatus(code, "unexpected HTTP status \(status)")
    }

    /// Source: gRPC's `PROTOCOL-HTTP2.md`, "Errors".
    private static func status(ofReset errorCode: UInt32, neverSent: Bool) -> RPCStatus {
        let text = "the stream was reset with HTTP/2 error \(errorCode)"
        switch errorCode {
        case HTTP2ErrorCode.refusedStream:
            return RPCStatus(.unavailable, text, neverSent: true)
        case HTTP2ErrorCode.cancel: return RPCStatus(.cancelled, text, neverSent: neverSent)
        case HTTP2ErrorCode.enhanceYourCalm:
            return RPCStatus(.resourceExhausted, text, neverSent: neverSent)
        case HTTP2ErrorCode.inadequateSecurity:
            return RPCStatus(.permissionDenied, text, neverSent: neverSent)
        default: return RPCStatus(.internalError, text, neverSent: neverSent)
        }
    }
}

/// A client's call whose messages come and go one by one.
package typealias ClientStream = ClientCall
