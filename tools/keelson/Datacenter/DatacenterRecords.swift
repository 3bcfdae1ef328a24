internal import API
internal import KeelsonClient
internal import Primitives
internal import StateMachine

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The datacenter's records as they stand in the store, all of one revision.
struct DatacenterRecords {
    var revision: Int64
    var agents: [AgentRecord] = []
    var frameworks: [FrameworkRecord] = []
    var tasks: [TaskRecord] = []
    var executors: [ExecutorRecord] = []

    /// - Parameter revision: zero: of now.
    static func read(
        _ cluster: Cluster, at revision: Int64 = 0
    ) async throws(ClusterError) -> DatacenterRecords {
        var options = GetOptions()
        options.revision = revision
        let agents = try await cluster.get(.prefix(RecordKeys.agents.storage), options)
        if revision == 0 { options.revision = agents.header.revision }
        var records = DatacenterRecords(revision: options.revision)
        records.agents = try agents.records { AgentRecord($0) }
        records.frameworks = try await cluster.get(
            .prefix(RecordKeys.frameworks.storage), options
        ).records { FrameworkRecord($0) }
        records.executors = try await cluster.get(
            .prefix(RecordKeys.executors.storage), options
        ).records { ExecutorRecord($0) }
        records.tasks = try await cluster.get(
            .prefix(RecordKeys.tasks.storage), options
        ).records { TaskRecord($0) }
        return records
    }

    /// What is said of roles, by name.
    /// - Parameter revision: zero: of now.
    static func roles(
        _ cluster: Cluster, at revision: Int64 = 0
    ) async throws(ClusterError) -> [RoleRecord] {
        var options = GetOptions()
        options.revision = revision
        return try await cluster.get(.prefix(RecordKeys.roles.storage), options)
            .records { RoleRecord($0) }
    }

    /// What tasks and executors hold on an agent.
    func used(on agent: AgentID) -> Resources {
        let held =
            tasks.filter { $0.agent == agent && $0.holdsResources }.map(\.resources)
            + executors.filter { $0.key.agent == agent }.map(\.resources)
        return held.reduce(Resources.empty) { sum, next in (try? sum.adding(next)) ?? sum }
    }

    func liveTasks(on agent: AgentID) -> Int {
        tasks.count { $0.agent == agent && $0.holdsResources }
    }

    func liveTasks(of framework: FrameworkID) -> Int {
        tasks.count { $0.key.framework == framework && $0.holdsResources }
    }

    func agent(_ id: AgentID) -> AgentRecord? { agents.first { $0.id == id } }
    func framework(_ id: FrameworkID) -> FrameworkRecord? { frameworks.first { $0.id == id } }

    /// The one record whose name is, or begins with, `text`.
    static func one<Record>(
        _ text: String, of records: [Record], _ what: String, _ name: (Record) -> String
    ) throws(Failure) -> Record {
        if let exact = records.first(where: { name($0) == text }) { return exact }
        let found = text.isEmpty ? [] : records.filter { name($0).hasPrefix(text) }
        if found.count == 1 { return found[0] }
        if found.isEmpty { throw Failure(.failed, "there is no \(what) \(text)") }
        let names = found.prefix(5).map(name).joined(separator: ", ")
        throw Failure(.failed, "'\(text)' is not clear: \(names)")
    }
}

extension GetResult {
    /// - Throws: where a value is none: it comes from a newer version.
    fileprivate func records<Record>(
        _ read: (UnsafeRawBufferPointer) -> Record?
    ) throws(ClusterError) -> [Record] {
        var records: [Record] = []
        for pair in keyValues {
            guard let record = pair.value.withUnsafeBytes({ read($0) }) else {
                let key = String(decoding: pair.key, as: UTF8.self)
                throw ClusterError(.server, "\(key) is nothing that this version knows")
            }
            records.append(record)
        }
        return records
    }
}

extension AgentRecord {
    /// As the agent described itself.
    var message: MesosAgentInfo {
        (try? MesosMessage.decode(MesosAgentInfo.self, from: info, as: .protobuf))
            ?? MesosAgentInfo()
    }

    var stateName: String {
        switch (phase, mode) {
        case (.gone, _): "gone"
        case (.unreachable, _): "unreachable"
        case (.reachable, .active): "active"
        case (.reachable, .deactivated): "deactivated"
        case (.reachable, .draining): "draining"
        }
    }
}

extension FrameworkRecord {
    var message: MesosFrameworkInfo {
        (try? MesosMessage.decode(MesosFrameworkInfo.self, from: info, as: .protobuf))
            ?? MesosFrameworkInfo()
    }

    var stateName: String {
        switch phase {
        case .connected: "connected"
        case .disconnected: "disconnected"
        case .ended: "ended"
        }
    }
}

extension TaskState {
    /// As Mesos calls it, without TASK_.
    var text: String {
        switch self {
        case .starting: "STARTING"
        case .running: "RUNNING"
        case .finished: "FINISHED"
        case .failed: "FAILED"
        case .killed: "KILLED"
        case .lost: "LOST"
        case .staging: "STAGING"
        case .error: "ERROR"
        case .killing: "KILLING"
        case .dropped: "DROPPED"
        case .unreachable: "UNREACHABLE"
        case .gone: "GONE"
        case .goneByOperator: "GONE_BY_OPERATOR"
        case .unknown: "UNKNOWN"
        }
    }
}

/// Amounts in thousandths, for people.
enum Amount {
    static func text(_ thousandths: Int64) -> String {
        let (whole, rest) = thousandths.quotientAndRemainder(dividingBy: 1000)
        guard rest != 0 else { return "\(whole)" }
        var digits = String(rest + 1000).dropFirst()
        while digits.hasSuffix("0") { digits.removeLast() }
        return "\(whole).\(digits)"
    }

    static func json(_ thousandths: Int64) -> JSONValue {
        .number(Double(thousandths) / 1000)
    }
}

/// Moments of the leader's clock, for people: how long ago.
enum Age {
    /// In milliseconds since 1970.
    static var now: UInt64 { UInt64(max(0, time(nil))) * 1000 }

    static func text(since clock: UInt64, now: UInt64) -> String {
        guard clock > 0 else { return "-" }
        let seconds = now > clock ? (now - clock) / 1000 : 0
        switch seconds {
        case ..<120: return "\(seconds)s"
        case ..<7_200: return "\(seconds / 60)m"
        case ..<172_800: return "\(seconds / 3600)h"
        default: return "\(seconds / 86_400)d"
        }
    }
}
