internal import NIOCore
internal import RPC

/// One unary call with its retries. Confined to the dialer's loop.
///
/// A read is asked again elsewhere when a member is unavailable. All else is sent again only if
/// it certainly never left this process: a write is never sent twice.
final class Call {
    private let path: String
    private let message: [UInt8]
    private let isRead: Bool
    private let deadline: NIODeadline
    private let attempts: Attempts
    private var done: ((Result<[UInt8], ClusterError>) -> Void)?
    private var wasSent = false
    private var logins = 0

    private static let loginsMax = 2

    init(
        path: String, message: [UInt8], isRead: Bool, deadline: NIODeadline, dialer: Dialer,
        done: @escaping (Result<[UInt8], ClusterError>) -> Void
    ) {
        self.path = path
        self.message = message
        self.isRead = isRead
        self.deadline = deadline
        self.done = done
        attempts = Attempts(dialer: dialer, deadline: deadline)
    }

    func start() {
        guard done != nil else { return }
        attempts.next { found in
            guard let found else { return self.nobodyAnswered() }
            guard self.done != nil else { return }
            self.send(to: found.client, found.index)
        }
    }

    /// The caller no longer waits. What was sent may still take effect.
    func cancel() {
        let unknown = wasSent && !isRead
        finish(
            .failure(
                ClusterError(
                    unknown ? .outcomeUnknown : .cancelled,
                    unknown ? "the call was cancelled after it was sent" : "the call was cancelled")
            ))
    }

    private func send(to client: RPCClient, _ index: Int) {
        let login = attempts.dialer.login
        login.metadata(from: client, timeout: remaining) { result in
            guard self.done != nil else { return }
            switch result {
            case .success(let metadata): self.send(metadata, to: client, index)
            case .failure(let failure): self.loginFailed(failure, at: index)
            }
        }
    }

    private func send(_ metadata: Login.Metadata, to client: RPCClient, _ index: Int) {
        wasSent = true
        client.unary(path, message, metadata: metadata, timeout: remaining) { result in
            switch result {
            case .success(let answer):
                self.attempts.dialer.succeeded(index)
                self.finish(.success(answer))
            case .failure(let failure):
                if self.attempts.dialer.login.canRetry(failure), self.logins < Self.loginsMax {
                    self.logins += 1
                    self.wasSent = false
                    self.attempts.dialer.login.forget(metadata)
                    return self.send(to: client, index)
                }
                self.failed(failure, at: index)
            }
        }
    }

    private var remaining: TimeAmount { max(deadline - .now(), .milliseconds(1)) }

    /// Nothing was asked yet but who calls.
    private func loginFailed(_ status: RPCStatus, at index: Int) {
        if status.code == .unavailable || status.neverSent {
            attempts.failed(index, status.message)
            return start()
        }
        let endpoint = attempts.dialer.endpoint(index).description
        finish(.failure(ClusterError(status: status, isRead: true, endpoint: endpoint)))
    }

    private func failed(_ status: RPCStatus, at index: Int) {
        guard done != nil else { return }
        if status.neverSent { wasSent = false }
        if status.neverSent || (isRead && status.code == .unavailable) {
            attempts.failed(index, status.message)
            return start()
        }
        if status.code == .unavailable { attempts.dialer.failed(index) }
        finish(
            .failure(
                ClusterError(
                    status: status, isRead: isRead,
                    endpoint: attempts.dialer.endpoint(index).description)))
    }

    private func nobodyAnswered() {
        if attempts.dialer.isClosed { return finish(.failure(Dialer.closedError)) }
        finish(
            .failure(ClusterError(.unavailable, "no endpoint could serve: \(attempts.summary)")))
    }

    private func finish(_ result: Result<[UInt8], ClusterError>) {
        guard let done else { return }
        self.done = nil
        done(result)
    }
}

extension ClusterError {
    /// Refusals that a member gives before it has proposed anything: the call had no effect,
    /// although their status alone would not say so.
    private static let definiteRefusals: [String] = [
        "etcdserver: no leader", "etcdserver: not leader", "etcdserver: too many requests",
        "etcdserver: request is too large", "not a primary lessor",
        "etcdserver: re-configuration failed due to not enough started members",
    ]

    init(status: RPCStatus, isRead: Bool, endpoint: String?) {
        let isDefinite = isRead || ClusterError.definiteRefusals.contains(status.message)
        let code: Code =
            switch status.code {
            case .invalidArgument: .invalidArgument
            case .notFound: .notFound
            case .alreadyExists: .alreadyExists
            case .permissionDenied: .permissionDenied
            case .unauthenticated: .unauthenticated
            case .resourceExhausted: .resourceExhausted
            case .failedPrecondition: .failedPrecondition
            case .unimplemented: .unimplemented
            case .outOfRange:
                status.message.hasSuffix("revision has been compacted") ? .compacted : .outOfRange
            case .deadlineExceeded: isDefinite ? .deadlineExceeded : .outcomeUnknown
            case .unavailable: isDefinite ? .unavailable : .outcomeUnknown
            case .cancelled: isDefinite ? .cancelled : .outcomeUnknown
            case .ok, .unknown, .aborted, .internalError, .dataLoss:
                isDefinite ? .server : .outcomeUnknown
            }
        self.init(
            code, status.message, endpoint: endpoint, grpcStatus: status.code.rawValue)
    }
}
