package import AgentLogic
internal import Glibc
internal import Primitives

/// Where everything is below an agent's work directory, in the layout that operators of Mesos know:
///
/// - `slaves/AGENT/frameworks/F/executors/E/runs/CONTAINER/`: a sandbox, the task's own, with
///   `stdout`, `stderr` and what they were rotated to; `runs/latest` links to the newest.
/// - `meta/slaves/AGENT/frameworks/F/executors/E/runs/CONTAINER/`: the supervisor's files of that
///   run, which the task cannot reach.
/// - `meta/agent`: the mark. `meta/tasks/CONTAINER`: the record of each run.
/// - `meta/lock`: held by the agent that lives here.
///
/// Every component that comes from outside is an ``Identifier``, so that no path leads out.
package struct WorkDirectory: Equatable, Sendable {
    package let path: String

    package init(_ path: String) { self.path = path }

    package var meta: String { path + "/meta" }
    package var markFile: String { meta + "/agent" }
    package var lockFile: String { meta + "/lock" }
    package var tasks: String { meta + "/tasks" }
    package func taskFile(_ container: ContainerID) -> String { "\(tasks)/\(container)" }

    private func runs(_ agent: AgentID, _ spec: TaskSpec) -> [String] {
        let executor = spec.executorID?.text ?? spec.taskID.text
        return [
            "slaves", agent.text, "frameworks", spec.frameworkID.text, "executors", executor,
            "runs",
        ]
    }

    package func sandbox(_ agent: AgentID, _ record: TaskRecord) -> String {
        join([path] + runs(agent, record.spec) + [record.sandboxContainer.description])
    }

    package func runFiles(_ agent: AgentID, _ record: TaskRecord) -> String {
        join([meta] + runs(agent, record.spec) + [record.container.description])
    }

    private func join(_ parts: [String]) -> String { parts.joined(separator: "/") }

    /// Creates what every agent needs. Only the agent's user gets into `meta`; sandboxes may be
    /// entered by their own users.
    package func create() throws(AgentError) {
        try Self.makeDirectories(path, mode: 0o755)
        try Self.makeDirectories(meta, mode: 0o700)
        try Self.makeDirectories(tasks, mode: 0o700)
        try RecordFile.syncDirectory(meta)
        try RecordFile.syncDirectory(path)
    }

    /// A fresh sandbox, owned by the task's user, and `latest` pointing to it.
    package func createSandbox(
        _ agent: AgentID, _ record: TaskRecord, owner: (user: UInt32, group: UInt32)?
    ) throws(AgentError) -> String {
        let sandbox = sandbox(agent, record)
        let runs = join([path] + self.runs(agent, record.spec))
        try Self.makeDirectories(runs, mode: 0o755)
        try Self.makeDirectories(sandbox, mode: 0o750)
        if let owner {
            try SystemCall.check("chown", sandbox) { lchown(sandbox, owner.user, owner.group) }
        }
        let new = runs + "/latest.new"
        unlink(new)
        try SystemCall.check("link", new) { symlink(record.container.description, new) }
        try SystemCall.check("rename", new) { rename(new, runs + "/latest") }
        return sandbox
    }

    /// The supervisor's files of a run, durable as a directory.
    package func createRunFiles(
        _ agent: AgentID, _ record: TaskRecord
    ) throws(AgentError) -> String {
        let files = runFiles(agent, record)
        try Self.makeDirectories(files, mode: 0o700)
        try RecordFile.syncParent(of: files)
        return files
    }

    /// Creates a directory and those above it. One that is there may be no link.
    static func makeDirectories(_ path: String, mode: mode_t) throws(AgentError) {
        if mkdir(path, mode) == 0 { return }
        switch errno {
        case EEXIST:
            var status = stat()
            try SystemCall.check("look-up", path) { lstat(path, &status) }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw .untrusted(path: path, why: "it is no directory")
            }
        case ENOENT:
            guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
                throw .io(operation: "create", path: path, errno: ENOENT)
            }
            try makeDirectories(String(path[..<slash]), mode: mode)
            try SystemCall.check("create", path) { mkdir(path, mode) }
        default: throw .io(operation: "create", path: path, errno: errno)
        }
    }

    /// Removes a tree without following links out of it. What is missing is no error.
    package static func removeTree(_ path: String) throws(AgentError) {
        if unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR { return }
        guard errno == EISDIR || errno == EPERM else {
            throw .io(operation: "remove", path: path, errno: errno)
        }
        // By an open directory: nobody can put a link in its place between look and use.
        let descriptor = try SystemCall.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        try removeContents(descriptor, path, depth: 0)
        try SystemCall.check("remove", path) { rmdir(path) }
    }

    /// Closes the descriptor.
    private static func removeContents(
        _ descriptor: Int32, _ path: String, depth: Int
    ) throws(AgentError) {
        guard depth < 256, let stream = fdopendir(descriptor) else {
            close(descriptor)
            throw .limit(what: "depth of \(path)", value: UInt64(depth), max: 255)
        }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) {
                    Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1))
                }
            }
            if name == [0x2E, 0] || name == [0x2E, 0x2E, 0] { continue }
            if unlinkat(descriptor, name, 0) == 0 { continue }
            let child = openat(
                descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard child >= 0 else {
                throw .io(operation: "remove", path: path, errno: errno)
            }
            try removeContents(child, path, depth: depth + 1)
            try SystemCall.check("remove", path) { unlinkat(descriptor, name, AT_REMOVEDIR) }
        }
    }
}

extension WorkDirectory {
    /// The runs of which there is a sandbox or a supervisor's directory, as paths below this
    /// directory and below ``meta``.
    func findRuns(_ agent: AgentID) throws(AgentError) -> [(container: ContainerID, path: String)] {
        var found: [(container: ContainerID, path: String)] = []
        for top in [path, meta] {
            let frameworks = "slaves/\(agent)/frameworks"
            for framework in try SystemCall.names(in: "\(top)/\(frameworks)") {
                let executors = "\(frameworks)/\(framework)/executors"
                for executor in try SystemCall.names(in: "\(top)/\(executors)") {
                    let runs = "\(executors)/\(executor)/runs"
                    for name in try SystemCall.names(in: "\(top)/\(runs)") {
                        guard let container = ContainerID(name) else { continue }
                        found.append((container, "\(runs)/\(name)"))
                    }
                }
            }
        }
        return found
    }

    /// How full the disk is, in thousandths; nil when it cannot be told.
    var usePermille: UInt32? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return Self.usePermille(
            blocks: UInt64(status.f_blocks), free: UInt64(status.f_bfree),
            available: UInt64(status.f_bavail))
    }

    /// What is used of what everybody may use, as `df` says it: blocks that are kept for root, or
    /// that no quota lets us have, are neither.
    /// - Parameters:
    ///   - blocks: of the file system, in its unit.
    ///   - free: of them.
    ///   - available: of the free ones, to a process without privileges.
    package static func usePermille(blocks: UInt64, free: UInt64, available: UInt64) -> UInt32? {
        guard blocks > 0 else { return nil }
        let used = blocks - min(free, blocks)
        let open = min(available, free, blocks)
        guard used + open > 0 else { return 1000 }
        let (high, low) = used.multipliedFullWidth(by: 1000)
        return UInt32((used + open).dividingFullWidth((high, low)).quotient)
    }
}
