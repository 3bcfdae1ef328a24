/// Why a call to the cluster failed.
///
/// Compare ``code`` with the codes below; more may be added without breaking anyone. ``message``
/// is for people. Whether a write that failed took effect is said by ``outcomeIsUnknown``.
public struct ClusterError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Value: String, Sendable {
            case invalidEndpoint, invalidArgument, unavailable, outcomeUnknown, deadlineExceeded
            case compacted, notFound, alreadyExists, failedPrecondition, resourceExhausted
            case permissionDenied, unauthenticated, outOfRange, unimplemented, cancelled
            case malformedAnswer, closed, server, invalidTLSSettings
        }

        private let value: Value

        public var description: String { value.rawValue }

        /// An endpoint is not a URL that this client can dial.
        public static let invalidEndpoint = Code(value: .invalidEndpoint)
        /// A file that TLS needs is missing or cannot be used.
        public static let invalidTLSSettings = Code(value: .invalidTLSSettings)
        /// The server refused the request as meaningless.
        public static let invalidArgument = Code(value: .invalidArgument)
        /// No endpoint could serve the call; it had no effect.
        public static let unavailable = Code(value: .unavailable)
        /// The call was sent and its answer was lost: it may or may not have taken effect.
        public static let outcomeUnknown = Code(value: .outcomeUnknown)
        /// A read did not finish in its time.
        public static let deadlineExceeded = Code(value: .deadlineExceeded)
        /// The revision that was asked for has been compacted away.
        public static let compacted = Code(value: .compacted)
        /// There is no such lease, member, user or role.
        public static let notFound = Code(value: .notFound)
        /// What was to be created exists.
        public static let alreadyExists = Code(value: .alreadyExists)
        /// The cluster's state does not allow the call.
        public static let failedPrecondition = Code(value: .failedPrecondition)
        /// A quota or a limit is exhausted.
        public static let resourceExhausted = Code(value: .resourceExhausted)
        /// The user may not do this.
        public static let permissionDenied = Code(value: .permissionDenied)
        /// The server does not know who is calling.
        public static let unauthenticated = Code(value: .unauthenticated)
        /// A revision or a time to live lies outside what the server accepts.
        public static let outOfRange = Code(value: .outOfRange)
        /// The server does not know the call.
        public static let unimplemented = Code(value: .unimplemented)
        /// The caller's task was cancelled, or the server cancelled the watch.
        public static let cancelled = Code(value: .cancelled)
        /// The server's answer could not be decoded.
        public static let malformedAnswer = Code(value: .malformedAnswer)
        /// The client was shut down.
        public static let closed = Code(value: .closed)
        /// The server failed in a way that none of the other codes describes.
        public static let server = Code(value: .server)
    }

    public let code: Code
    /// What happened, in words; of an error that the server reported, the server's own text.
    public let message: String
    /// The endpoint that reported it, or nil if no single one did.
    public let endpoint: String?
    /// The number of the gRPC status that the server reported, or nil if no server did.
    public let grpcStatus: Int?

    public init(_ code: Code, _ message: String, endpoint: String? = nil, grpcStatus: Int? = nil) {
        self.code = code
        self.message = message
        self.endpoint = endpoint
        self.grpcStatus = grpcStatus
    }

    /// The call may have taken effect. Find out by reading before doing it again.
    public var outcomeIsUnknown: Bool { code == .outcomeUnknown }

    public var description: String {
        let place = endpoint.map { " (\($0))" } ?? ""
        return "\(code): \(message)\(place)"
    }
}
