internal import API
package import NIOCore
package import RPC
internal import SwiftProtobuf

/// Keeps the token of the client's user and fetches a new one when the old does not count any more.
///
/// Confined to the dialer's loop.
package final class Login {
    package typealias Metadata = [(name: String, value: String)]

    private let credentials: Credentials?
    private var token: String?
    private var waiting: [(Result<Metadata, RPCStatus>) -> Void] = []

    package init(_ credentials: Credentials?) { self.credentials = credentials }

    /// Whether a call that was refused so may pass with a new token. It had no effect.
    package func canRetry(_ status: RPCStatus) -> Bool { canRetry(reason: status.message) }

    /// - Parameter reason: a status's text, or a watch's reason, which ends with one.
    func canRetry(reason: String) -> Bool {
        credentials != nil && Login.outdated.contains(where: reason.hasSuffix)
    }

    private static let outdated = [
        "etcdserver: invalid auth token", "etcdserver: revision of auth store is old",
        "etcdserver: user name is empty",
    ]

    /// The token that was sent does not count any more.
    package func forget(_ metadata: Metadata) {
        if metadata.first?.value == token { token = nil }
    }

    /// What goes with every call: the token, fetched from `client` where there is none. Nothing for
    /// a client without credentials, and while the cluster asks nobody who he is.
    package func metadata(
        from client: RPCClient, timeout: TimeAmount,
        _ done: @escaping (Result<Metadata, RPCStatus>) -> Void
    ) {
        guard let credentials else { return done(.success([])) }
        if let token { return done(.success([("token", token)])) }
        waiting.append(done)
        guard waiting.count == 1 else { return }
        var request = EtcdAuthenticateRequest()
        request.name = credentials.user
        request.password = credentials.password
        guard let bytes: [UInt8] = try? request.serializedBytes() else {
            return finish(.failure(RPCStatus(.invalidArgument, "the user cannot be encoded")))
        }
        client.unary(
            "/etcdserverpb.Auth/Authenticate", bytes, metadata: [], timeout: timeout
        ) { result in
            self.answered(result)
        }
    }

    private func answered(_ result: Result<[UInt8], RPCStatus>) {
        switch result {
        case .success(let bytes):
            guard let answer = try? EtcdAuthenticateResponse(serializedBytes: bytes) else {
                let text = "the answer to a login cannot be decoded"
                return finish(.failure(RPCStatus(.internalError, text)))
            }
            token = answer.token
            finish(.success([("token", answer.token)]))
        case .failure(let status)
        where status.message == "etcdserver: authentication is not enabled":
            finish(.success([]))
        case .failure(let status): finish(.failure(status))
        }
    }

    private func finish(_ result: Result<Metadata, RPCStatus>) {
        let waiting = self.waiting
        self.waiting = []
        for done in waiting { done(result) }
    }
}
