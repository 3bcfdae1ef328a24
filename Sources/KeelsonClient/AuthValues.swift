/// Leave to read or write some keys.
public struct Permission: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        case read
        case write
        case readWrite = "readwrite"
    }

    public var kind: Kind
    public var range: KeyRange

    public init(_ kind: Kind, _ range: KeyRange) {
        self.kind = kind
        self.range = range
    }
}

/// Whether the cluster asks its clients who they are.
public struct AuthState: Sendable {
    public let header: AnswerHeader
    public let isEnabled: Bool
    /// Every change of users, roles and permissions raises it.
    public let revision: UInt64
}
