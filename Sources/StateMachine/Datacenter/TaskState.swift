/// What a task is at, with the numbers of mesos.v1.TaskState.
package enum TaskState: UInt8, Sendable, CaseIterable {
    case starting = 0
    case running = 1
    case finished = 2
    case failed = 3
    case killed = 4
    case lost = 5
    /// Committed; the agent has not reported on it yet.
    case staging = 6
    case error = 7
    case killing = 8
    case dropped = 9
    case unreachable = 10
    case gone = 11
    case goneByOperator = 12
    case unknown = 13

    /// It holds resources no more and never comes back.
    package var isTerminal: Bool {
        switch self {
        case .finished, .failed, .killed, .lost, .error, .dropped, .gone, .goneByOperator: true
        case .starting, .running, .staging, .killing, .unreachable, .unknown: false
        }
    }
}
