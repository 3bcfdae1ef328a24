/// On whose behalf something is asked for.
package enum Principal: Equatable, Sendable {
    /// The node itself, for its duty: no client can ask as that.
    case node
    /// A client that has not said who it is.
    case anonymous
    /// A client that has proved to be this user.
    /// - Parameter authRevision: that of the state in which it was found to be.
    case user([UInt8], authRevision: UInt64)
}

extension CommandHeader {
    /// Bit 0 of the flags: the node's own command.
    private static let nodeFlag: UInt16 = 1

    package var principal: Principal {
        get {
            if flags & Self.nodeFlag != 0 { return .node }
            return user.isEmpty ? .anonymous : .user(user, authRevision: authRevision)
        }
        set {
            flags &= ~Self.nodeFlag
            user = []
            authRevision = 0
            switch newValue {
            case .node: flags |= Self.nodeFlag
            case .anonymous: break
            case .user(let name, let revision):
                user = name
                authRevision = revision
            }
        }
    }
}
