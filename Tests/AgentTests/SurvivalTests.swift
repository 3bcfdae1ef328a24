import Agent
import AgentLogic
import Foundation
import Glibc
import Primitives
import Testing

@Suite("Agent with real processes: restarts and killed supervisors", .serialized)
struct SurvivalTests {
    let folder = Result { try TemporaryFolder() }

    @Test("an agent that is killed and started again finds its task running, and how it ends")
    func agentKilled() async throws {
        let path = try folder.get().path
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let site = try AgentSite(path)
            let spec = try shell(
                "long", "echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done; exit 7")
            let container = site.launch(spec)
            _ = try site.wait(spec, for: .running)
            let pid = try site.sandbox(container) + "/pid"
            guard eventually({ FileManager.default.fileExists(atPath: pid) }) else { return }
            kill(getpid(), SIGKILL)
        }
        let site = try AgentSite(path)
        let spec = try shell("long", "")
        let container = ContainerID(sequence: 1, index: 0)
        #expect(try site.record(container).state == .running)
        let sandbox = try site.sandbox(container)
        let text = try String(contentsOfFile: sandbox + "/pid", encoding: .utf8)
        let pid = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(isAlive(pid))
        #expect(site.runner.registration.mark.life == 2)
        #expect(FileManager.default.createFile(atPath: sandbox + "/go", contents: nil))
        #expect(try site.wait(spec, for: .failed).message == "exited with status 7")
        site.stop()
    }

    @Test("a task that ended while no agent lived is reported from its record")
    func endedMeanwhile() throws {
        let path = try folder.get().path
        let spec = try shell("short", "while [ ! -e go ]; do sleep 0.02; done; exit 5")
        let container: ContainerID
        let files: RunFiles
        do {
            let site = try AgentSite(path)
            container = site.launch(spec)
            _ = try site.wait(spec, for: .running)
            files = try site.files(container)
            let go = try site.sandbox(container) + "/go"
            site.stop()
            #expect(FileManager.default.createFile(atPath: go, contents: nil))
        }
        #expect(eventually { (try? files.readExit()) ?? nil != nil })
        let site = try AgentSite(path)
        #expect(try site.wait(spec, for: .failed).message == "exited with status 5")
        site.stop()
    }

    @Test("a supervisor that is killed takes its task with it, and the agent says why")
    func supervisorKilled() throws {
        let path = try folder.get().path
        let site = try AgentSite(path)
        let spec = try shell("orphan", "(setsid sleep 1000 &); sleep 1000 & echo on; sleep 1000")
        let container = site.launch(spec)
        _ = try site.wait(spec, for: .running)
        #expect(try eventually { try site.output(container) == "on\n" })
        let files = try site.files(container)
        let start = try #require(try files.readStart())
        #expect(isAlive(start.pid))
        kill(start.supervisorPID, SIGKILL)
        #expect(try site.wait(spec, for: .failed).reason == .supervisorGone)
        #expect(processes(markedWith: files.path).isEmpty)
        site.stop()
    }

    @Test("a supervisor that was killed while no agent lived leaves nothing behind either")
    func supervisorKilledMeanwhile() throws {
        let path = try folder.get().path
        let spec = try shell("orphan", "(setsid sleep 1000 &); sleep 1000 & echo on; sleep 1000")
        let files: RunFiles
        do {
            let site = try AgentSite(path)
            let container = site.launch(spec)
            #expect(try eventually { try site.output(container) == "on\n" })
            files = try site.files(container)
            site.stop()
        }
        let start = try #require(try files.readStart())
        kill(start.supervisorPID, SIGKILL)
        #expect(eventually { !isAlive(start.pid) }, "the kernel ends the command")
        #expect(!processes(markedWith: files.path).isEmpty, "what fled is still there")
        let site = try AgentSite(path)
        #expect(try site.wait(spec, for: .failed).reason == .supervisorGone)
        #expect(processes(markedWith: files.path).isEmpty)
        site.stop()
    }

    @Test("a run that was barred is never taken up, and one that was taken never twice")
    func barred() throws {
        let path = try folder.get().path
        let files = RunFiles(path)
        let ran = path + "/ran"
        var spec = RunSpec(
            container: ContainerID(sequence: 1, index: 0),
            task: try shell("once", "echo x >> \(ran)"), sandbox: path, files: path)
        spec.environment = [EnvironmentVariable("PATH", "/usr/bin:/bin")]
        try RecordFile.write(.run, spec.encoded(), at: files.spec)
        #expect(try files.inspect() == .neverStarted)
        #expect(try superviseByHand(files) == 0)
        #expect(!FileManager.default.fileExists(atPath: ran))
        try FileManager.default.removeItem(atPath: files.bar)
        #expect(try superviseByHand(files) == 0)
        #expect(try superviseByHand(files) == 0)
        #expect(try String(contentsOfFile: ran, encoding: .utf8) == "x\n")
        guard case .exited(let report) = try files.inspect() else {
            Issue.record("the end is not on record")
            return
        }
        #expect(report.outcome == .exited(code: 0))
    }

    @Test("a supervisor whose record is garbage says so and starts nothing")
    func garbageSpec() throws {
        let path = try folder.get().path
        let files = RunFiles(path)
        try Data("garbage".utf8).write(to: URL(filePath: files.spec))
        #expect(try superviseByHand(files) == 65)
        let program = try supervisorProgram()
        #expect(try run(program, ["agent-supervise"]) == 64)
        #expect(try run(program, ["agent-supervise", "/nowhere"]) == 64)
        #expect(try run(program, ["agent-supervise", "/nowhere/run"]) == 65)
    }

    private func superviseByHand(_ files: RunFiles) throws -> Int32 {
        try run(try supervisorProgram(), ["agent-supervise", files.spec])
    }

    private func run(_ program: String, _ arguments: [String]) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }

    @Test("a run whose record was damaged is ended and removed, since nobody can say whose it is")
    func damagedRecord() throws {
        let path = try folder.get().path
        let spec = try shell("lost", "(setsid sleep 1000 &); echo on; sleep 1000")
        let files: RunFiles
        let sandbox: String
        do {
            let site = try AgentSite(path)
            let container = site.launch(spec)
            #expect(try eventually { try site.output(container) == "on\n" })
            files = try site.files(container)
            sandbox = try site.sandbox(container)
            site.stop()
            let record = site.directory.taskFile(container)
            try Data("garbage".utf8).write(to: URL(filePath: record))
        }
        let site = try AgentSite(path)
        #expect(site.runner.registration.records.isEmpty)
        #expect(processes(markedWith: files.path).isEmpty)
        #expect(!FileManager.default.fileExists(atPath: files.path))
        #expect(!FileManager.default.fileExists(atPath: sandbox))
        site.runner.give(.reconcile(ReconcileOrder(stamp: site.stamp(), keys: [spec.key])))
        #expect(
            eventually {
                site.messages.contains { message in
                    if case .answer(let update) = message { update.state == .lost } else { false }
                }
            })
        site.stop()
    }

    @Test("a task ends when the work directory is wiped: the agent will be another one")
    func wipedDirectory() throws {
        let path = try folder.get().path
        let spec = try shell("homeless", "echo on; sleep 1000")
        let files: RunFiles
        do {
            let site = try AgentSite(path)
            let container = site.launch(spec)
            #expect(try eventually { try site.output(container) == "on\n" })
            files = try site.files(container)
            site.stop()
        }
        let start = try #require(try files.readStart())
        try FileManager.default.removeItem(atPath: path + "/work")
        #expect(eventually { !isAlive(start.pid) && !isAlive(start.supervisorPID) })
    }

    @Test("the end of a run that was removed meanwhile keeps no supervisor waiting")
    func acknowledgedSandbox() throws {
        let site = try AgentSite(try folder.get().path) { $0.core.sandboxMillis = 0 }
        let spec = try shell("brief", "exit 0")
        let container = site.launch(spec)
        let run = TaskRecord(container: container, term: Term(1), spec: spec)
        let sandbox = site.directory.sandbox(site.agentID, run)
        _ = try site.wait(spec, for: .finished)
        #expect(eventually { !FileManager.default.fileExists(atPath: sandbox) })
        #expect(eventually { site.runner.registration.records.isEmpty })
        site.stop()
    }

    @Test("one work directory has one agent")
    func oneAgent() throws {
        let path = try folder.get().path
        let site = try AgentSite(path)
        let lock = [path, "work", "meta", "lock"].joined(separator: "/")
        #expect(throws: AgentError.busy(path: lock)) { try AgentSite(path) }
        site.stop()
    }
}
