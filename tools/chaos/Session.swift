internal import API
internal import NIOCore
internal import RPC
internal import SwiftProtobuf

/// A user whom clients are. They share a token, which every server knows from the log, and ask for
/// another one when it does not count any more. Confined to the clients' event loop, hence
/// `@unchecked Sendable`.
final class Session: @unchecked Sendable {
    typealias Metadata = [(name: String, value: String)]

    private let user: String
    private var token: String?
    private var isAsking = false
    private(set) var logins = 0

    static let path = "/etcdserverpb.Auth/Authenticate"

    init(user: String) { self.user = user }

    static func password(of user: String) -> String { user + " knows" }

    static func request(_ user: String) -> EtcdAuthenticateRequest {
        EtcdAuthenticateRequest.with {
            $0.name = user
            $0.password = password(of: user)
        }
    }

    /// Whether a call was refused because of its token, and another one may do.
    static func isSpent(_ text: String) -> Bool {
        text.contains("invalid auth token") || text.contains("revision of auth store is old")
            || text.contains("user name is empty")
    }

    /// What a call carries; nil where the server does not say, or somebody else asks right now.
    func logIn(on connection: RPCClient, _ done: @escaping (Metadata?) -> Void) {
        if let token { return done([("token", token)]) }
        guard !isAsking, let bytes: [UInt8] = try? Self.request(user).serializedBytes() else {
            return done(nil)
        }
        isAsking = true
        connection.unary(Self.path, bytes, timeout: .seconds(3)) { result in
            self.isAsking = false
            if case .success(let answer) = result,
                let token = try? EtcdAuthenticateResponse(serializedBytes: answer).token
            {
                self.token = token
                self.logins += 1
            }
            done(self.token.map { [("token", $0)] })
        }
    }

    func forget(_ metadata: Metadata) {
        if metadata.contains(where: { $0.name == "token" && $0.value == token }) { token = nil }
    }
}
