internal import API
internal import Foundation
internal import Scheduling
internal import StateMachine

/// Numbers under the names of Mesos' monitoring page (its docs/monitoring.md), for whoever draws
/// dashboards of them.
struct MetricsView: Sendable {
    let snapshot: DatacenterSnapshot
    /// Seconds since the server started.
    let uptime: Double

    func metrics() -> [MesosMetric] {
        (master() + frameworks() + agents() + tasks() + resources() + SystemView.metrics())
            .sorted { $0.name < $1.name }
    }

    private static func metric(_ name: String, _ value: Double) -> MesosMetric {
        var metric = MesosMetric()
        metric.name = name
        metric.value = value
        return metric
    }

    private func master() -> [MesosMetric] {
        [
            Self.metric("master/elected", snapshot.isLeading ? 1 : 0),
            Self.metric("master/uptime_secs", uptime),
            Self.metric("master/outstanding_offers", Double(snapshot.offers.count)),
        ]
    }

    private func frameworks() -> [MesosMetric] {
        var counts: [FrameworkRecord.Phase: Int] = [:]
        for framework in snapshot.table.frameworks.values {
            counts[framework.record.phase, default: 0] += 1
        }
        let connected = Double(counts[.connected] ?? 0)
        return [
            Self.metric("master/frameworks_connected", connected),
            Self.metric("master/frameworks_active", connected),
            Self.metric("master/frameworks_disconnected", Double(counts[.disconnected] ?? 0)),
            Self.metric("master/frameworks_inactive", Double(counts[.disconnected] ?? 0)),
            Self.metric("master/frameworks_completed", Double(counts[.ended] ?? 0)),
        ]
    }

    private func agents() -> [MesosMetric] {
        let there = snapshot.table.agents.values.filter { $0.record.phase == .reachable }
        let unreachable = snapshot.table.agents.values.count { $0.record.phase == .unreachable }
        let active = there.count { $0.record.mode == .active }
        return [
            Self.metric("master/slaves_connected", Double(there.count)),
            Self.metric("master/slaves_disconnected", Double(unreachable)),
            Self.metric("master/slaves_active", Double(active)),
            Self.metric("master/slaves_inactive", Double(there.count - active)),
            Self.metric("master/slaves_unreachable", Double(unreachable)),
        ]
    }

    private func tasks() -> [MesosMetric] {
        var counts: [TaskState: Int] = [:]
        for task in snapshot.table.tasks.values { counts[task.state, default: 0] += 1 }
        return TaskState.allCases.map { state in
            let name = MesosConversion.taskStateName(state)
            return Self.metric("master/tasks_\(name)", Double(counts[state] ?? 0))
        }
    }

    private func resources() -> [MesosMetric] {
        let there = snapshot.table.agents.values.filter { $0.record.phase == .reachable }
        return [ResourceNames.cpus, ResourceNames.gpus, ResourceNames.mem, ResourceNames.disk]
            .flatMap { name in
                let total = there.reduce(0.0) { $0 + Double($1.record.total.scalar(name)) / 1_000 }
                let used = there.reduce(0.0) { $0 + Double($1.used.scalar(name)) / 1_000 }
                return [
                    Self.metric("master/\(name)_total", total),
                    Self.metric("master/\(name)_used", used),
                    Self.metric("master/\(name)_percent", total > 0 ? used / total : 0),
                ]
            }
    }
}

extension MesosConversion {
    /// `running` for TASK_RUNNING.
    static func taskStateName(_ state: TaskState) -> String {
        switch state {
        case .starting: "starting"
        case .running: "running"
        case .finished: "finished"
        case .failed: "failed"
        case .killed: "killed"
        case .lost: "lost"
        case .staging: "staging"
        case .error: "error"
        case .killing: "killing"
        case .dropped: "dropped"
        case .unreachable: "unreachable"
        case .gone: "gone"
        case .goneByOperator: "gone_by_operator"
        case .unknown: "unknown"
        }
    }
}

/// The machine that this node runs on.
enum SystemView {
    struct Values {
        var loads = [0.0, 0.0, 0.0]
        var processors: Int
        var totalBytes: Double = 0
        var freeBytes: Double = 0
    }

    static func values() -> Values {
        var values = Values(processors: ProcessInfo.processInfo.activeProcessorCount)
        getloadavg(&values.loads, 3)
        let pageBytes = Double(sysconf(Int32(_SC_PAGESIZE)))
        values.totalBytes = Double(max(0, sysconf(Int32(_SC_PHYS_PAGES)))) * pageBytes
        values.freeBytes = Double(max(0, sysconf(Int32(_SC_AVPHYS_PAGES)))) * pageBytes
        return values
    }

    static func metrics() -> [MesosMetric] {
        let values = values()
        return [
            ("system/load_1min", values.loads[0]), ("system/load_5min", values.loads[1]),
            ("system/load_15min", values.loads[2]),
            ("system/cpus_total", Double(values.processors)),
            ("system/mem_total_bytes", values.totalBytes),
            ("system/mem_free_bytes", values.freeBytes),
        ].map { name, value in
            var metric = MesosMetric()
            metric.name = name
            metric.value = value
            return metric
        }
    }

    /// `/system/stats.json`
    static func body() -> [UInt8] {
        let values = values()
        return JSONWriter.object { writer in
            writer.field("avg_load_1min", values.loads[0])
            writer.field("avg_load_5min", values.loads[1])
            writer.field("avg_load_15min", values.loads[2])
            writer.field("cpus_total", values.processors)
            writer.field("mem_total_bytes", values.totalBytes)
            writer.field("mem_free_bytes", values.freeBytes)
        }
    }
}
