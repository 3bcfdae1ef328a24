internal import NIOCore
internal import RPC

/// One request of the JSON gateway, from its body to the last line of its answer.
///
/// Confined to the event loop, hence `@unchecked Sendable`.
final class GatewayCall: @unchecked Sendable {
    private let method: GatewayMethod
    private let metadata: [(name: String, value: String)]
    private var done: ((HTTP1Response) -> Void)?
    private var stream: ClientStream?
    private var output: HTTP1Stream?
    private var isCancelled = false
    /// What came before the answer could be written: few, for the call is paused then.
    private var lines: [[UInt8]] = []
    private var ending: RPCStatus?

    init(
        _ method: GatewayMethod, metadata: [(name: String, value: String)],
        _ done: @escaping (HTTP1Response) -> Void
    ) {
        self.method = method
        self.metadata = metadata
        self.done = done
    }

    func start(on client: RPCClient, body: [UInt8]) {
        guard !isCancelled else { return }
        do {
            switch method.kind {
            case .unary:
                open(on: client, [try method.decode(body)])
            case .serverStream:
                open(on: client, [try method.decode(body)])
            case .bothStreams:
                guard let objects = JSONObjects.split(body) else {
                    return finish(
                        RPCStatus(.invalidArgument, "the body is not a sequence of JSON objects"))
                }
                open(on: client, try objects.map { try method.decode($0) })
            }
        } catch {
            finish(RPCStatus(.invalidArgument, "the request cannot be read: \(error)"))
        }
    }

    func fail(_ error: any Error) {
        finish(error as? RPCStatus ?? RPCStatus(.unavailable, "\(error)"))
    }

    /// The client is gone.
    func cancel() {
        isCancelled = true
        done = nil
        output = nil
        stream?.cancel()
        stream = nil
    }

    private func open(on client: RPCClient, _ requests: [[UInt8]]) {
        stream = client.stream(
            method.path, metadata: metadata, onMessage: { [self] in received($0) },
            onEnd: { [self] in ended($0) })
        for request in requests { stream?.send(request) }
        stream?.halfClose()
    }

    private func received(_ message: [UInt8]) {
        guard !isCancelled else { return }
        let json: [UInt8]
        do { json = try method.encode(message) } catch {
            stream?.cancel()
            return ended(RPCStatus(.internalError, "the answer cannot be written: \(error)"))
        }
        guard method.kind != .unary else {
            lines = [json]
            return
        }
        lines.append(Array("{\"result\":".utf8) + json + Array("}\n".utf8))
        beginAnswer()
        writeLines()
    }

    private func ended(_ status: RPCStatus) {
        stream = nil
        guard !isCancelled, ending == nil else { return }
        ending = status
        if method.kind == .unary || (done != nil && lines.isEmpty) { return finish(status) }
        writeLines()
    }

    private func finish(_ status: RPCStatus) {
        guard let done else { return }
        self.done = nil
        guard status.isOK else { return done(.refusal(status)) }
        done(.json(200, String(decoding: lines.first ?? [], as: UTF8.self)))
    }

    /// Head first: a watch may have nothing to tell for hours.
    private func beginAnswer() {
        guard let done else { return }
        self.done = nil
        var response = HTTP1Response(
            status: 200, headers: [("Content-Type", "application/json")])
        response.continuation = { output in
            self.output = output
            output.onWritable = { self.writeLines() }
            self.writeLines()
        }
        done(response)
    }

    private func writeLines() {
        guard let output else { return }
        while !lines.isEmpty, output.isWritable { output.write(lines.removeFirst()) }
        guard lines.isEmpty else {
            stream?.pauseReading()
            return
        }
        stream?.resumeReading()
        guard let ending else { return }
        if !ending.isOK {
            output.write(Array("{\"error\":".utf8) + ending.json + Array("}\n".utf8))
        }
        self.output = nil
        output.end()
    }
}
