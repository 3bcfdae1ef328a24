/// Who makes a call, as its services have found out.
package enum CallIdentity: Equatable, Sendable {
    /// A user, as of a revision of the table of users.
    case user([UInt8], revision: UInt64)
    /// The call has a token that nobody knows.
    case unknown
}
