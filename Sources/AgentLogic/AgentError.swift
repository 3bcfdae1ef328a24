/// What can go wrong below the network on a machine that runs tasks.
package enum AgentError: Error, Equatable, Sendable {
    /// An identifier, path or field that outsiders chose and that is refused.
    case invalid(field: String, why: String)
    /// A file that holds what it should not: too short, of another kind, a wrong checksum.
    case untrusted(path: String, why: String)
    /// A system call failed.
    case io(operation: String, path: String, errno: Int32)
    /// A limit of this machine or of ``AgentLimits`` is reached.
    case limit(what: String, value: UInt64, max: UInt64)
    /// Another process holds what this one needs.
    case busy(path: String)
    /// A program that was run for help ended otherwise than it should.
    case program(name: String, why: String)
}

extension AgentError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .invalid(let field, let why): "\(field) is refused: \(why)"
        case .untrusted(let path, let why): "\(path) cannot be trusted: \(why)"
        case .io(let operation, let path, let number):
            "\(operation) of \(path) failed with errno \(number)"
        case .limit(let what, let value, let max): "\(what): \(value) is more than \(max)"
        case .busy(let path): "\(path) is held by another process"
        case .program(let name, let why): "\(name) failed: \(why)"
        }
    }
}
