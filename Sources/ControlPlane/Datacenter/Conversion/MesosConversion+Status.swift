package import API
internal import Foundation
package import Scheduling
internal import StateMachine

extension MesosConversion {
    /// A status as its framework hears it: what the agent said, with what the master knows for
    /// certain put over it.
    package static func status(_ update: TaskUpdate, now: Double) -> MesosTaskStatus {
        var status = decoded(MesosTaskStatus.self, update.body)
        if update.cause == .reconciliation { status = reconciled(status) }
        status.taskID.value = update.key.task.description
        status.state = state(update.state)
        if let agent = update.agent { status.agentID.value = agent.description }
        if let executor = update.executor { status.executorID.value = executor.description }
        if update.uuid.isEmpty { status.clearUuid() } else { status.uuid = Data(update.uuid) }
        if !status.hasTimestamp { status.timestamp = now }
        if !update.message.isEmpty { status.message = update.message }
        if let since = update.unreachableSince {
            let (time, isOver) = Int64(clamping: since).multipliedReportingOverflow(by: 1_000_000)
            status.unreachableTime.nanoseconds = isOver ? .max : time
        }
        tell(update, in: &status, now)
        return status
    }

    private static func tell(
        _ update: TaskUpdate, in status: inout MesosTaskStatus, _ now: Double
    ) {
        func master(_ reason: MesosTaskStatus.Reason, _ message: String) {
            status.source = .master
            status.reason = reason
            if !status.hasMessage { status.message = message }
        }
        let agent = update.agent?.description ?? "unknown"
        switch update.cause {
        case .agent:
            if !status.hasSource { status.source = update.body.isEmpty ? .master : .agent }
        case .agentUnreachable:
            master(.agentRemoved, "Agent \(agent) is unreachable")
            if !status.hasUnreachableTime { status.unreachableTime.nanoseconds = nanoseconds(now) }
        case .agentGone(let byOperator):
            master(
                byOperator ? .agentRemovedByOperator : .agentRemoved, "Agent \(agent) is gone")
        case .reconciliation: master(.reconciliation, "Reconciliation: Latest task state")
        case .invalidOffers: master(.invalidOffers, "An offer is not valid any more")
        case .invalidTask: master(.taskInvalid, "The task is not valid")
        case .invalidFramework: master(.invalidFrameworkid, "The framework is not valid")
        }
    }

    /// What of the last status an answer to RECONCILE repeats (docs/reconciliation.md of Mesos):
    /// what the task is like, not what it said.
    private static func reconciled(_ status: MesosTaskStatus) -> MesosTaskStatus {
        var kept = MesosTaskStatus()
        if status.hasHealthy { kept.healthy = status.healthy }
        if status.hasContainerStatus { kept.containerStatus = status.containerStatus }
        if status.hasCheckStatus { kept.checkStatus = status.checkStatus }
        if status.hasLabels { kept.labels = status.labels }
        if status.hasTimestamp { kept.timestamp = status.timestamp }
        return kept
    }

    /// Seconds since 1970 as mesos.v1.TimeInfo has them; zero for what has none.
    static func nanoseconds(_ seconds: Double) -> Int64 {
        Int64(exactly: (seconds * 1e9).rounded()) ?? 0
    }

    static func time(milliseconds: UInt64) -> MesosTimeInfo {
        var time = MesosTimeInfo()
        let (nanoseconds, isOver) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        time.nanoseconds = isOver ? .max : Int64(clamping: nanoseconds)
        return time
    }

    static func state(_ state: TaskState) -> MesosTaskState {
        switch state {
        case .starting: .taskStarting
        case .running: .taskRunning
        case .finished: .taskFinished
        case .failed: .taskFailed
        case .killed: .taskKilled
        case .lost: .taskLost
        case .staging: .taskStaging
        case .error: .taskError
        case .killing: .taskKilling
        case .dropped: .taskDropped
        case .unreachable: .taskUnreachable
        case .gone: .taskGone
        case .goneByOperator: .taskGoneByOperator
        case .unknown: .taskUnknown
        }
    }
}
