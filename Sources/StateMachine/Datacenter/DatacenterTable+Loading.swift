internal import Primitives

extension DatacenterTable {
    /// The table that live records make. Cost: O(n log n).
    /// - Throws: ``StoreLoadError/malformedKey(table:)`` for one that is none.
    init(records space: KeySpace) throws(StoreLoadError) {
        self.init()
        var endedFrameworks: [FrameworkRecord] = []
        var isSound = true
        // In this order: tasks are booked on agents and frameworks.
        visit(RecordKeys.agents, space) { value in
            AgentRecord(value).map { set($0) } ?? { isSound = false }()
        }
        visit(RecordKeys.frameworks, space) { value in
            guard let record = FrameworkRecord(value) else { return isSound = false }
            if record.phase == .ended { endedFrameworks.append(record) } else { set(record) }
        }
        endedFrameworks.sort { ($0.endIndex, $0.id) < ($1.endIndex, $1.id) }
        for record in endedFrameworks { set(record) }
        visit(RecordKeys.master, space) { value in
            MasterRecord(value).map { master = $0 } ?? { isSound = false }()
        }
        visit(RecordKeys.roles, space) { value in
            RoleRecord(value).map { set($0) } ?? { isSound = false }()
        }
        visit(RecordKeys.executors, space) { value in
            ExecutorRecord(value).map { set($0) } ?? { isSound = false }()
        }
        visit(RecordKeys.tasks, space) { value in
            guard let record = TaskRecord(value) else { return isSound = false }
            set(record)
        }
        if let found = ServiceTable({ visit($0, space, $1) }) {
            services = found
        } else {
            isSound = false
        }
        guard isSound else {
            throw .malformedKey(table: StoreTable.datacenter.rawValue)
        }
    }

    private func visit(
        _ prefix: Bytes, _ space: KeySpace, _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        let range = KeyRange(key: prefix.storage, rangeEnd: KeyQueue.end(of: prefix.storage))
        space.forEachLive(range, at: .max) { record in
            record.withValue(body)
            return true
        }
    }
}
