package import AgentLogic
internal import Glibc

/// One control group of one run, and what is to be set in it.
package struct CgroupPlan: Equatable, Sendable {
    package struct Setting: Equatable, Sendable {
        package var file: String
        package var value: String
        package init(file: String, value: String) {
            self.file = file
            self.value = value
        }
    }

    package var path: String
    /// Version 2.
    package var isUnified: Bool
    package var settings: [Setting] = []

    package init(path: String, isUnified: Bool) {
        self.path = path
        self.isUnified = isUnified
    }
}

/// What this machine can hold tasks to. Said once, when the agent starts.
package struct IsolationReport: Equatable, Sendable {
    package enum Support: Equatable, Sendable {
        /// Groups of version 2, or of version 1, below this directory.
        case unified(String)
        case legacy(String)
        case none(why: String)
    }

    package var memory: Support
    package var cpu: Support
    package var processes: Support

    package init(memory: Support, cpu: Support, processes: Support) {
        self.memory = memory
        self.cpu = cpu
        self.processes = processes
    }
}

extension IsolationReport.Support: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unified: "cgroup v2"
        case .legacy: "cgroup v1"
        case .none(let why): "not limited (\(why))"
        }
    }

    fileprivate var place: (path: String, isUnified: Bool)? {
        switch self {
        case .unified(let path): (path, true)
        case .legacy(let path): (path, false)
        case .none: nil
        }
    }
}

extension IsolationReport: CustomStringConvertible {
    package var description: String {
        "memory: \(memory); cpu: \(cpu); processes: \(processes)"
    }

    /// Where tasks can be held to their resources, as seen from the mount at `root`. Creates the
    /// group `name`, below which each run gets its own.
    package static func detect(root: String = "/sys/fs/cgroup", name: String) -> IsolationReport {
        IsolationReport(
            memory: support(
                root, name, "memory", unified: "memory.max", legacy: "memory.limit_in_bytes"),
            cpu: support(root, name, "cpu", unified: "cpu.weight", legacy: "cpu.shares"),
            processes: support(root, name, "pids", unified: "pids.max", legacy: "pids.max"))
    }

    private static func support(
        _ root: String, _ name: String, _ controller: String, unified: String, legacy: String
    ) -> Support {
        var why = "there is no control group file system at \(root)"
        for base in [root, root + "/unified"] {
            guard
                let listed = try? SystemCall.readFile(base + "/cgroup.controllers", limit: 4096),
                String(decoding: listed, as: UTF8.self)
                    .split(whereSeparator: { $0 == " " || $0 == "\n" }).contains(controller[...])
            else { continue }
            let group = base + "/" + name
            do throws(AgentError) {
                try enable(controller, in: base)
                try makeGroup(base, name)
                try enable(controller, in: group)
                if try hasFile(unified, in: group) { return .unified(group) }
                why = "\(group) has no \(unified)"
            } catch { why = "\(error)" }
        }
        let base = root + "/" + controller
        guard access(base + "/cgroup.procs", F_OK) == 0 else { return .none(why: why) }
        do throws(AgentError) {
            try makeGroup(base, name)
            if try hasFile(legacy, in: base + "/" + name) { return .legacy(base + "/" + name) }
            why = "\(base)/\(name) has no \(legacy)"
        } catch { why = "\(error)" }
        return .none(why: why)
    }

    private static func makeGroup(_ base: String, _ name: String) throws(AgentError) {
        var path = base
        for part in name.split(separator: "/") {
            path += "/" + part
            try WorkDirectory.makeDirectories(path, mode: 0o755)
        }
    }

    private static func enable(_ controller: String, in group: String) throws(AgentError) {
        try CgroupPlan.write("+\(controller)", to: group + "/cgroup.subtree_control")
    }

    /// Whether a group below `group` would have the file: asked by making one.
    private static func hasFile(_ file: String, in group: String) throws(AgentError) -> Bool {
        let probe = group + "/probe-\(getpid())"
        try WorkDirectory.makeDirectories(probe, mode: 0o755)
        defer { rmdir(probe) }
        return access(probe + "/" + file, W_OK) == 0
    }

    /// The groups that hold a run to its resources.
    package func plans(_ resources: TaskResources, _ container: ContainerID) -> [CgroupPlan] {
        var plans: [CgroupPlan] = []
        func add(_ support: Support, _ settings: (_ isUnified: Bool) -> [(String, String)]) {
            guard let place = support.place else { return }
            let path = "\(place.path)/\(container)"
            let index =
                plans.firstIndex { $0.path == path }
                ?? {
                    plans.append(CgroupPlan(path: path, isUnified: place.isUnified))
                    return plans.count - 1
                }()
            plans[index].settings += settings(place.isUnified).map {
                CgroupPlan.Setting(file: $0.0, value: $0.1)
            }
        }
        add(memory) { Self.memorySettings(resources, $0) }
        add(cpu) { Self.cpuSettings(resources, $0) }
        add(processes) { _ in
            resources.processesMax == 0 ? [] : [("pids.max", "\(resources.processesMax)")]
        }
        return plans
    }

    private static func memorySettings(
        _ resources: TaskResources, _ isUnified: Bool
    ) -> [(String, String)] {
        let bytes = min(resources.memoryBytes, UInt64(Int64.max))
        guard bytes > 0 else { return [] }
        if isUnified { return [("memory.max", "\(bytes)"), ("memory.swap.max", "0")] }
        return [
            ("memory.limit_in_bytes", "\(bytes)"), ("memory.memsw.limit_in_bytes", "\(bytes)"),
        ]
    }

    private static func cpuSettings(
        _ resources: TaskResources, _ isUnified: Bool
    ) -> [(String, String)] {
        guard resources.cpuMillis > 0 else { return [] }
        let millis = min(resources.cpuMillis, 1_000_000)
        let shares = max(2, min(262_144, millis * 1024 / 1000))
        let quota = max(1000, millis * 100)
        if isUnified {
            let weight = 1 + (shares - 2) * 9999 / 262_142
            return [("cpu.weight", "\(weight)")]
                + (resources.isCPULimited ? [("cpu.max", "\(quota) 100000")] : [])
        }
        return [("cpu.shares", "\(shares)")]
            + (resources.isCPULimited
                ? [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "\(quota)")] : [])
    }
}

/// What a supervisor does with a run's groups.
extension CgroupPlan {
    static func write(_ value: String, to file: String) throws(AgentError) {
        let descriptor = try SystemCall.open(file, O_WRONLY)
        defer { close(descriptor) }
        try SystemCall.writeAll(descriptor, file, Array(value.utf8))
    }

    /// Makes the group and sets what can be set. A limit that the kernel does not know (swap
    /// accounting, say) is left out.
    func create() throws(AgentError) {
        try WorkDirectory.makeDirectories(path, mode: 0o755)
        for setting in settings where access(path + "/" + setting.file, F_OK) == 0 {
            try Self.write(setting.value, to: path + "/" + setting.file)
        }
    }

    /// Moves the calling process into the group.
    func join() throws(AgentError) { try Self.write("0", to: path + "/cgroup.procs") }

    /// Who is in it.
    var members: [Int32] {
        let bytes = (try? SystemCall.readFile(path + "/cgroup.procs", limit: 4 << 20)) ?? []
        return bytes.split(separator: 0x0A).compactMap {
            Int32(String(decoding: $0, as: UTF8.self))
        }
    }

    /// Whether the kernel has ended a member for want of memory.
    var hasRunOutOfMemory: Bool {
        let file = path + (isUnified ? "/memory.events" : "/memory.oom_control")
        let bytes = (try? SystemCall.readFile(file, limit: 4096)) ?? []
        return bytes.split(separator: 0x0A).contains { line in
            let words = line.split(separator: 0x20)
            return words.count == 2 && words[0].elementsEqual("oom_kill".utf8)
                && words[1].contains { $0 != UInt8(ascii: "0") }
        }
    }

    /// An empty group goes; one with members stays.
    func remove() { rmdir(path) }
}
