package import AgentLogic
internal import Glibc
internal import Primitives

/// A run's directory of the supervisor's own files.
///
/// - `run`: what is to be run (``RunSpec``). `lock`: held while the supervisor lives.
/// - `start`: written once before the fork, with pid 0, and again when the process exists.
/// - `exit`: how it ended. `bar`: no supervisor may take it up any more.
/// - `socket`: where the supervisor listens.
/// - `launch-error`: why the command could not be started, when it is not empty.
package struct RunFiles: Equatable, Sendable {
    package let path: String
    package init(_ path: String) { self.path = path }

    package var spec: String { path + "/run" }
    package var lock: String { path + "/lock" }
    package var start: String { path + "/start" }
    package var exit: String { path + "/exit" }
    package var bar: String { path + "/bar" }
    package var launchError: String { path + "/launch-error" }

    package func readSpec() throws(AgentError) -> RunSpec? {
        try RecordFile.read(.run, at: spec) {
            (reader: inout ByteReader) throws(Primitives.DecodingError) -> RunSpec in
            try RunSpec(from: &reader)
        }
    }

    package func readStart() throws(AgentError) -> StartRecord? {
        try RecordFile.read(.start, at: start) {
            (reader: inout ByteReader) throws(Primitives.DecodingError) -> StartRecord in
            try StartRecord(from: &reader)
        }
    }

    package func readExit() throws(AgentError) -> ExitReport? {
        try RecordFile.read(.exit, at: exit) {
            (reader: inout ByteReader) throws(Primitives.DecodingError) -> ExitReport in
            try ExitReport(from: &reader)
        }
    }

    func write(_ record: StartRecord) throws(AgentError) {
        var writer = ByteWriter()
        record.encode(into: &writer)
        try RecordFile.write(.start, writer.bytes, at: start)
    }

    func write(_ report: ExitReport) throws(AgentError) {
        var writer = ByteWriter()
        report.encode(into: &writer)
        try RecordFile.write(.exit, writer.bytes, at: exit)
    }

    /// The lock, or nil where `waits` is false and a supervisor lives.
    func takeLock(waits: Bool) throws(AgentError) -> Int32? {
        let descriptor = try SystemCall.open(lock, O_RDWR | O_CREAT | O_NOFOLLOW)
        while flock(descriptor, waits ? LOCK_EX : LOCK_EX | LOCK_NB) != 0 {
            let number = errno
            if number == EINTR { continue }
            close(descriptor)
            if number == EWOULDBLOCK { return nil }
            throw .io(operation: "lock", path: lock, errno: number)
        }
        return descriptor
    }

    /// False where the file that was locked is gone, or another has its name. A look that fails for
    /// another reason says nothing.
    func isLocked(by descriptor: Int32) -> Bool {
        var held = stat()
        var named = stat()
        guard fstat(descriptor, &held) == 0 else { return true }
        if stat(lock, &named) != 0 { return errno != ENOENT }
        return held.st_ino == named.st_ino && held.st_dev == named.st_dev
    }

    /// Whether a supervisor has taken this run up, or none may.
    func isTaken() -> Bool {
        [start, exit, bar].contains { (path: String) in access(path, F_OK) == 0 }
    }

    /// What became of the run, for an agent that was restarted. Where no supervisor lives and none
    /// did, the run is barred first, so that one that is still on its way does nothing.
    ///
    /// A record that cannot be read counts as no word of the supervisor's.
    package func inspect() throws(AgentError) -> RunFinding {
        guard access(path, F_OK) == 0 else { return .neverStarted }
        guard let held = try takeLock(waits: false) else { return .supervised }
        defer { close(held) }
        if access(exit, F_OK) == 0 {
            if let report = try? readExit() { return .exited(report) }
            return .vanished
        }
        if access(start, F_OK) == 0 { return .vanished }
        try RecordFile.write(.bar, [], at: bar)
        return .neverStarted
    }
}
