internal import API
internal import NIOCore
internal import RPC
internal import SwiftProtobuf

/// A piece of a snapshot, in order.
public struct SnapshotPiece: Sendable {
    public let bytes: [UInt8]
    /// Bytes of the file that are still to come after this piece, without its digest.
    public let remainingBytes: UInt64
}

extension Cluster {
    /// Downloads a snapshot of one member's state: the file that `etcdctl snapshot save` writes,
    /// with the SHA-256 of all before it as its last 32 bytes. Needs the role `root` where the
    /// cluster asks who calls.
    ///
    /// - Parameters:
    ///   - timeout: how long the whole may take; by default an hour.
    ///   - body: is given the pieces one after the other; no more is read while it works.
    public func snapshot(
        timeout: Duration = .seconds(3600),
        _ body: @escaping @Sendable (SnapshotPiece) async throws -> Void
    ) async throws {
        let download = SnapshotDownload(
            dialer: dialer, connectTimeout: TimeAmount(options.timeout))
        let deadline = NIODeadline.now() + TimeAmount(timeout)
        while let piece = try await download.next(deadline: deadline) { try await body(piece) }
    }
}

/// One `Maintenance.Snapshot` call. `@unchecked Sendable`: confined to the dialer's loop.
private final class SnapshotDownload: @unchecked Sendable {
    private typealias Answer = Result<SnapshotPiece?, ClusterError>

    private let dialer: Dialer
    private var stream: ClientStream?
    private var hasStarted = false
    private var pieces = CircularBuffer<SnapshotPiece>()
    private var ending: Answer?
    private var reader: CheckedContinuation<Answer, Never>?

    /// Pieces that may wait to be read; above it the stream is paused.
    private static let unreadMax = 64

    private let connectTimeout: TimeAmount

    init(dialer: Dialer, connectTimeout: TimeAmount) {
        self.dialer = dialer
        self.connectTimeout = connectTimeout
    }

    /// The next piece; nil after the last.
    func next(deadline: NIODeadline) async throws(ClusterError) -> SnapshotPiece? {
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
            if pieces.count < Self.unreadMax / 2 { stream?.resumeReading() }
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
            "/etcdserverpb.Maintenance/Snapshot", metadata: login, timeout: timeout,
            onMessage: { self.received($0, endpoint) },
            onEnd: { status in
                if status.isOK { self.end(.success(nil)) } else { self.fail(status, endpoint) }
            })
        stream?.send([])
        stream?.halfClose()
    }

    private func received(_ message: [UInt8], _ endpoint: String) {
        guard let answer = try? EtcdSnapshotResponse(serializedBytes: message) else {
            stream?.cancel()
            let text = "a piece of the snapshot cannot be decoded"
            return end(.failure(ClusterError(.malformedAnswer, text, endpoint: endpoint)))
        }
        let bytes = Array(answer.blob)
        let isCounted = answer.remainingBytes >= UInt64(bytes.count)
        let piece = SnapshotPiece(
            bytes: bytes,
            remainingBytes: isCounted ? answer.remainingBytes - UInt64(bytes.count) : 0)
        if let reader {
            self.reader = nil
            return reader.resume(returning: .success(piece))
        }
        pieces.append(piece)
        if pieces.count >= Self.unreadMax { stream?.pauseReading() }
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
