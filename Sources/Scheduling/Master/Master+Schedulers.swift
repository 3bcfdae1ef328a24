internal import StateMachine

extension Master {
    mutating func take(
        _ input: SchedulerInput, from stream: SchedulerStreamID, in table: DatacenterTable,
        into effects: inout [MasterEffect]
    ) {
        switch input {
        case .subscribes(let subscription):
            streams[stream] = Stream(framework: nil)
            let known = subscription.id.isEmpty ? nil : subscription.id
            if !decide(.subscribe(subscription), .subscribe(stream, known), into: &effects) {
                refuse(stream, "too busy: subscribe again later", into: &effects)
            }
        case .call(let call):
            // A stream that another one of the same framework has followed has no say.
            guard let id = streams[stream]?.framework, streamOfFramework[id] == stream else {
                return
            }
            take(call, of: id, in: table, into: &effects)
        case .disconnected:
            guard let id = streams.removeValue(forKey: stream)?.framework,
                streamOfFramework[id] == stream
            else { return }
            streamOfFramework[id] = nil
            leave(id, in: table, into: &effects)
        }
    }

    mutating func subscribed(
        _ stream: SchedulerStreamID, _ framework: FrameworkID?, _ outcome: DecisionOutcome,
        in table: DatacenterTable, into effects: inout [MasterEffect]
    ) {
        switch outcome {
        case .done(.framework(let id, _)):
            guard streams[stream] != nil else {
                // It has gone meanwhile.
                if streamOfFramework[id] == nil { leave(id, in: table, into: &effects) }
                return
            }
            if let old = streamOfFramework[id], old != stream {
                refuse(old, "Framework failed over", into: &effects)
            }
            rescindOffers(ofFramework: id, into: &effects)
            streams[stream]?.framework = id
            streamOfFramework[id] = stream
            awaited[id] = nil
            effects.append(.toScheduler(stream, .subscribed(id)))
            frameworkChanged(id, in: table)
            retell(id, in: table, into: &effects)
        case .refused(let error?): refuse(stream, "\(error)", into: &effects)
        case .done, .refused(nil), .unknown:
            refuse(stream, "subscribe again", into: &effects)
        }
    }

    private mutating func refuse(
        _ stream: SchedulerStreamID, _ reason: String, into effects: inout [MasterEffect]
    ) {
        streams[stream] = nil
        effects.append(.toScheduler(stream, .error(reason)))
        effects.append(.closeStream(stream))
    }

    /// Its scheduler has gone: it gets no offers, and its time runs.
    mutating func leave(
        _ id: FrameworkID, in table: DatacenterTable, into effects: inout [MasterEffect]
    ) {
        rescindOffers(ofFramework: id, into: &effects)
        frameworkChanged(id, in: table)
        guard let record = table.frameworks[id]?.record, record.phase == .connected,
            !frameworksLeaving.contains(id),
            decide(
                .frameworkDisconnected(id, session: record.session), .frameworkLoss(id),
                into: &effects)
        else { return }
        frameworksLeaving.insert(id)
    }

    /// All that the framework has not acknowledged, a status of each task.
    private mutating func retell(
        _ id: FrameworkID, in table: DatacenterTable, into effects: inout [MasterEffect]
    ) {
        // In the order of their names: the order of a dictionary is nobody's.
        let keys = table.tasks.values.filter { $0.key.framework == id && !$0.waiting.isEmpty }
            .map(\.key).sorted()
        for key in keys {
            told[key] = nil
            tellStatus(of: key, in: table, into: &effects)
        }
    }

    /// Not at once: while no acknowledgement can be taken, each would be followed by another.
    mutating func tellLater(_ key: TaskKey) {
        unacknowledged[key] = now + settings.acknowledgeRetryMilliseconds
    }

    /// A framework acknowledges again what it is told again.
    mutating func tellAgain(in table: DatacenterTable, into effects: inout [MasterEffect]) {
        guard !unacknowledged.isEmpty else { return }
        let due = unacknowledged.filter { $0.value <= now }
        for key in due.keys.sorted() {
            unacknowledged[key] = nil
            told[key] = nil
            tellStatus(of: key, in: table, into: &effects)
        }
    }

    mutating func tellStatus(
        of key: TaskKey, in table: DatacenterTable, into effects: inout [MasterEffect]
    ) {
        guard let task = table.tasks[key], let status = task.waiting.first else {
            return told[key] = nil
        }
        guard told[key] != status.uuid, let stream = streamOfFramework[key.framework] else {
            return
        }
        told[key] = status.uuid
        let isAware = table.frameworks[key.framework]?.record.isPartitionAware ?? false
        effects.append(.toScheduler(stream, .update(update(task, status, isAware))))
    }

    private func update(
        _ task: TaskRecord, _ status: WaitingStatus, _ isPartitionAware: Bool
    ) -> TaskUpdate {
        var cause = TaskUpdate.Cause.agent
        if status.body.isEmpty {
            switch status.state {
            case .unreachable: cause = .agentUnreachable
            case .goneByOperator: cause = .agentGone(byOperator: true)
            case .gone: cause = .agentGone(byOperator: false)
            case .starting, .running, .finished, .failed, .killed, .lost, .staging, .error,
                .killing, .dropped, .unknown:
                break
            }
        }
        return TaskUpdate(
            key: task.key, state: status.state.told(isPartitionAware: isPartitionAware),
            agent: task.agent, executor: task.executor, uuid: status.uuid, body: status.body,
            cause: cause,
            unreachableSince: cause == .agentUnreachable ? task.unreachableSince : nil)
    }

    func tell(
        _ id: FrameworkID, _ event: SchedulerEvent, into effects: inout [MasterEffect]
    ) {
        guard let stream = streamOfFramework[id] else { return }
        effects.append(.toScheduler(stream, event))
    }

    // MARK: - Time

    mutating func tickFrameworks(in table: DatacenterTable, into effects: inout [MasterEffect]) {
        // An entry behind uncertain launches settles them.
        var needsTime = !uncertain.isEmpty
        for id in table.frameworkIDs {
            guard let record = table.frameworks[id]?.record else { continue }
            switch record.phase {
            case .connected:
                if let until = awaited[id], now >= until {
                    awaited[id] = nil
                    if streamOfFramework[id] == nil { leave(id, in: table, into: &effects) }
                } else if awaited[id] == nil, streamOfFramework[id] == nil {
                    // What was decided before came to nothing.
                    leave(id, in: table, into: &effects)
                }
            case .disconnected:
                needsTime = needsTime || record.deadline != .max
                guard clusterTime >= record.deadline, !frameworksLeaving.contains(id),
                    decide(
                        .endFramework(id, session: record.session), .frameworkLoss(id),
                        into: &effects)
                else { continue }
                frameworksLeaving.insert(id)
            case .ended: break
            }
        }
        if needsTime, now >= timeRecordedAt + settings.timeRecordMilliseconds {
            timeRecordedAt = now
            decide(.time, into: &effects)
        }
    }
}

extension TaskState {
    /// What a framework hears that does not know partitions: such tasks are lost to it (Mesos,
    /// docs/high-availability-framework-guide.md).
    func told(isPartitionAware: Bool) -> TaskState {
        if isPartitionAware { return self }
        switch self {
        case .unreachable, .gone, .goneByOperator, .dropped, .unknown: return .lost
        case .starting, .running, .finished, .failed, .killed, .lost, .staging, .error, .killing:
            return self
        }
    }
}

extension TaskRecord {
    /// In milliseconds, by the leader's time of day.
    var unreachableSince: UInt64? { steps.last { $0.state == .unreachable }?.clock }
}
