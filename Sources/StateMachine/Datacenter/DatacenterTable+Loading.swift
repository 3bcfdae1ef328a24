package import Primitives

extension DatacenterTable {
    /// The table that live records make. Cost: O(n log n).
    /// - Throws: ``StoreLoadError/malformedKey(table:)`` for one that is none.
    init(records space: KeySpace) throws(StoreLoadError) {
        try self.init { prefix, body in
            let range = KeyRange(key: prefix.storage, rangeEnd: KeyQueue.end(of: prefix.storage))
            space.forEachLive(range, at: .max) { record in
                record.withValue(body)
                return true
            }
        }
    }

    /// - Parameter visit: gives the live values below a prefix, in the order of their keys.
    /// - Throws: as ``init(records:)``, also where the books have no sum.
    package init(
        _ visit: (Bytes, (UnsafeRawBufferPointer) -> Void) -> Void
    ) throws(StoreLoadError) {
        self.init()
        var endedFrameworks: [FrameworkRecord] = []
        var isSound = true
        // In this order: tasks are booked on agents and frameworks.
        visit(RecordKeys.agents) { value in
            AgentRecord(value).map { set($0) } ?? { isSound = false }()
        }
        visit(RecordKeys.frameworks) { value in
            guard let record = FrameworkRecord(value) else { return isSound = false }
            if record.phase == .ended { endedFrameworks.append(record) } else { set(record) }
        }
        endedFrameworks.sort { ($0.endIndex, $0.id) < ($1.endIndex, $1.id) }
        for record in endedFrameworks { set(record) }
        visit(RecordKeys.master) { value in
            MasterRecord(value).map { master = $0 } ?? { isSound = false }()
        }
        visit(RecordKeys.roles) { value in
            RoleRecord(value).map { set($0) } ?? { isSound = false }()
        }
        visit(RecordKeys.executors) { value in
            guard let record = ExecutorRecord(value), canBook(record.resources, record.key.agent)
            else { return isSound = false }
            set(record)
        }
        visit(RecordKeys.tasks) { value in
            guard let record = TaskRecord(value),
                !record.holdsResources || canBook(record.resources, record.agent)
            else { return isSound = false }
            set(record)
        }
        if let found = ServiceTable(visit) {
            services = found
        } else {
            isSound = false
        }
        guard isSound else {
            throw .malformedKey(table: StoreTable.datacenter.rawValue)
        }
    }

    /// Whether there is a sum of that and what is booked: no rule let records be written that have
    /// none.
    private func canBook(_ resources: Resources, _ id: AgentID) -> Bool {
        guard let used = agents[id]?.used else { return true }
        return (try? used.adding(resources, within: .amounts)) != nil
    }
}
