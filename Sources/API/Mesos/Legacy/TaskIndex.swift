/// Tasks and executors of a state by framework and by agent, so that writing one takes time in
/// proportion to its size.
struct TaskIndex {
    struct Tasks {
        var live: [MesosTask] = []
        var unreachable: [MesosTask] = []
        var completed: [MesosTask] = []
        var all: [MesosTask] { live + unreachable + completed }
    }

    private(set) var byFramework: [String: Tasks] = [:]
    private(set) var byAgent: [String: [MesosTask]] = [:]
    private(set) var executors: [String: [MesosMasterResponse.GetExecutors.Executor]] = [:]

    init(_ state: MesosMasterResponse.GetState) {
        for task in state.getTasks.tasks { add(task, to: \.live) }
        for task in state.getTasks.unreachableTasks { add(task, to: \.unreachable) }
        for task in state.getTasks.completedTasks { add(task, to: \.completed) }
        for executor in state.getExecutors.executors {
            executors[executor.executorInfo.frameworkID.value, default: []].append(executor)
        }
    }

    private mutating func add(_ task: MesosTask, to list: WritableKeyPath<Tasks, [MesosTask]>) {
        byFramework[task.frameworkID.value, default: .init()][keyPath: list].append(task)
        byAgent[task.agentID.value, default: []].append(task)
    }

    /// Sorted, each once.
    func frameworks(onAgent id: String) -> [String] {
        Set((byAgent[id] ?? []).map(\.frameworkID.value)).sorted()
    }

    /// Sorted, each once.
    func agents(ofFramework id: String) -> [String] {
        Set((byFramework[id]?.all ?? []).map(\.agentID.value)).sorted()
    }

    /// The states that `/state-summary` counts.
    static let counted: [MesosTaskState] = [
        .taskStaging, .taskStarting, .taskRunning, .taskKilling, .taskFinished, .taskKilled,
        .taskFailed, .taskLost, .taskError, .taskUnreachable,
    ]

    static func writeCounts(of tasks: [MesosTask], into writer: inout JSONWriter) {
        for state in counted {
            writer.field(LegacyObjects.name(of: state), tasks.count { $0.state == state })
        }
    }
}
