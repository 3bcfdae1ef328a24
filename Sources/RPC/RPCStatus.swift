/// gRPC's status codes, with the numbers that they have on the wire.
///
/// Source: gRPC's `doc/statuscodes.md`.
package enum RPCCode: Int, Sendable, CaseIterable {
    case ok = 0
    case cancelled = 1
    case unknown = 2
    case invalidArgument = 3
    case deadlineExceeded = 4
    case notFound = 5
    case alreadyExists = 6
    case permissionDenied = 7
    case resourceExhausted = 8
    case failedPrecondition = 9
    case aborted = 10
    case outOfRange = 11
    case unimplemented = 12
    case internalError = 13
    case unavailable = 14
    case dataLoss = 15
    case unauthenticated = 16
}

/// How a call ended: a code, and for anything but `ok` a text for people.
package struct RPCStatus: Error, Equatable, Sendable, CustomStringConvertible {
    package var code: RPCCode
    package var message: String
    /// Client side only: true when the request certainly never reached a handler, because it was
    /// never written, or because the server said that it did not process it. Such a call may be
    /// repeated whatever it does.
    package var neverSent: Bool

    package init(_ code: RPCCode, _ message: String, neverSent: Bool = false) {
        self.code = code
        self.message = message
        self.neverSent = neverSent
    }

    package init(code: RPCCode, message: String) { self.init(code, message) }

    package static var ok: RPCStatus { RPCStatus(.ok, "") }

    package var isOK: Bool { code == .ok }

    package var description: String { "\(code)(\(code.rawValue)): \(message)" }
}

/// What a client's call fails with.
package typealias RPCFailure = RPCStatus
