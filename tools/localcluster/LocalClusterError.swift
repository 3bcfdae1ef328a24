/// Why a cluster of local processes does not do what it was told.
package enum LocalClusterError: Error, CustomStringConvertible {
    case programMissing(String, hint: String)
    case cannotSpawn(path: String, code: Int32)
    case exitedAtStart(name: String, status: ExitStatus, log: String)
    case notReady(name: String, seconds: Double, log: String)
    case stillRunning(name: String, seconds: Double, log: String)
    case noFreePorts(wanted: Int)
    case noLeader(seconds: Double, logs: String)
    case timedOut(command: String, seconds: Double, output: String)
    case failed(command: String, status: ExitStatus, output: String)

    package var description: String {
        switch self {
        case .programMissing(let path, let hint): "there is no program at \(path): \(hint)"
        case .cannotSpawn(let path, let code): "\(path) cannot be started: errno \(code)"
        case .exitedAtStart(let name, let status, let log):
            "\(name) ended with \(status) before it was ready; its log ends:\n\(log)"
        case .notReady(let name, let seconds, let log):
            "\(name) was not ready after \(seconds) s; its log ends:\n\(log)"
        case .stillRunning(let name, let seconds, let log):
            "\(name) was still running \(seconds) s after it was told to stop:\n\(log)"
        case .noFreePorts(let wanted): "no \(wanted) free ports on the loopback"
        case .noLeader(let seconds, let logs): "no leader within \(seconds) s\n\(logs)"
        case .timedOut(let command, let seconds, let output):
            "'\(command)' took more than \(seconds) s; so far it printed:\n\(output)"
        case .failed(let command, let status, let output):
            "'\(command)' ended with \(status) and printed:\n\(output)"
        }
    }
}

/// How a process ended.
package enum ExitStatus: Equatable, Sendable, CustomStringConvertible {
    case exited(Int32)
    case killed(signal: Int32)

    /// Takes apart what `waitpid` reports.
    init(raw: Int32) {
        let signal = raw & 0x7F
        self = signal == 0 ? .exited((raw >> 8) & 0xFF) : .killed(signal: signal)
    }

    package var description: String {
        switch self {
        case .exited(let code): "exit status \(code)"
        case .killed(let signal): "signal \(signal)"
        }
    }
}
