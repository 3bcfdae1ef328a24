import API
import Agent
import AgentLogic
import KeelsonClient
import NIOCore
import NIOPosix
import Primitives
import RPC
import SwiftProtobuf
import Testing

/// An agent that no master answers, and that serves.
final class ServedAgent: Sendable {
    let folder: TemporaryFolder
    let session: AgentSession
    let port: Int

    init(
        _ change: (inout AgentSession.Settings) -> Void = { _ in }
    ) async throws {
        folder = try TemporaryFolder()
        // It has an id from an earlier life.
        do { try AgentSite(folder.path).stop() }
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        var settings = AgentSession.Settings(
            endpoints: [Endpoint(host: "127.0.0.1", port: 1)],
            directory: WorkDirectory(folder.path + "/work"),
            description: AgentDescription(
                hostname: "h", resources: "cpus:1", url: "http://127.0.0.1:5051"))
        settings.runner.supervisorProgram = try supervisorProgram()
        change(&settings)
        let session = AgentSession(settings: settings, loop: loop)
        self.session = session
        let server = AgentPages(session: session).server(eventLoop: loop)
        let address = try await server.listen(host: "127.0.0.1", port: 0).get()
        port = try #require(address.port)
        session.start()
    }

    func launch(_ name: String, script: String) async throws -> ContainerID {
        var runner: TaskRunner?
        while runner == nil {
            runner = try await session.loop.submit { self.session.tasks }.get()
        }
        let runs = try #require(runner)
        var order = try CoreBench.order(tasks: [name])
        order.spec.command = .shell(script)
        var info = MesosTaskInfo()
        info.name = name
        info.taskID.value = name
        info.agentID.value = "agent-1"
        order.taskInfos = [MesosMessage.encode(info, as: .protobuf)]
        var own = MesosExecutorInfo()
        own.executorID.value = "x"
        var framework = MesosFrameworkInfo()
        framework.user = "root"
        framework.name = "f"
        framework.id.value = "F"
        order.terms = ExecutorTerms(
            info: MesosMessage.encode(own, as: .protobuf),
            framework: MesosMessage.encode(framework, as: .protobuf),
            shutdownGraceMillis: 1500)
        let mark = runs.registration.mark
        let stamp = OrderStamp(
            term: Term(1), sequence: mark.sequence + 1, life: mark.life)
        runs.give(
            .launch(
                LaunchOrder(
                    stamp: stamp, tasks: [try CoreBench.remoteTask(name)], executor: order)))
        #expect(eventually { runs.registration.executors == [order.key] })
        return ContainerID(sequence: stamp.sequence, index: 1 << 16)
    }

    func end() async throws {
        session.stop()
        _ = try await session.end.get()
    }
}
