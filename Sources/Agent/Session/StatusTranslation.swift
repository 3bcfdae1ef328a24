internal import API
internal import AgentLogic
internal import Foundation
internal import SwiftProtobuf

extension TaskState {
    var mesos: MesosTaskState {
        switch self {
        case .staging: .taskStaging
        case .starting: .taskStarting
        case .running: .taskRunning
        case .killing: .taskKilling
        case .finished: .taskFinished
        case .failed: .taskFailed
        case .killed: .taskKilled
        case .error: .taskError
        case .lost: .taskLost
        case .dropped: .taskDropped
        }
    }
}

extension StatusReason {
    /// Nil where Mesos gives none: the state says it.
    var mesos: MesosTaskStatus.Reason? {
        switch self {
        case .none, .commandEnded, .killedByOrder, .killedByHealthCheck, .groupMemberEnded: nil
        case .commandCouldNotStart, .fetchFailed, .agentFull: .containerLaunchFailed
        case .outOfMemory: .containerLimitationMemory
        case .taskInvalid, .taskDuplicate: .taskInvalid
        case .agentRestarted, .sequencePassed: .agentRestarted
        case .supervisorGone: .executorTerminated
        case .taskUnknown: .taskUnknown
        case .healthChanged: .taskHealthCheckStatusUpdated
        case .checkChanged: .taskCheckStatusUpdated
        case .executorGone: .executorTerminated
        case .executorSilent: .executorReregistrationTimeout
        }
    }

    /// Whether the agent speaks for itself, rather than for the command.
    fileprivate var isOfAgent: Bool {
        switch self {
        case .taskInvalid, .taskDuplicate, .agentFull, .agentRestarted, .supervisorGone,
            .sequencePassed, .taskUnknown, .executorGone, .executorSilent:
            true
        case .none, .commandEnded, .commandCouldNotStart, .fetchFailed, .outOfMemory,
            .killedByOrder, .killedByHealthCheck, .groupMemberEnded, .healthChanged,
            .checkChanged:
            false
        }
    }
}

extension WireStatus {
    /// What the task's executor said, else as Mesos' own command executor would have said it.
    init(_ update: StatusUpdate, agent: AgentID) {
        self.init()
        frameworkID = update.key.framework.text
        taskID = update.key.task.text
        sequence = update.container.launchSequence
        uuid = Data(update.id.bytes)
        state = UInt32(update.state.mesos.rawValue)
        if !update.body.isEmpty {
            var told =
                (try? MesosTaskStatus(serializedBytes: update.body, partial: true))
                ?? MesosTaskStatus()
            told.agentID.value = agent.text
            status = (try? told.serializedBytes(partial: true)) ?? Data()
            return
        }
        var told = MesosTaskStatus()
        told.taskID.value = update.key.task.text
        told.state = update.state.mesos
        told.agentID.value = agent.text
        told.executorID.value = update.key.task.text
        told.uuid = uuid
        told.timestamp = Double(update.atMillis) / 1000
        told.source = update.reason.isOfAgent ? .agent : .executor
        if !update.message.isEmpty { told.message = update.message }
        if let reason = update.reason.mesos { told.reason = reason }
        if let isHealthy = update.isHealthy { told.healthy = isHealthy }
        if let check = update.check { told.checkStatus = check.mesos }
        told.containerStatus.containerID.value = update.container.description
        status = (try? told.serializedBytes()) ?? Data()
    }

    /// What the agent says of a task that it has no run of.
    init(
        framework: String, task: String, sequence: UInt64, agent: AgentID, uuid: UpdateID,
        _ state: TaskState, _ reason: StatusReason, _ message: String, atMillis: UInt64
    ) {
        self.init()
        frameworkID = framework
        taskID = task
        self.sequence = sequence
        self.uuid = Data(uuid.bytes)
        self.state = UInt32(state.mesos.rawValue)
        var told = MesosTaskStatus()
        told.taskID.value = task
        told.state = state.mesos
        told.agentID.value = agent.text
        told.uuid = self.uuid
        told.timestamp = Double(atMillis) / 1000
        told.source = .agent
        told.message = message
        if let reason = reason.mesos { told.reason = reason }
        status = (try? told.serializedBytes()) ?? Data()
    }
}

extension CheckResult {
    fileprivate var mesos: MesosCheckStatusInfo {
        var info = MesosCheckStatusInfo()
        switch self {
        case .exitCode(let code):
            info.type = .command
            info.command.exitCode = code
        case .httpStatus(let status):
            info.type = .http
            info.http.statusCode = UInt32(status)
        case .tcp(let isAccepted):
            info.type = .tcp
            info.tcp.succeeded = isAccepted
        case .nothing: break
        }
        return info
    }
}
