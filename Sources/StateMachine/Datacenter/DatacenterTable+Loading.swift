internal import Primitives

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
    init(
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
            ExecutorRecord(value).map { set($0) } ?? { isSound = false }()
        }
        visit(RecordKeys.tasks) { value in
            guard let record = TaskRecord(value) else { return isSound = false }
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
}
