extension AgentCore {
    mutating func fetched(_ container: ContainerID, fault: String?) {
        guard let place = index(of: container), entries[place].record.state == .staging,
            !entries[place].isFetched
        else { return }
        if let fault {
            end(container, as: .failed, .fetchFailed, fault)
        } else if entries[place].record.isExecutor {
            entries[place].isFetched = true
            startExecutor(at: place)
        } else {
            entries[place].isFetched = true
            startIfFetched(sequence: container.sequence)
        }
    }

    mutating func supervisor(_ container: ContainerID, _ event: SupervisorEvent) {
        guard let place = index(of: container), !entries[place].record.state.isTerminal else {
            return
        }
        switch event {
        case .started: started(at: place)
        case .exited(let report): exited(container, report)
        case .gone(let why):
            let reason = entries[place].record.killReason
            if reason == .none {
                end(container, as: .failed, .supervisorGone, why)
            } else {
                end(container, as: .killed, reason, why)
            }
        }
    }

    private mutating func started(at place: Int) {
        let record = entries[place].record
        switch record.state {
        case .staging, .starting: report(at: place, .running)
        case .running, .killing: break
        case .finished, .failed, .killed, .error, .lost, .dropped: return
        }
        if record.killReason != .none {
            // Asked for while it was being started, or before the agent was restarted.
            if record.state != .killing, record.spec.reportsKilling {
                report(at: place, .killing, record.killReason)
            }
            work.effects.append(
                .kill(record.container, graceMillis: record.spec.killGraceMillis))
        } else if !entries[place].hasChecks,
            record.spec.healthCheck != nil || record.spec.check != nil
        {
            entries[place].hasChecks = true
            work.effects.append(.startChecks(entries[place].record))
        } else if record.isExecutor {
            awaitConnection(at: place)
        }
    }

    mutating func exited(_ container: ContainerID, _ report: ExitReport) {
        guard let place = index(of: container) else { return }
        let killReason = entries[place].record.killReason
        let message = Self.message(of: report)
        entries[place].waitStatus = report.outcome.waitStatus
        if killReason != .none {
            end(container, as: .killed, killReason, message)
            return
        }
        switch report.outcome {
        case .exited(let code) where code == 0 && !report.wasKilled:
            end(container, as: .finished, .commandEnded, message)
        case .exited, .signaled:
            let reason: StatusReason = report.isOutOfMemory ? .outOfMemory : .commandEnded
            end(container, as: .failed, reason, message)
        case .notStarted: end(container, as: .failed, .commandCouldNotStart, message)
        }
    }

    private static func message(of report: ExitReport) -> String {
        var text =
            switch report.outcome {
            case .exited(let code): "exited with status \(code)"
            case .signaled(let number): "terminated by signal \(number)"
            case .notStarted(let why): why
            }
        if report.isOutOfMemory { text += "; the memory limit was reached" }
        if report.lostOutputBytes > 0 {
            text += "; \(report.lostOutputBytes) bytes of output found no room on the disk"
        }
        if !report.note.isEmpty { text += "; \(report.note)" }
        return text
    }

    /// The end of a run: reported, and the end of its group unless it finished well.
    mutating func end(
        _ container: ContainerID, as state: TaskState, _ reason: StatusReason, _ message: String
    ) {
        guard let place = index(of: container), !entries[place].record.state.isTerminal else {
            return
        }
        stopChecks(at: place)
        entries[place].record.endedAtMillis = nowMillis
        report(at: place, state, reason, message)
        switch entries[place].record.role {
        case .executor: return executorEnded(at: place, message)
        case .remote: return
        case .command: break
        }
        guard state != .finished else { return }
        for sibling in places(ofGroup: container.sequence)
        where !entries[sibling].record.state.isTerminal
            && entries[sibling].record.killReason == .none
        {
            beginKill(
                at: sibling, .groupMemberEnded,
                "\(entries[place].record.key) of the same group is \(state)")
        }
    }

    mutating func stopChecks(at place: Int) {
        guard entries[place].hasChecks else { return }
        entries[place].hasChecks = false
        work.effects.append(.stopChecks(entries[place].record.container))
    }

    mutating func health(_ container: ContainerID, isHealthy: Bool, mustEnd: Bool) {
        guard let place = index(of: container), entries[place].hasChecks else { return }
        if entries[place].record.isHealthy != isHealthy {
            entries[place].record.isHealthy = isHealthy
            report(at: place, .running, .healthChanged)
        }
        if mustEnd {
            beginKill(at: place, .killedByHealthCheck, "the health check failed too often")
        }
    }

    mutating func check(_ container: ContainerID, _ result: CheckResult) {
        guard let place = index(of: container), entries[place].hasChecks,
            entries[place].record.check != result
        else { return }
        entries[place].record.check = result
        report(at: place, .running, .checkChanged)
    }
}
