import AgentLogic

/// What an agent's work directory holds: it outlives the agent and a loss of power. Each file is
/// replaced as a whole and is durable before the next one is written; a process that ends in
/// between leaves the rest undone. It loses nothing else.
struct AgentDisk {
    /// Drawn for the directory; never zero.
    var incarnation: UInt64
    var mark: AgentMark?
    /// By container, sorted.
    private(set) var records: [TaskRecord] = []

    init(incarnation: UInt64) { self.incarnation = incarnation }

    /// How many files a write changes.
    static func steps(of write: StateWrite) -> Int {
        write.records.count + (write.mark == nil ? 0 : 1) + write.removed.count
    }

    /// Does the first `steps` of a write, in the order that ``StateWrite`` asks for.
    mutating func apply(_ write: StateWrite, steps: Int) {
        var left = steps
        for record in write.records where left > 0 {
            left -= 1
            records.removeAll { $0.container == record.container }
            let place = records.firstIndex { $0.container > record.container } ?? records.count
            records.insert(record, at: place)
        }
        if let mark = write.mark, left > 0 {
            left -= 1
            self.mark = mark
        }
        for container in write.removed where left > 0 {
            left -= 1
            records.removeAll { $0.container == container }
        }
    }
}

/// One run of a task as the machine has it: a supervisor and its process, which the agent's end
/// does not touch.
struct SimulatedRun {
    enum Phase: Equatable {
        case starting
        case running
        case exited(ExitReport)
        /// The machine went down with it.
        case vanished
    }

    var record: TaskRecord
    var phase = Phase.starting
    var isToEnd = false
    /// The life of the agent that is connected to its supervisor.
    var linkedLife: UInt32

    var isLive: Bool { phase == .running }
}

/// What a simulated task is to do, as its command says.
struct TaskScript: Equatable {
    /// Microseconds; nil: until it is asked to end.
    var duration: Int?
    var code: Int32 = 0
    /// Something is to be fetched before, and whether that fails.
    var isFetched = false
    var fetchFails = false
    /// Of an instance whose health is asked for: microseconds until it is well. Negative: never.
    var wellAfter = 0
    /// It falls ill now and then.
    var falters = false

    /// - Parameter task: an executor is told of its task by this alone.
    func text(of task: String) -> String {
        "\(task) \(duration ?? -1) \(code) \(isFetched ? 1 : 0) \(fetchFails ? 1 : 0)"
            + (wellAfter == 0 ? "" : " \(wellAfter) \(falters ? 1 : 0)")
    }

    init(duration: Int?) { self.duration = duration }

    init?(_ text: String) {
        let parts = text.split(separator: " ").dropFirst().compactMap { Int($0) }
        guard parts.count == 4 || parts.count == 6 else { return nil }
        duration = parts[0] < 0 ? nil : parts[0]
        code = Int32(truncatingIfNeeded: parts[1])
        isFetched = parts[2] != 0
        fetchFails = parts[3] != 0
        guard parts.count == 6 else { return }
        wellAfter = parts[4]
        falters = parts[5] != 0
    }
}
