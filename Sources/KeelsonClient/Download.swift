internal import NIOCore
internal import RPC

/// One call that is answered with a stream, of which no more is read than is taken.
///
/// `@unchecked Sendable`: confined to the dialer's loop.
final class Download<Piece: Sendable>: @unchecked Sendable {
    private typealias Answer = Result<Piece?, ClusterError>

    private let dialer: Dialer
    private var stream: ClientStream?
    private var hasStarted = false
    private var pieces = CircularBuffer<Piece>()
    private var ending: Answer?
    private var reader: CheckedContinuation<Answer, Never>?

    /// Pieces that may wait to be read; above it the stream is paused.
    private let unreadMax: Int
    private let connectTimeout: TimeAmount
    private let path: String
    private let request: [UInt8]
    private let decode: @Sendable ([UInt8]) -> Piece?

    /// - Parameter decode: a piece of a message; nil where it is none.
    init(
        dialer: Dialer, connectTimeout: TimeAmount, path: String, request: [UInt8],
        unreadMax: Int = 64, decode: @escaping @Sendable ([UInt8]) -> Piece?
    ) {
        self.dialer = dialer
        self.connectTimeout = connectTimeout
        self.path = path
        self.request = request
        self.unreadMax = unreadMax
        self.decode = decode
    }

    /// The next piece; nil after the last.
    func next(deadline: NIODeadline) async throws(ClusterError) -> Piece? {
        let answer: Answer = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isTaken = dialer.execute { self.read(continuation, deadline) }
                if !isTaken { continuation.resume(returning: .failure(Dialer.closedError)) }
            }
        } onCancel: {
            dialer.execute {
                self.stream?.cancel()
                self.end(.failure(ClusterError(.cancelled, "the download was cancelled")))
            }
        }
        return try answer.get()
    }

    private func read(_ continuation: CheckedContinuation<Answer, Never>, _ deadline: NIODeadline) {
        if let piece = pieces.popFirst() {
            if pieces.count < unreadMax / 2 { stream?.resumeReading() }
            return continuation.resume(returning: .success(piece))
        }
        if let ending { return continuation.resume(returning: ending) }
        reader = continuation
        if !hasStarted { start(deadline) }
    }

    private func start(_ deadline: NIODeadline) {
        hasStarted = true
        let attempts = Attempts(dialer: dialer, deadline: min(deadline, .now() + connectTimeout))
        attempts.next { found in
            guard let found else {
                return self.end(
                    .failure(
                        ClusterError(
                            .unavailable, "no endpoint could serve: \(attempts.summary)")))
            }
            let timeout = max(deadline - .now(), .milliseconds(1))
            let endpoint = self.dialer.endpoint(found.index).description
            self.dialer.login.metadata(from: found.client, timeout: timeout) { result in
                switch result {
                case .success(let login): self.open(found.client, login, timeout, endpoint)
                case .failure(let status): self.fail(status, endpoint)
                }
            }
        }
    }

    private func open(
        _ client: RPCClient, _ login: Login.Metadata, _ timeout: TimeAmount, _ endpoint: String
    ) {
        stream = client.stream(
            path, metadata: login, timeout: timeout,
            onMessage: { self.received($0, endpoint) },
            onEnd: { status in
                if status.isOK { return self.end(.success(nil)) }
                // Another download is not to fail with the same token.
                if self.dialer.login.canRetry(status) { self.dialer.login.forget(login) }
                self.fail(status, endpoint)
            })
        stream?.send(request)
        stream?.halfClose()
    }

    private func received(_ message: [UInt8], _ endpoint: String) {
        guard let piece = decode(message) else {
            stream?.cancel()
            let text = "what the server sent cannot be decoded"
            return end(.failure(ClusterError(.malformedAnswer, text, endpoint: endpoint)))
        }
        if let reader {
            self.reader = nil
            return reader.resume(returning: .success(piece))
        }
        pieces.append(piece)
        if pieces.count >= unreadMax { stream?.pauseReading() }
    }

    private func fail(_ status: RPCStatus, _ endpoint: String) {
        end(.failure(ClusterError(status: status, isRead: true, endpoint: endpoint)))
    }

    private func end(_ answer: Answer) {
        guard ending == nil else { return }
        ending = answer
        stream = nil
        reader?.resume(returning: answer)
        reader = nil
    }
}
