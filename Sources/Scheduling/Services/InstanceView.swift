package import StateMachine

/// An instance with what its task has come to.
package struct InstanceView: Equatable, Sendable {
    package enum State: Equatable, Sendable {
        /// For an offer.
        case waiting
        case starting
        /// - Parameter isHealthy: its checks, where it has some, say that it may be relied on.
        case running(isHealthy: Bool)
        /// - Parameters:
        ///   - isInactive: it is to be replaced.
        ///   - isLost: it is to be forgotten.
        case unreachable(isInactive: Bool, isLost: Bool)
    }

    package var record: InstanceRecord
    package var state: State
    /// Its end was asked for.
    package var isStopping = false
    /// Nil while it waits.
    package var agent: AgentID?
    /// The cluster's time at which its state will be another though nothing happens.
    package var changesAt: UInt64?

    package var isHealthy: Bool { state == .running(isHealthy: true) && !isStopping }

    package var isWaiting: Bool { state == .waiting }

    package var isInactive: Bool {
        if case .unreachable(let isInactive, _) = state { isInactive } else { false }
    }

    package var isLost: Bool {
        if case .unreachable(_, let isLost) = state { isLost } else { false }
    }

    package var isUnreachable: Bool {
        if case .unreachable = state { true } else { false }
    }

    package init(
        _ record: InstanceRecord, of definition: ServiceDefinition, in table: DatacenterTable,
        clusterTime: UInt64
    ) {
        self.record = record
        let task = table.tasks[TaskKey(ServiceFramework.id, record.id)]
        guard record.phase == .launched, let task else {
            state = .waiting
            return
        }
        agent = task.agent
        isStopping = task.killIndex > 0
        switch task.state {
        case .staging, .starting: state = .starting
        case .unreachable:
            (state, changesAt) = Self.unreachable(
                table.agents[task.agent]?.record, definition.unreachable, clusterTime)
        case .killing: (state, isStopping) = (.starting, true)
        case .running: state = .running(isHealthy: Self.isHealthy(task, definition))
        // None of these holds an instance.
        case .finished, .failed, .killed, .lost, .error, .dropped, .gone, .goneByOperator,
            .unknown:
            state = .starting
        }
    }

    private static func isHealthy(_ task: TaskRecord, _ definition: ServiceDefinition) -> Bool {
        if definition.healthChecks.isEmpty, definition.readinessChecks.isEmpty { return true }
        let facts = TaskStatusFacts(task.lastStatus)
        if !definition.healthChecks.isEmpty, facts.isHealthy != true { return false }
        guard let readiness = definition.readinessChecks.first else { return true }
        return readiness.readyCodes.contains { UInt32($0) == facts.checkCode }
    }

    private static func unreachable(
        _ agent: AgentRecord?, _ strategy: ServiceDefinition.UnreachableStrategy, _ now: UInt64
    ) -> (State, UInt64?) {
        guard let agent, agent.phase == .unreachable,
            case .replaced(let inactiveAfter, let expungeAfter) = strategy
        else { return (.unreachable(isInactive: false, isLost: false), nil) }
        let (inactiveAt, isNever) = agent.phaseSince.addingReportingOverflow(inactiveAfter)
        let (lostAt, isNeverLost) = agent.phaseSince.addingReportingOverflow(expungeAfter)
        let isInactive = !isNever && now >= inactiveAt
        let isLost = !isNeverLost && now >= lostAt
        return (
            .unreachable(isInactive: isInactive, isLost: isLost),
            isLost ? nil : isInactive ? lostAt : inactiveAt
        )
    }
}
