package import Primitives

/// Where records stand in the datacenter's key space. The cell's name comes first, so that a name
/// space of cells can stand over it.
package enum RecordKeys {
    package static let agents = Bytes("/keelson/local/agents/")
    package static let frameworks = Bytes("/keelson/local/frameworks/")
    package static let tasks = Bytes("/keelson/local/tasks/")
    package static let launches = Bytes("/keelson/local/launches/")
    package static let executors = Bytes("/keelson/local/executors/")
    package static let roles = Bytes("/keelson/local/roles/")
    package static let master = Bytes("/keelson/local/master")
    package static let services = Bytes("/keelson/local/services/")
    package static let serviceVersions = Bytes("/keelson/local/service-versions/")
    package static let instances = Bytes("/keelson/local/instances/")
    package static let deployments = Bytes("/keelson/local/deployments/")
    package static let serviceGroups = Bytes("/keelson/local/service-groups/")

    package static func agent(_ id: AgentID) -> [UInt8] { agents.storage + id.utf8 }

    package static func framework(_ id: FrameworkID) -> [UInt8] {
        frameworks.storage + id.utf8
    }

    package static func task(_ key: TaskKey) -> [UInt8] { path(tasks, key) }
    package static func launch(_ key: TaskKey) -> [UInt8] { path(launches, key) }

    package static func executor(_ key: ExecutorKey) -> [UInt8] {
        executors.storage + key.agent.utf8 + slash + key.framework.utf8 + slash + key.executor.utf8
    }

    /// A role may have slashes: it is a path itself.
    package static func role(_ role: ByteText) -> [UInt8] { roles.storage + Array(role.text.utf8) }

    package static func service(_ id: ServiceID) -> [UInt8] {
        services.storage + id.path.text.utf8.dropFirst()
    }

    /// In the order of their numbers: a colon is in no path.
    package static func serviceVersion(_ id: ServiceID, _ number: UInt64) -> [UInt8] {
        serviceVersions.storage + id.path.text.utf8.dropFirst() + [0x3A]
            + Hexadecimal.text(number).utf8
    }

    package static func instance(_ id: InstanceID) -> [UInt8] { instances.storage + id.utf8 }

    package static func deployment(_ id: DeploymentID) -> [UInt8] {
        deployments.storage + Hexadecimal.text(id.rawValue).utf8
    }

    package static func serviceGroup(_ id: ServiceID) -> [UInt8] {
        serviceGroups.storage + id.path.text.utf8.dropFirst()
    }

    private static let slash: [UInt8] = [0x2F]

    private static func path(_ prefix: Bytes, _ key: TaskKey) -> [UInt8] {
        prefix.storage + key.framework.utf8 + slash + key.task.utf8
    }
}
