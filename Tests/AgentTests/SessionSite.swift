import Agent
import Foundation
import KeelsonClient
import NIOCore
import NIOPosix
import Primitives
import Synchronization
import Testing

/// One agent with a session, on an event loop of its own kind.
final class SessionSite: Sendable {
    let session: AgentSession
    let directory: WorkDirectory
    let lines = Mutex<[String]>([])

    init(
        _ folder: String, _ urls: [String], resources: String = "cpus:4;mem:1024;disk:100",
        _ change: (inout AgentSession.Settings) -> Void = { _ in }
    ) throws {
        directory = WorkDirectory(folder + "/work")
        var settings = AgentSession.Settings(
            endpoints: try urls.map { try Endpoint($0) }, directory: directory,
            description: AgentDescription(
                hostname: "h1", resources: resources, url: "http://h1:5051", version: "1"))
        settings.runner.supervisorProgram = try supervisorProgram()
        settings.runner.tickMillis = 100
        settings.dial.pauseMin = 10
        settings.dial.pauseMax = 100
        settings.dial.spreadMax = 20
        change(&settings)
        let box = LineBox()
        settings.log = { box.add($0) }
        session = AgentSession(
            settings: settings, loop: MultiThreadedEventLoopGroup.singleton.next())
        box.site = self
        session.start()
    }

    private final class LineBox: @unchecked Sendable {
        weak var site: SessionSite?
        func add(_ line: String) { site?.lines.withLock { $0.append(line) } }
    }

    @discardableResult
    func onLoop<T: Sendable>(
        _ body: @escaping @Sendable (AgentSession) throws -> T
    ) async throws -> T { try await session.loop.submit { try body(self.session) }.get() }

    func eventually(
        _ condition: @escaping @Sendable (AgentSession) -> Bool
    ) async throws -> Bool {
        let deadline = NIODeadline.now() + .seconds(30)
        while NIODeadline.now() < deadline {
            if try await onLoop({ condition($0) }) { return true }
            try await session.loop.scheduleTask(in: .milliseconds(5)) {}.futureResult.get()
        }
        return false
    }

    func stop() async throws {
        session.stop()
        _ = try await session.end.get()
    }

    private func record(_ task: String) async throws -> (AgentID, TaskRecord) {
        try await onLoop { session in
            let id = try #require(session.agentID)
            let records = try #require(session.tasks).registration.records
            return (id, try #require(records.last { $0.key.task.text == task }))
        }
    }

    /// The process of a task that runs.
    func pid(_ task: String) async throws -> Int32 {
        let (id, record) = try await record(task)
        let start = try RunFiles(directory.runFiles(id, record)).readStart()
        return try #require(start).pid
    }

    func output(_ task: String) async throws -> String {
        let (id, record) = try await record(task)
        let path = directory.sandbox(id, record) + "/stdout"
        return (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    }

    var said: String { lines.withLock { $0.joined(separator: "\n") } }
}
