internal import Primitives

/// The datacenter as of the last entry: the records, decoded, and what follows from them. The
/// records in the key space are what counts; this is made from them.
package struct DatacenterTable: Equatable, Sendable {
    package struct Agent: Equatable, Sendable {
        package internal(set) var record: AgentRecord
        /// What its tasks and executors hold.
        package internal(set) var used = Resources.empty
        /// Those that are not terminal, sorted.
        package internal(set) var tasks: [TaskKey] = []
        /// Sorted.
        package internal(set) var executors: [ExecutorKey] = []

        /// Another one whenever a task or an executor begins or ends to hold something.
        package internal(set) var holdings = Tally()

        init(_ record: AgentRecord) { self.record = record }

        /// What can be offered; nothing where the books are wrong.
        package var free: Resources { record.total.subtracting(used) ?? Resources.empty }

        mutating func hold(_ resources: Resources) {
            used = used.with(resources)
            holdings.count += 1
        }

        package var isOffered: Bool { record.phase == .reachable && record.mode == .active }
    }

    /// Counts changes since the table was made, whatever they led to: all are equal.
    package struct Tally: Equatable, Sendable {
        package internal(set) var count: UInt64 = 0

        package static func == (one: Tally, other: Tally) -> Bool { true }
    }

    /// Sorted by when they ended. Tasks that one entry ended are sorted by their keys, so that a
    /// node which loads the records has the same order as one that made them.
    package struct EndedTask: Comparable, Sendable {
        package var index: UInt64
        package var key: TaskKey

        init(_ record: TaskRecord) {
            index = record.endIndex
            key = record.key
        }

        package static func < (one: EndedTask, other: EndedTask) -> Bool {
            (one.index, one.key) < (other.index, other.key)
        }
    }

    package struct Framework: Equatable, Sendable {
        package internal(set) var record: FrameworkRecord
        /// Tasks that are not terminal.
        package internal(set) var liveTasks = 0
        /// Terminal ones that are still kept, sorted.
        package internal(set) var endedTasks: [EndedTask] = []

        init(_ record: FrameworkRecord) { self.record = record }
    }

    package internal(set) var agents: [AgentID: Agent] = [:]
    /// Whose work directories have these numbers.
    var agentOfIncarnation: [UInt64: AgentID] = [:]
    package internal(set) var frameworks: [FrameworkID: Framework] = [:]
    package internal(set) var tasks: [TaskKey: TaskRecord] = [:]
    package internal(set) var executors: [ExecutorKey: ExecutorRecord] = [:]
    package internal(set) var roles: [ByteText: RoleRecord] = [:]
    /// The same in their order, for whoever goes through all.
    package internal(set) var agentIDs: [AgentID] = []
    package internal(set) var frameworkIDs: [FrameworkID] = []
    package internal(set) var roleNames: [ByteText] = []
    package internal(set) var services = ServiceTable()
    /// Nil before the first.
    package internal(set) var master: MasterRecord?
    /// Frameworks that have ended, in that order.
    var endedFrameworks: [FrameworkID] = []

    package init() {}

    package var isEmpty: Bool {
        agents.isEmpty && frameworks.isEmpty && roles.isEmpty && services.isEmpty
    }

    // MARK: - Changes, by the rules and by a load

    mutating func set(_ record: AgentRecord) {
        if agents[record.id]?.record == nil {
            agents[record.id] = Agent(record)
            agentOfIncarnation[record.incarnation] = record.id
            agentIDs.insertSorted(record.id)
        } else {
            agents[record.id]?.record = record
        }
    }

    mutating func set(_ record: FrameworkRecord) {
        let hadEnded = frameworks[record.id]?.record.phase == .ended
        if frameworks[record.id] == nil {
            frameworks[record.id] = Framework(record)
            frameworkIDs.insertSorted(record.id)
        } else {
            frameworks[record.id]?.record = record
        }
        if record.phase == .ended, !hadEnded { endedFrameworks.append(record.id) }
    }

    mutating func set(_ record: RoleRecord) {
        if roles.updateValue(record, forKey: record.role) == nil {
            roleNames.insertSorted(record.role)
        }
    }

    mutating func removeRole(_ role: ByteText) {
        if roles.removeValue(forKey: role) != nil { roleNames.removeSorted(role) }
    }

    mutating func removeFramework(_ id: FrameworkID) {
        frameworks[id] = nil
        frameworkIDs.removeSorted(id)
        endedFrameworks.removeAll { $0 == id }
    }

    mutating func set(_ record: ExecutorRecord) {
        guard executors.updateValue(record, forKey: record.key) == nil else { return }
        agents[record.key.agent]?.hold(record.resources)
        agents[record.key.agent]?.executors.insertSorted(record.key)
    }

    mutating func removeExecutor(_ key: ExecutorKey) {
        guard let record = executors.removeValue(forKey: key) else { return }
        release(record.resources, on: key.agent)
        agents[key.agent]?.executors.removeSorted(key)
    }

    /// Keeps the books: what the task holds, and where.
    mutating func set(_ record: TaskRecord) {
        let key = record.key
        let old = tasks.updateValue(record, forKey: key)
        let held = old?.holdsResources ?? false
        if !held, record.holdsResources {
            agents[record.agent]?.hold(record.resources)
            agents[record.agent]?.tasks.insertSorted(key)
            frameworks[key.framework]?.liveTasks += 1
            if let old { frameworks[key.framework]?.endedTasks.removeSorted(EndedTask(old)) }
        }
        if held, !record.holdsResources {
            release(record.resources, on: record.agent)
            agents[record.agent]?.tasks.removeSorted(key)
            frameworks[key.framework]?.liveTasks -= 1
        }
        if !record.holdsResources, held || old == nil {
            frameworks[key.framework]?.endedTasks.insertSorted(EndedTask(record))
        }
    }

    /// A task that has ended.
    mutating func forgetTask(_ key: TaskKey) {
        guard let record = tasks.removeValue(forKey: key) else { return }
        frameworks[key.framework]?.endedTasks.removeSorted(EndedTask(record))
    }

    private mutating func release(_ resources: Resources, on id: AgentID) {
        guard let agent = agents[id] else { return }
        guard let rest = agent.used.subtracting(resources) else {
            impossible("agent \(id) gets back \(resources), \(agent.used) is in use")
        }
        agents[id]?.used = rest
        agents[id]?.holdings.count += 1
    }

    /// O(n), for tests and the simulator: the books are those of the records, and nothing is
    /// promised twice.
    package func checkInvariants() {
        var used: [AgentID: Resources] = [:]
        for id in agentIDs {
            guard let agent = agents[id] else { impossible("agent \(id) is in no table") }
            for key in agent.tasks {
                guard let task = tasks[key] else { impossible("no task \(key) on \(id)") }
                invariant(task.holdsResources, "\(key) has ended and is on \(id)")
                used[id] = used[id, default: .empty].with(task.resources)
            }
            for key in agent.executors {
                guard let executor = executors[key] else { impossible("no executor \(key)") }
                used[id] = used[id, default: .empty].with(executor.resources)
            }
            let sum = used[id] ?? Resources.empty
            invariant(sum == agent.used, "\(sum) is held on \(id), \(agent.used) is booked")
            invariant(
                agent.record.total.subtracting(sum) != nil,
                "agent \(id) has \(agent.record.total), \(sum) is promised")
        }
        let live = agentIDs.reduce(0) { $0 + (agents[$1]?.tasks.count ?? 0) }
        let counted = frameworkIDs.reduce(0) { $0 + (frameworks[$1]?.liveTasks ?? 0) }
        invariant(live == counted, "\(live) tasks on agents, \(counted) of frameworks")
        services.checkInvariants(tasks: tasks)
    }
}

extension Resources {
    /// The sum of what was checked to fit into one agent: however many parts it has.
    func with(_ other: Resources) -> Resources {
        do throws(ResourcesError) {
            return try adding(other, within: .amounts)
        } catch {
            impossible("\(self) and \(other) of one agent: \(error)")
        }
    }
}

extension Array where Element: Comparable {
    /// Into a sorted array without equal elements; one that is there stays.
    mutating func insertSorted(_ element: Element) {
        let place = lowerBound(of: element)
        if place == count || self[place] != element { insert(element, at: place) }
    }

    mutating func removeSorted(_ element: Element) {
        let place = lowerBound(of: element)
        if place < count, self[place] == element { remove(at: place) }
    }

    private func lowerBound(of element: Element) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < element { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
