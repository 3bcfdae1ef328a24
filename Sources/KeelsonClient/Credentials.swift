/// A user of the cluster and its password.
public struct Credentials: Sendable, CustomStringConvertible {
    public var user: String
    public var password: String

    public init(user: String, password: String) {
        self.user = user
        self.password = password
    }

    /// The user alone: a password has no place in a log.
    public var description: String { user }
}
