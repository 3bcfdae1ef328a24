import Agent
import AgentLogic
import Foundation
import Glibc
import Primitives
import Synchronization
import Testing

/// The program that has the supervisor's subcommand: `KEELSON_BIN`, else the newest build.
func supervisorProgram() throws -> String {
    if let path = ProcessInfo.processInfo.environment["KEELSON_BIN"] { return path }
    var folder = URL(filePath: #filePath).deletingLastPathComponent()
    while folder.path != "/" {
        for build in ["release", "debug"] {
            let path = folder.appending(path: ".build/\(build)/keelson").path
            if FileManager.default.isExecutableFile(atPath: path) { return path }
        }
        folder.deleteLastPathComponent()
    }
    throw AgentError.invalid(field: "KEELSON_BIN", why: "there is no build of keelson")
}

/// Waits until something is so. The limit is for a machine that is busy with other things.
func eventually(seconds: Double = 30, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = MachineClock.steadyMillis + UInt64(seconds * 1000)
    while true {
        if try condition() { return true }
        if MachineClock.steadyMillis >= deadline { return false }
        poll(nil, 0, 5)
    }
}

/// A directory that goes when the test is over, with everything that ran in it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        let base = FileManager.default.temporaryDirectory.appending(
            path: "keelson-agent-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: base, withIntermediateDirectories: true)
        path = base.path
    }

    deinit {
        for pid in processes(markedWith: path) { kill(pid, SIGKILL) }
        try? FileManager.default.removeItem(atPath: path)
    }
}

/// Who has `path` in a run's mark: the processes of tasks below it, wherever they went.
func processes(markedWith path: String) -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap(Int32.init).filter { pid in
        let environment = (try? Data(contentsOf: URL(filePath: "/proc/\(pid)/environ"))) ?? Data()
        return environment.range(of: Data("KEELSON_RUN=\(path)".utf8)) != nil
    }
}

/// Zombies and others below one process.
func children(of pid: Int32) -> [ProcessStat] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap(Int32.init).compactMap { child in
        let line = (try? Data(contentsOf: URL(filePath: "/proc/\(child)/stat"))) ?? Data()
        return ProcessStat(Array(line))
    }.filter { $0.parent == pid }
}

/// One agent on this machine, and all that it said. It acknowledges every status like a master.
final class AgentSite: Sendable {
    let directory: WorkDirectory
    let runner: TaskRunner
    private let sequence: Mutex<UInt64>
    let agentID: AgentID

    private final class Inbox: Sendable {
        let messages = Mutex<[AgentMessage]>([])
        let runner = Mutex<TaskRunner?>(nil)
    }
    private let inbox: Inbox

    init(_ folder: String, _ change: (inout TaskRunner.Settings) throws -> Void = { _ in }) throws {
        directory = WorkDirectory(folder + "/work")
        var settings = TaskRunner.Settings()
        settings.supervisorProgram = try supervisorProgram()
        settings.tickMillis = 100
        // However full the disk is that the tests run on, sandboxes stay.
        settings.core.headroomPermille = 0
        try change(&settings)
        let inbox = Inbox()
        self.inbox = inbox
        let runner = try TaskRunner(
            directory: WorkDirectory(folder + "/work"), newID: try AgentID("agent-1"),
            settings: settings,
            seed: UInt64.random(in: 0 ... .max)
        ) { message in
            inbox.messages.withLock { $0.append(message) }
            if case .status(let update) = message {
                let runner = inbox.runner.withLock { $0 }
                runner?.give(.acknowledge(update.key, update.id))
            }
        }
        self.runner = runner
        inbox.runner.withLock { $0 = runner }
        let mark = runner.registration.mark
        agentID = mark.agentID
        sequence = Mutex(mark.sequence)
        runner.give(.connected(Term(1)))
    }

    /// The agent's end, as if its process had ended: tasks go on.
    func stop() {
        runner.stop()
        inbox.runner.withLock { $0 = nil }
    }

    func stamp() -> OrderStamp {
        let number = sequence.withLock { value in
            value += 1
            return value
        }
        return OrderStamp(
            term: Term(1), sequence: number, life: runner.registration.mark.life)
    }

    @discardableResult
    func launch(_ tasks: TaskSpec...) -> ContainerID {
        let stamp = stamp()
        runner.give(.launch(LaunchOrder(stamp: stamp, tasks: tasks)))
        return ContainerID(sequence: stamp.sequence, index: 0)
    }

    func kill(_ spec: TaskSpec, graceMillis: UInt64) {
        runner.give(
            .kill(KillOrder(stamp: stamp(), key: spec.key, graceMillis: graceMillis)))
    }

    var messages: [AgentMessage] { inbox.messages.withLock { $0 } }

    func statuses(_ spec: TaskSpec) -> [StatusUpdate] {
        messages.compactMap { message in
            if case .status(let update) = message, update.key == spec.key { update } else { nil }
        }
    }

    /// The update that says so, once it came.
    func wait(_ spec: TaskSpec, for state: TaskState) throws -> StatusUpdate {
        _ = eventually { statuses(spec).contains { $0.state == state || $0.state.isTerminal } }
        return try #require(
            statuses(spec).last { $0.state == state },
            "\(spec.taskID) is not \(state): \(statuses(spec).map { "\($0.state) \($0.message)" })")
    }

    func record(_ container: ContainerID) throws -> TaskRecord {
        try #require(runner.registration.records.first { $0.container == container })
    }

    func sandbox(_ container: ContainerID) throws -> String {
        directory.sandbox(agentID, try record(container))
    }

    func files(_ container: ContainerID) throws -> RunFiles {
        RunFiles(directory.runFiles(agentID, try record(container)))
    }

    /// Empty while there is none.
    func output(_ container: ContainerID, _ name: String = "stdout") throws -> String {
        let bytes = FileManager.default.contents(atPath: try sandbox(container) + "/" + name)
        return String(decoding: bytes ?? Data(), as: UTF8.self)
    }
}

func shell(_ name: String, _ script: String) throws -> TaskSpec {
    var spec = try task(name)
    spec.command = .shell(script)
    return spec
}

func isAlive(_ pid: Int32) -> Bool {
    guard let line = try? Data(contentsOf: URL(filePath: "/proc/\(pid)/stat")),
        let stat = ProcessStat(Array(line))
    else { return false }
    return !stat.isZombie
}
