import Agent
import AgentLogic
import Primitives
import Testing

/// Short ways to say things in tests.
func task(_ name: String, framework: String = "F") throws -> TaskSpec {
    TaskSpec(
        frameworkID: try FrameworkID(framework), taskID: try TaskID(name),
        command: .shell("true"))
}

func key(_ name: String) throws -> TaskKey {
    TaskKey(framework: try FrameworkID("F"), task: try TaskID(name))
}

/// An agent's core with the disk that its effects are written to; what was done is kept in order.
struct CoreBench {
    var core: AgentCore
    var disk = ModelDisk()
    var effects: [AgentEffect] = []
    var term = Term(1)
    var sequence: UInt64 = 0

    init(settings: AgentCore.Settings = .init()) throws {
        disk.mark = AgentMark(agentID: try AgentID("A"))
        var wanted: [AgentEffect] = []
        core = AgentCore(
            mark: disk.mark, recovered: [], settings: settings, seed: 1, nowMillis: 1000,
            into: &wanted)
        perform(wanted)
    }

    /// The next life of the agent on the same disk.
    mutating func restart(_ findings: [ContainerID: RunFinding] = [:]) {
        var wanted: [AgentEffect] = []
        let recovered = disk.records.map {
            RecoveredTask(
                record: $0, finding: $0.state.isTerminal ? nil : findings[$0.container])
        }
        effects = []
        core = AgentCore(
            mark: disk.mark, recovered: recovered, seed: 2 + disk.mark.life,
            nowMillis: 1000, into: &wanted)
        perform(wanted)
    }

    mutating func give(_ input: AgentInput) {
        var wanted: [AgentEffect] = []
        core.step(input, into: &wanted)
        core.checkRun(nil)
        effects = []
        perform(wanted)
    }

    private mutating func perform(_ wanted: [AgentEffect]) {
        for effect in wanted {
            if case .persist(let write, let then) = effect {
                disk.apply(write)
                effects.append(.persist(write, then: []))
                perform(then)
            } else {
                effects.append(effect)
            }
        }
    }

    /// A stamp of the present term and life with a sequence of its own.
    mutating func stamp() -> OrderStamp {
        sequence += 1
        return OrderStamp(term: term, sequence: sequence, life: core.mark.life)
    }

    mutating func launch(_ tasks: TaskSpec...) {
        give(.launch(LaunchOrder(stamp: stamp(), tasks: tasks)))
    }

    /// A task that runs, as ``ContainerID`` says.
    mutating func running(_ spec: TaskSpec) -> ContainerID {
        launch(spec)
        let container = ContainerID(sequence: sequence, index: 0)
        give(.supervisor(container, .started))
        return container
    }

    // MARK: What the last input brought about

    var starts: [ContainerID] {
        effects.compactMap {
            if case .startSupervisor(let record) = $0 { record.container } else { nil }
        }
    }
    var sends: [StatusUpdate] {
        effects.compactMap { if case .send(let update) = $0 { update } else { nil } }
    }
    var answers: [StatusUpdate] {
        effects.compactMap { if case .answer(let update) = $0 { update } else { nil } }
    }
    var kills: [ContainerID] {
        effects.compactMap { if case .kill(let container, _) = $0 { container } else { nil } }
    }
    var refusals: [OrderRefusal] {
        effects.compactMap { if case .refuse(let refusal) = $0 { refusal } else { nil } }
    }
    func state(_ name: String) throws -> TaskState? { core.record(of: try key(name))?.state }
}

/// What is durable.
struct ModelDisk {
    var mark: AgentMark
    var records: [TaskRecord] = []

    init() {
        guard let id = try? AgentID("A") else { impossible("A is an identifier") }
        mark = AgentMark(agentID: id)
    }

    mutating func apply(_ write: StateWrite) {
        for record in write.records {
            records.removeAll { $0.container == record.container }
            records.append(record)
        }
        if let mark = write.mark { self.mark = mark }
        records.removeAll { write.removed.contains($0.container) }
        records.sort { $0.container < $1.container }
    }
}
