extension MesosExecutorCall {
    /// What a call to the executor API must have before anything is looked up for it.
    ///
    /// - Throws: 400, and 501 for a call of type UNKNOWN.
    package func validate() throws(MesosRefusal) {
        guard hasType else { throw Self.refusal("Expecting 'type' to be present") }
        switch type {
        case .subscribe:
            guard hasSubscribe else { throw Self.refusal("Expecting 'subscribe' to be present") }
        case .update:
            guard hasUpdate else { throw Self.refusal("Expecting 'update' to be present") }
            try Self.check(update.status, executorID: executorID.value)
        case .message:
            guard hasMessage else { throw Self.refusal("Expecting 'message' to be present") }
        case .heartbeat: return
        case .unknown: throw MesosRefusal(501, "Received 'UNKNOWN' call")
        }
    }

    /// Executors make the ids of their updates, and may not speak for others.
    private static func check(_ status: MesosTaskStatus, executorID: String) throws(MesosRefusal) {
        guard status.hasUuid else { throw refusal("Expecting 'uuid' to be present") }
        guard status.uuid.count == 16 else {
            throw refusal("UUID has \(status.uuid.count) bytes, not 16")
        }
        if status.hasExecutorID, status.executorID.value != executorID {
            throw refusal(
                "ExecutorID in Call: \(executorID) does not match ExecutorID in "
                    + "TaskStatus: \(status.executorID.value)")
        }
        guard status.source == .executor else {
            throw refusal("Received Call from executor \(executorID) with invalid source")
        }
        if status.state == .taskStaging {
            throw refusal("Received TASK_STAGING from executor \(executorID) which is not allowed")
        }
    }

    private static func refusal(_ problem: String) -> MesosRefusal {
        .badRequest("Failed to validate Executor::Call: \(problem)")
    }
}
