package import API
package import AgentLogic
internal import Glibc
internal import SwiftProtobuf

/// From what a framework wrote to what this machine runs. Whatever this agent cannot do is refused
/// by name: a task that ran without what it asked for would be a lie.
package enum TaskTranslation {
    /// - Throws: ``AgentError/invalid(field:why:)``.
    package static func spec(_ task: WireLaunchTask) throws(AgentError) -> TaskSpec {
        let info = try decode(MesosTaskInfo.self, Array(task.taskInfo), "task")
        let framework = try decode(
            MesosFrameworkInfo.self, Array(task.frameworkInfo), "framework")
        guard !info.hasExecutor else {
            throw .invalid(field: "executor", why: "the master does not know of it")
        }
        guard info.hasCommand else { throw .invalid(field: "command", why: "there is none") }
        try refuseWhatIsMissing(info)
        var spec = TaskSpec(
            frameworkID: try FrameworkID(task.frameworkID), taskID: try TaskID(info.taskID.value),
            command: try command(info.command))
        spec.name = info.name
        try describe(&spec, info.command, framework)
        spec.resources = try resources(info)
        spec.labels = info.labels.labels.map { TaskLabel($0.key, $0.hasValue ? $0.value : nil) }
        spec.reportsKilling = framework.capabilities.contains { $0.type == .taskKillingState }
        if info.killPolicy.hasGracePeriod {
            let nanoseconds = info.killPolicy.gracePeriod.nanoseconds
            guard nanoseconds >= 0 else {
                throw .invalid(field: "kill policy", why: "the grace is negative")
            }
            spec.killGraceMillis = UInt64(nanoseconds) / 1_000_000
        }
        if info.hasHealthCheck { spec.healthCheck = try healthCheck(info.healthCheck) }
        if info.hasCheck { spec.check = try check(info.check) }
        return spec
    }

    /// With what the command is run.
    static func describe(
        _ spec: inout TaskSpec, _ command: MesosCommandInfo, _ framework: MesosFrameworkInfo
    ) throws(AgentError) {
        spec.environment = try environment(command)
        spec.user = try user(command.hasUser ? command.user : framework.user)
        spec.uris = command.uris.map(uri)
    }

    static func decode<M: SwiftProtobuf.Message>(
        _ type: M.Type, _ bytes: [UInt8], _ what: String
    ) throws(AgentError) -> M {
        do {
            return try MesosMessage.decode(type, from: bytes, as: .protobuf)
        } catch {
            throw .invalid(field: what, why: "\(error)")
        }
    }

    private static func refuseWhatIsMissing(_ info: MesosTaskInfo) throws(AgentError) {
        if info.hasContainer { try refuseForeign(info.container) }
        if info.hasMaxCompletionTime {
            throw .invalid(field: "max_completion_time", why: "this agent does not keep it")
        }
    }

    static func refuseForeign(_ container: MesosContainerInfo) throws(AgentError) {
        let isPlain =
            container.type == .mesos && !container.mesos.hasImage && container.volumes.isEmpty
        guard isPlain else {
            throw .invalid(field: "container", why: "this agent has no images and no volumes")
        }
    }

    static func command(_ info: MesosCommandInfo) throws(AgentError) -> TaskCommand {
        guard info.hasValue else { throw .invalid(field: "command", why: "it has no value") }
        return info.shell
            ? .shell(info.value) : .program(info.value, arguments: info.arguments)
    }

    private static func environment(
        _ info: MesosCommandInfo
    ) throws(AgentError) -> [EnvironmentVariable] {
        var list: [EnvironmentVariable] = []
        for variable in info.environment.variables {
            guard variable.type != .secret else {
                throw .invalid(field: "environment", why: "\(variable.name) is a secret")
            }
            list.append(EnvironmentVariable(variable.name, variable.value))
        }
        return list
    }

    /// Nil for the agent's own.
    private static func user(_ name: String) throws(AgentError) -> String? {
        if name.isEmpty { return nil }
        if let account = Account.find(name), account.user == geteuid() { return nil }
        return name
    }

    private static func uri(_ uri: MesosCommandInfo.URI) -> TaskURI {
        var file = TaskURI(uri.value)
        file.isExecutable = uri.executable
        file.extracts = uri.extract
        file.usesCache = uri.cache
        if uri.hasOutputFile { file.outputFile = uri.outputFile }
        return file
    }

    // MARK: Resources

    private static let memoryUnit = Double(1 << 20)

    static func resources(_ info: MesosTaskInfo) throws(AgentError) -> TaskResources {
        var resources = TaskResources()
        for resource in info.resources {
            switch (resource.name, resource.type) {
            case ("cpus", .scalar):
                resources.cpuMillis = resources.cpuMillis.addingCapped(
                    try amount(resource.scalar.value, times: 1000, "cpus"))
            case ("mem", .scalar):
                resources.memoryBytes = resources.memoryBytes.addingCapped(
                    try amount(resource.scalar.value, times: memoryUnit, "mem"))
            case ("ports", .ranges):
                for range in resource.ranges.range {
                    guard let first = UInt16(exactly: range.begin),
                        let last = UInt16(exactly: range.end)
                    else { throw .invalid(field: "ports", why: "a port is above 65535") }
                    resources.ports.append(PortRange(first, last))
                }
            default: break
            }
        }
        if let limit = info.limits["mem"]?.value {
            resources.memoryBytes =
                limit == .infinity ? 0 : try amount(limit, times: memoryUnit, "mem")
        }
        if let limit = info.limits["cpus"]?.value, limit != .infinity {
            resources.cpuMillis = try amount(limit, times: 1000, "cpus")
            resources.isCPULimited = true
        }
        return resources
    }

    /// A number of `times` of a unit, rounded.
    static func amount(
        _ value: Double, times factor: Double, _ field: String
    ) throws(AgentError) -> UInt64 {
        guard let amount = UInt64(exactly: (value * factor).rounded()) else {
            throw .invalid(field: field, why: "\(value) is no amount")
        }
        return amount
    }
}
