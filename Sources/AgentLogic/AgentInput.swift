package import Primitives

/// What every order of a master carries, so that an agent can tell a deposed master's orders, a
/// repeated one and one that was meant for its earlier life (DESIGN §8).
package struct OrderStamp: Equatable, Sendable {
    package var term: Term
    /// Counts this agent's orders, from 1. Each order has its own; one sent again keeps it.
    package var sequence: UInt64
    /// The life of the agent that it was meant for.
    package var life: UInt64
    package init(term: Term, sequence: UInt64, life: UInt64) {
        self.term = term
        self.sequence = sequence
        self.life = life
    }
}

/// One task, or a group that starts together and of which none outlives a failure of another.
package struct LaunchOrder: Equatable, Sendable {
    package var stamp: OrderStamp
    package var tasks: [TaskSpec]
    /// Nil: the agent runs the tasks' commands itself.
    package var executor: ExecutorOrder?
    package init(stamp: OrderStamp, tasks: [TaskSpec], executor: ExecutorOrder? = nil) {
        self.stamp = stamp
        self.tasks = tasks
        self.executor = executor
    }
}

package struct KillOrder: Equatable, Sendable {
    package var stamp: OrderStamp
    package var key: TaskKey
    /// Nil: as the task's description says.
    package var graceMillis: UInt64?
    package init(stamp: OrderStamp, key: TaskKey, graceMillis: UInt64? = nil) {
        self.stamp = stamp
        self.key = key
        self.graceMillis = graceMillis
    }
}

package struct ReconcileOrder: Equatable, Sendable {
    package var stamp: OrderStamp
    /// Empty: all that live, and all whose end is not acknowledged.
    package var keys: [TaskKey]
    package init(stamp: OrderStamp, keys: [TaskKey]) {
        self.stamp = stamp
        self.keys = keys
    }
}

package enum SupervisorEvent: Equatable, Sendable {
    /// The task's process exists.
    case started
    case exited(ExitReport)
    /// The supervisor could not be started, or is gone without a word; nothing of the task is left.
    case gone(String)
}

package enum AgentInput: Equatable, Sendable {
    /// A master of this term accepted our registration.
    case connected(Term)
    case disconnected
    case launch(LaunchOrder)
    case kill(KillOrder)
    case reconcile(ReconcileOrder)
    case acknowledge(TaskKey, UpdateID)
    /// Nil: everything is in the sandbox.
    case fetched(ContainerID, fault: String?)
    case supervisor(ContainerID, SupervisorEvent)
    case health(ContainerID, isHealthy: Bool, mustEnd: Bool)
    case check(ContainerID, CheckResult)
    case executor(ExecutorInput)
    /// Milliseconds since 1970 by the machine's clock; it may jump, and is only used for waiting
    /// and for ages.
    case tick(nowMillis: UInt64)
    /// How full the disk of the work directory is, in thousandths.
    case diskUse(permille: UInt32)
}

/// Why an order had no effect.
package enum OrderRefusal: Equatable, Sendable {
    /// A deposed master's: `highest` was seen.
    case staleTerm(Term, highest: Term)
    case otherLife(UInt64, current: UInt64)
    /// No task, or more than ``AgentLimits/groupTasksMax``.
    case groupSize(Int)
}

/// What must be on disk before anything that follows from it.
package struct StateWrite: Equatable, Sendable {
    /// Written after the records, so that a mark never covers an order that left no trace.
    package var mark: AgentMark?
    /// To be replaced, by container.
    package var records: [TaskRecord] = []
    /// To be removed, after all else.
    package var removed: [ContainerID] = []
    package init() {}
    package var isEmpty: Bool { mark == nil && records.isEmpty && removed.isEmpty }
}

/// What the core wants done, in order.
package indirect enum AgentEffect: Equatable, Sendable {
    /// Makes the write durable and then does the rest. A write that fails ends the process: nobody
    /// knows what is on disk, and the next start finds out.
    case persist(StateWrite, then: [AgentEffect])
    /// Fill the sandbox; ends in ``AgentInput/fetched(_:fault:)``.
    case fetch(TaskRecord)
    case cancelFetch(ContainerID)
    /// Fork. Only ever inside a ``persist(_:then:)`` or after one that covers the sequence.
    case startSupervisor(TaskRecord)
    /// Connect again to the supervisor of a task that lived through our restart.
    case attach(TaskRecord)
    case kill(ContainerID, graceMillis: UInt64)
    case startChecks(TaskRecord)
    case stopChecks(ContainerID)
    /// To the master, which acknowledges it by its id.
    case send(StatusUpdate)
    /// To the master, as an answer that nobody acknowledges.
    case answer(StatusUpdate)
    /// Sandbox, supervisor's files and record of a run that is over.
    case removeRun(TaskRecord)
    case refuse(OrderRefusal)
    case executor(ExecutorEffect)
}
