internal import API
internal import Foundation
internal import Scheduling
internal import StateMachine
internal import SwiftProtobuf

enum AgentServiceLimits {
    /// Statuses in one message.
    static let statusesMax = 1_000
    static let knownTasksMax = 50_000
    static let versionBytesMax = 64
    /// Between an executor and its framework.
    static let messageBytesMax = 1 << 20
}

/// Why what an agent said is not taken.
enum AgentRefusal: Error, Equatable, CustomStringConvertible {
    case invalid(String, String)
    case tooLarge(String, Int)
    case tooMany(String, Int)

    var description: String {
        switch self {
        case .invalid(let what, let why): "\(what): \(why)"
        case .tooLarge(let what, let bytes): "\(what) is too large (\(bytes) bytes)"
        case .tooMany(let what, let count): "there are too many \(what) (\(count))"
        }
    }

    static func check<Kind>(
        _ name: DatacenterName<Kind>, _ what: String
    ) throws(AgentRefusal) -> DatacenterName<Kind> {
        guard name.isValid else {
            throw .invalid(
                what, "\(DatacenterError.invalidName(String(name.description.prefix(64))))")
        }
        return name
    }
}

extension AgentRegistration {
    /// Where the agent has no id yet, one is drawn.
    init(_ register: WireRegister) throws(AgentRefusal) {
        let id = AgentID(register.agentID)
        if !id.isEmpty { _ = try AgentRefusal.check(id, "agent id") }
        guard register.incarnation != 0 else {
            throw .invalid("incarnation", "the number of the work directory is missing")
        }
        guard register.version.utf8.count <= AgentServiceLimits.versionBytesMax else {
            throw .tooLarge("the version", register.version.utf8.count)
        }
        self.init(
            id: id, newID: Self.drawID(), info: try Self.info(register.agentInfo),
            total: try Self.resources(register.resources), incarnation: register.incarnation,
            url: try Self.url(register.url))
    }

    private static func drawID() -> AgentID {
        let digits = (0..<2).map { _ in
            let text = String(UInt64.random(in: 0 ... .max), radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        return AgentID(digits.joined() + "-S0")
    }

    private static func info(_ bytes: Data) throws(AgentRefusal) -> [UInt8] {
        guard bytes.count <= DatacenterLimits.infoBytesMax else {
            throw .tooLarge("the agent's information", bytes.count)
        }
        let info: MesosAgentInfo
        do throws(MesosDecodingError) {
            info = try MesosMessage.decode(
                MesosAgentInfo.self, from: Array(bytes), as: .protobuf)
        } catch {
            throw .invalid("agent information", "\(error)")
        }
        guard (1...255).contains(info.hostname.utf8.count) else {
            throw .invalid("agent information", "a host name has 1 to 255 bytes")
        }
        return Array(bytes)
    }

    private static func resources(_ text: String) throws(AgentRefusal) -> Resources {
        let resources: Resources
        do throws(ResourcesParseError) {
            resources = try ResourcesParser.parse(text)
        } catch {
            throw .invalid("resources", "\(error)")
        }
        guard !resources.isEmpty else { throw .invalid("resources", "the agent has none") }
        return resources
    }

    private static func url(_ text: String) throws(AgentRefusal) -> [UInt8] {
        let bytes = Array(text.utf8)
        guard bytes.count <= DatacenterLimits.urlBytesMax else {
            throw .tooLarge("the URL", bytes.count)
        }
        let isURL = text.hasPrefix("http://") || text.hasPrefix("https://")
        guard bytes.isEmpty || (isURL && bytes.allSatisfy { $0 > 0x20 && $0 < 0x7F }) else {
            throw .invalid("URL", "it does not begin with http:// or https://, or is not plain")
        }
        return bytes
    }
}

extension TaskState {
    /// What an agent may say of a task: the rest is for masters to say.
    static func ofAgent(_ number: UInt32) throws(AgentRefusal) -> TaskState {
        guard let state = UInt8(exactly: number).flatMap(TaskState.init(rawValue:)) else {
            throw .invalid("task state", "\(number) is none")
        }
        switch state {
        case .starting, .running, .finished, .failed, .killed, .lost, .staging, .error, .killing,
            .dropped:
            return state
        case .unreachable, .gone, .goneByOperator, .unknown:
            throw .invalid("task state", "no agent can know that a task is \(state)")
        }
    }
}

extension TaskKey {
    init(framework: String, task: String) throws(AgentRefusal) {
        self.init(
            try AgentRefusal.check(FrameworkID(framework), "framework id"),
            try AgentRefusal.check(TaskID(task), "task id"))
    }
}

extension StatusReport {
    static func list(_ statuses: [WireStatus]) throws(AgentRefusal) -> [StatusReport] {
        guard statuses.count <= AgentServiceLimits.statusesMax else {
            throw .tooMany("statuses in one message", statuses.count)
        }
        var reports: [StatusReport] = []
        reports.reserveCapacity(statuses.count)
        for status in statuses { reports.append(try StatusReport(status)) }
        return reports
    }

    private init(_ status: WireStatus) throws(AgentRefusal) {
        guard status.uuid.count == 16 else {
            throw .invalid("uuid", "it has \(status.uuid.count) bytes, not 16")
        }
        guard status.status.count <= DatacenterLimits.statusBytesMax else {
            throw .tooLarge("a status", status.status.count)
        }
        let key = try TaskKey(framework: status.frameworkID, task: status.taskID)
        let state = try TaskState.ofAgent(status.state)
        let body = Array(status.status)
        let told: MesosTaskStatus
        do throws(MesosDecodingError) {
            told = try MesosMessage.decode(MesosTaskStatus.self, from: body, as: .protobuf)
        } catch {
            throw .invalid("status of \(key)", "\(error)")
        }
        // Schedulers are told the body: it has to say what is decided by.
        guard told.taskID.value == key.task.description, told.state.rawValue == Int(state.rawValue),
            told.uuid == status.uuid
        else { throw .invalid("status of \(key)", "its parts contradict each other") }
        self.init(
            key: key, sequence: status.sequence,
            status: WaitingStatus(uuid: Array(status.uuid), state: state, body: body))
    }
}
