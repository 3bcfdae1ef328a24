import Agent
import AgentLogic
import Primitives

func taskID(_ name: String) -> TaskID {
    guard let id = try? TaskID(name) else { impossible("\(name) is an identifier") }
    return id
}

/// Executors in tests of the core.
extension CoreBench {
    static let call = ExecutorCallID(7)

    static func executorKey(_ name: String = "x") -> ExecutorKey {
        guard let framework = try? FrameworkID("F"), let executor = try? ExecutorID(name) else {
            impossible("\(name) is an identifier")
        }
        return ExecutorKey(framework: framework, executor: executor)
    }

    static func order(
        _ name: String = "x", tasks: [String], isGroup: Bool = false, grace: UInt64 = 5000
    ) throws -> ExecutorOrder {
        var spec = try task(name)
        spec.executorID = try ExecutorID(name)
        return ExecutorOrder(
            spec: spec, key: executorKey(name),
            terms: ExecutorTerms(info: [1], framework: [2], shutdownGraceMillis: grace),
            taskInfos: tasks.map { Array($0.utf8) }, isGroup: isGroup)
    }

    static func remoteTask(_ name: String, of executor: String = "x") throws -> TaskSpec {
        var spec = try task(name)
        spec.executorID = try ExecutorID(executor)
        return spec
    }

    /// Tasks for the executor `x`.
    mutating func launch(
        _ names: String..., by executor: String = "x", isGroup: Bool = false
    ) throws {
        let tasks = try names.map { try Self.remoteTask($0, of: executor) }
        let order = try Self.order(executor, tasks: names, isGroup: isGroup)
        give(.launch(LaunchOrder(stamp: stamp(), tasks: tasks, executor: order)))
    }

    /// The run of an executor that the last launch began.
    var run: ContainerID { ContainerID(sequence: sequence, index: 1 << 16) }

    /// `x` runs `names`, and is connected as ``call``.
    mutating func connected(_ names: String...) throws -> ContainerID {
        for name in names { try launch(name) }
        let run = ContainerID(sequence: sequence - UInt64(names.count) + 1, index: 1 << 16)
        give(.supervisor(run, .started))
        subscribe(Self.call)
        return run
    }

    mutating func subscribe(
        _ call: ExecutorCallID, unacknowledged: [String] = [], updates: [ExecutorUpdate] = []
    ) {
        give(
            .executor(
                .subscribes(
                    call, Self.executorKey(),
                    unacknowledged: Set(unacknowledged.map(taskID)),
                    updates: updates)))
    }

    static func update(_ task: String, _ state: TaskState, _ id: UInt64) -> ExecutorUpdate {
        ExecutorUpdate(
            task: taskID(task), id: UpdateID(high: 0, low: id), state: state, body: [9])
    }

    mutating func says(_ task: String, _ state: TaskState, _ id: UInt64) {
        let update = Self.update(task, state, id)
        give(.executor(.updates(ExecutorCallID(100 + id), Self.executorKey(), update)))
    }

    var told: [ExecutorEvent] {
        executorEffects.compactMap { if case .tell(_, let event) = $0 { event } else { nil } }
    }
    /// Answers to calls, nil for one that was taken.
    var answersToExecutor: [ExecutorRefusal?] {
        executorEffects.compactMap {
            if case .answer(_, let refusal) = $0 { .some(refusal) } else { nil }
        }
    }
    var endedExecutors: [ExecutorKey] {
        executorEffects.compactMap { if case .ended(let key, _, _) = $0 { key } else { nil } }
    }
    var executorEffects: [ExecutorEffect] {
        effects.compactMap { if case .executor(let effect) = $0 { effect } else { nil } }
    }
}
