internal import API
internal import NIOCore
internal import Primitives
internal import RPC
internal import SwiftProtobuf

/// The moving part of a ``KeyWatch``: one stream at a time, a queue, and where to go on.
///
/// `@unchecked Sendable`: everything mutable is touched on `loop` alone.
final class Watcher: @unchecked Sendable {
    private enum State {
        /// Looking for a member, or waiting for it to create the watch.
        case opening
        case streaming
        case ended(ClusterError?)
    }

    private let loop: any EventLoop
    private let range: KeyRange
    private let options: WatchOptions
    private let dialer: Dialer

    private var state = State.opening
    /// The first revision not seen so far; 0 until the first answer to a watch from now on.
    private var nextRevision: Int64
    private var stream: ClientStream?
    private var attempts: Attempts?
    private var sentLogin: Login.Metadata = []
    private var logins = 0

    private static let loginsMax = 2
    /// Counts streams: what comes from an earlier one is not for us.
    private var generation = 0
    private var queue = CircularBuffer<(update: WatchUpdate, byteCount: Int)>()
    private var unreadEvents = 0
    private var unreadBytes = 0
    /// The reader is far behind: the stream is not read until it has caught up.
    private var isPaused = false
    private var reader: CheckedContinuation<Result<WatchUpdate?, ClusterError>, Never>?
    private var creation: CheckedContinuation<Result<Int64, ClusterError>, Never>?
    private var creationTimer: Scheduled<Void>?

    init(range: KeyRange, options: WatchOptions, dialer: Dialer) {
        self.range = range
        self.options = options
        self.dialer = dialer
        loop = dialer.loop
        nextRevision = max(0, options.startRevision)
    }

    /// Opens the first stream and waits until the watch exists; the revision at which it does.
    func start(timeout: Duration) async throws(ClusterError) -> Int64 {
        let result: Result<Int64, ClusterError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isTaken = execute {
                    if case .ended = self.state {
                        let error = ClusterError(.cancelled, "the watch was cancelled")
                        return continuation.resume(returning: .failure(error))
                    }
                    self.creation = continuation
                    self.creationTimer = self.loop.scheduleTask(in: TimeAmount(timeout)) {
                        self.creationTimedOut()
                    }
                    self.open()
                }
                if !isTaken { continuation.resume(returning: .failure(Dialer.closedError)) }
            }
        } onCancel: {
            execute { self.end(ClusterError(.cancelled, "the watch was cancelled")) }
        }
        return try result.get()
    }

    /// The next update; nil once the watch was closed and everything received was read.
    func next() async throws(ClusterError) -> WatchUpdate? {
        let result: Result<WatchUpdate?, ClusterError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isTaken = execute { self.read(continuation) }
                if !isTaken { continuation.resume(returning: .failure(Dialer.closedError)) }
            }
        } onCancel: {
            execute { self.close() }
        }
        return try result.get()
    }

    func close() { end(nil) }

    /// Runs `body` on the loop, or answers false after the client was shut down.
    @discardableResult
    func execute(_ body: @escaping @Sendable () -> Void) -> Bool { dialer.execute(body) }

    // MARK: - The stream

    private func open() {
        state = .opening
        let attempts = self.attempts ?? Attempts(dialer: dialer, deadline: nil)
        self.attempts = attempts
        attempts.next { found in
            guard case .opening = self.state else { return }
            guard let found else { return self.end(Dialer.closedError) }
            self.open(on: found.client, found.index)
        }
    }

    private func open(on client: RPCClient, _ index: Int) {
        dialer.login.metadata(from: client, timeout: ClientLimits.connectTimeout) { result in
            guard case .opening = self.state else { return }
            switch result {
            case .success(let metadata):
                self.sentLogin = metadata
                self.open(on: client, index, as: metadata)
            case .failure(let status): self.streamEnded(status, at: index)
            }
        }
    }

    private func open(on client: RPCClient, _ index: Int, as login: Login.Metadata) {
        generation += 1
        let generation = self.generation
        let opened = client.stream(
            "/etcdserverpb.Watch/Watch", metadata: [("hasleader", "true")] + login,
            onMessage: { bytes in
                if generation == self.generation { self.received(bytes, from: index) }
            },
            onEnd: { status in
                if generation == self.generation { self.streamEnded(status, at: index) }
            })
        guard let stream = opened else { return }
        self.stream = stream
        if isPaused { stream.pauseReading() }
        let request = EtcdWatchRequest(range, options, startRevision: nextRevision)
        guard let bytes: [UInt8] = try? request.serializedBytes() else {
            return end(ClusterError(.invalidArgument, "the request cannot be encoded"))
        }
        stream.send(bytes)
    }

    private func received(_ bytes: [UInt8], from index: Int) {
        let answer: EtcdWatchResponse
        do { answer = try EtcdWatchResponse(serializedBytes: bytes) } catch {
            return end(
                ClusterError(.malformedAnswer, "a watch's answer cannot be decoded: \(error)"))
        }
        if answer.canceled { return refused(answer, at: index) }
        let seen = answer.events.last?.kv.modRevision ?? answer.header.revision
        // There is none behind it, and none before the first: no store has such revisions.
        guard (0..<Int64.max).contains(seen) else {
            let text = "a watch's answer is of revision \(seen)"
            return end(ClusterError(.malformedAnswer, text))
        }
        if answer.created { return created(seen, at: index) }
        nextRevision = answer.events.isEmpty ? max(nextRevision, seen + 1) : seen + 1
        deliver(
            WatchUpdate(
                header: AnswerHeader(answer.header), events: answer.events.map { WatchEvent($0) }),
            byteCount: bytes.count)
    }

    private func created(_ revision: Int64, at index: Int) {
        logins = 0
        state = .streaming
        attempts = nil
        dialer.succeeded(index)
        if nextRevision == 0 { nextRevision = revision + 1 }
        creationTimer?.cancel()
        creation?.resume(returning: .success(revision))
        creation = nil
    }

    private func refused(_ answer: EtcdWatchResponse, at index: Int) {
        let endpoint = dialer.endpoint(index).description
        if answer.compactRevision > 0 || answer.cancelReason.hasSuffix("has been compacted") {
            let text =
                "revision \(nextRevision) has been compacted away;"
                + " the oldest that is left is \(answer.compactRevision)"
            return end(ClusterError(.compacted, text, endpoint: endpoint))
        }
        if dialer.login.canRetry(reason: answer.cancelReason), logins < Self.loginsMax {
            logins += 1
            dialer.login.forget(sentLogin)
            dropStream()
            return open()
        }
        if answer.cancelReason.hasSuffix("permission denied") {
            return end(
                ClusterError(.permissionDenied, answer.cancelReason, endpoint: endpoint))
        }
        let reason = answer.cancelReason.isEmpty ? "the server ended it" : answer.cancelReason
        end(ClusterError(.cancelled, "the watch was cancelled: \(reason)", endpoint: endpoint))
    }

    private func streamEnded(_ status: RPCStatus, at index: Int) {
        stream = nil
        let mayPass =
            status.neverSent || status.isOK || status.code == .unavailable
            || status.code == .internalError
        guard mayPass else {
            return end(
                ClusterError(
                    status: status, isRead: true, endpoint: dialer.endpoint(index).description))
        }
        let attempts = self.attempts ?? Attempts(dialer: dialer, deadline: nil)
        self.attempts = attempts
        attempts.failed(index, status.message)
        open()
    }

    private func dropStream() {
        generation += 1
        stream?.cancel()
        stream = nil
    }

    private func creationTimedOut() {
        guard creation != nil else { return }
        end(
            ClusterError(
                .unavailable,
                "no endpoint created the watch in time: \(attempts?.summary ?? "")"))
    }

    // MARK: - The reader

    private func deliver(_ update: WatchUpdate, byteCount: Int) {
        if let reader {
            self.reader = nil
            return reader.resume(returning: .success(update))
        }
        queue.append((update, byteCount))
        unreadEvents += update.events.count
        unreadBytes += byteCount
        let isFarBehind =
            unreadEvents > ClientLimits.unreadEventsMax || unreadBytes > ClientLimits.unreadBytesMax
        if isFarBehind, !isPaused {
            isPaused = true
            stream?.pauseReading()
        }
    }

    private func read(
        _ continuation: CheckedContinuation<Result<WatchUpdate?, ClusterError>, Never>
    ) {
        invariant(reader == nil, "a watch has one reader at a time")
        if let (update, byteCount) = queue.popFirst() {
            continuation.resume(returning: .success(update))
            unreadEvents -= update.events.count
            unreadBytes -= byteCount
            let hasCaughtUp =
                unreadEvents <= ClientLimits.unreadEventsMax / 2
                && unreadBytes <= ClientLimits.unreadBytesMax / 2
            if isPaused, hasCaughtUp {
                isPaused = false
                stream?.resumeReading()
            }
            return
        }
        if case .ended(let error) = state {
            return continuation.resume(returning: error.map { .failure($0) } ?? .success(nil))
        }
        reader = continuation
    }

    private func end(_ error: ClusterError?) {
        if case .ended = state { return }
        state = .ended(error)
        attempts = nil
        dropStream()
        creationTimer?.cancel()
        creation?.resume(
            returning: .failure(error ?? ClusterError(.cancelled, "the watch was cancelled")))
        creation = nil
        reader?.resume(returning: error.map { .failure($0) } ?? .success(nil))
        reader = nil
    }
}
