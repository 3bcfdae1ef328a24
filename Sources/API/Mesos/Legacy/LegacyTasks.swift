extension LegacyState {
    /// The query of `/tasks`.
    package struct TaskQuery: Sendable, Equatable {
        package var limit = 100
        package var offset = 0
        /// Oldest first (`order=asc`); otherwise newest first.
        package var isAscending = false
        package var frameworkID: String?
        package var taskID: String?

        package init() {}
    }

    /// `/tasks`: those of all frameworks, by the time of their first status.
    package func tasksBody(_ query: TaskQuery = TaskQuery()) -> [UInt8] {
        let tasks = state.getTasks
        let chosen = (tasks.tasks + tasks.unreachableTasks + tasks.completedTasks).filter {
            (query.frameworkID == nil || $0.frameworkID.value == query.frameworkID)
                && (query.taskID == nil || $0.taskID.value == query.taskID)
        }
        let sorted = chosen.sorted {
            query.isAscending ? Self.isBefore($0, $1) : Self.isBefore($1, $0)
        }
        let page = sorted.dropFirst(max(0, query.offset)).prefix(max(0, query.limit))
        return JSONWriter.object { writer in
            writer.array("tasks", of: page) { LegacyObjects.write($1, into: &$0) }
        }
    }

    /// Whole order: time of the first status, then ids.
    private static func isBefore(_ one: MesosTask, _ other: MesosTask) -> Bool {
        let times = [one, other].map { $0.statuses.map(\.timestamp).min() ?? 0 }
        if times[0] != times[1] { return times[0] < times[1] }
        return (one.frameworkID.value, one.taskID.value)
            < (other.frameworkID.value, other.taskID.value)
    }

    /// A role as `/roles` shows it.
    package struct RoleView: Sendable {
        package var name: String
        package var weight: Double = 1
        package var guarantees: [String: Double] = [:]
        package var limits: [String: Double] = [:]
        /// What counts against the limits.
        package var consumed: [MesosResource] = []
        package var allocated: [MesosResource] = []
        package var offered: [MesosResource] = []
        package var reserved: [MesosResource] = []
        package var frameworkIDs: [String] = []

        package init(name: String) { self.name = name }
    }

    /// `/roles`
    package static func rolesBody(_ roles: [RoleView]) -> [UInt8] {
        func quantities(_ name: String, _ values: [String: Double], in writer: inout JSONWriter) {
            writer.object(name) { writer in
                for name in values.keys.sorted() { writer.field(name, values[name] ?? 0) }
            }
        }
        return JSONWriter.object { writer in
            writer.array("roles", of: roles) { writer, role in
                writer.field("name", role.name)
                writer.field("weight", role.weight)
                writer.object("quota") { writer in
                    writer.field("role", role.name)
                    quantities("guarantee", role.guarantees, in: &writer)
                    quantities("limit", role.limits, in: &writer)
                    writer.resources("consumed", role.consumed)
                }
                writer.resources("resources", role.allocated + role.offered)
                writer.resources("allocated", role.allocated)
                writer.resources("offered", role.offered)
                writer.resources("reserved", role.reserved)
                writer.array("frameworks", of: role.frameworkIDs)
            }
        }
    }
}
