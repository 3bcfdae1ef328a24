import API
import Agent
import AgentLogic
import Foundation
import KeelsonClient
import NIOCore
import NIOPosix
import Primitives
import RPC
import SwiftProtobuf
import Synchronization
import Testing

@Suite("Agent over HTTP: the executor API", .serialized)
struct ExecutorAPITests {
    /// An agent that no master answers, and that serves.
    private final class Served: Sendable {
        let folder: TemporaryFolder
        let session: AgentSession
        let port: Int

        init() async throws {
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

    private func status(_ task: String, _ state: MesosTaskState) -> MesosTaskStatus {
        .with {
            $0.taskID.value = task
            $0.state = state
            $0.source = .executor
            $0.uuid = Data((0..<16).map { _ in UInt8.random(in: 0...255) })
            $0.data = Data("x".utf8)
        }
    }

    @Test(
        "an executor subscribes, launches, updates and is acknowledged, in either encoding",
        arguments: [MesosMessage.Encoding.json, .protobuf])
    func cycle(encoding: MesosMessage.Encoding) async throws {
        let agent = try await Served()
        let run = try await agent.launch("t", script: "env > environment; exec sleep 60")
        let stream = try ExecutorClient(port: agent.port, encoding)
        try stream.call { call in
            call.type = .subscribe
            call.subscribe = MesosExecutorCall.Subscribe()
        }
        #expect(try stream.status() == 200)
        let type = encoding.contentType.rawValue
        #expect(stream.head.lowercased().contains("content-type: \(type)"))
        let welcome = try #require(try stream.event())
        #expect(welcome.type == .subscribed)
        #expect(welcome.subscribed.executorInfo.executorID.value == "x")
        #expect(welcome.subscribed.frameworkInfo.id.value == "F")
        #expect(welcome.subscribed.agentInfo.id.value == "agent-1")
        #expect(welcome.subscribed.containerID.value == run.description)
        #expect(try stream.event()?.launch.task.taskID.value == "t")

        let calls = try ExecutorClient(port: agent.port, encoding)
        let running = status("t", .taskRunning)
        try calls.call { call in
            call.type = .update
            call.update.status = running
        }
        #expect(try calls.status() == 202)
        let acknowledged = try #require(try stream.event())
        #expect(acknowledged.type == .acknowledged)
        #expect(acknowledged.acknowledged.uuid == running.uuid)
        try calls.call { call in
            call.type = .update
            call.update.status = status("nobody", .taskRunning)
        }
        #expect(try calls.status() == 400)

        // Another connection takes its place; the task is not launched again.
        let second = try ExecutorClient(port: agent.port, encoding)
        try second.call { call in
            call.type = .subscribe
            call.subscribe = MesosExecutorCall.Subscribe()
        }
        #expect(try second.status() == 200)
        #expect(try second.event()?.type == .subscribed)
        #expect(try stream.event()?.type == .error)
        #expect(try stream.event() == nil)
        try await checkEnvironment(agent, run)
        agent.session.tasks?.give(.executor(.shutDown(CoreBench.executorKey())))
        #expect(try second.event()?.type == .shutdown)
        // It does not obey: it is ended.
        #expect(try second.event() == nil)
        try await agent.end()
    }

    private func checkEnvironment(_ agent: Served, _ run: ContainerID) async throws {
        let path =
            agent.folder.path + "/work" + "/slaves/agent-1/frameworks/F/executors/x/runs/\(run)/"
            + "environment"
        func lines() -> Set<String> {
            let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            return Set(text.split(separator: "\n").map(String.init))
        }
        let wanted: Set = [
            "MESOS_FRAMEWORK_ID=F", "MESOS_EXECUTOR_ID=x", "MESOS_AGENT_ENDPOINT=127.0.0.1:5051",
            "MESOS_SLAVE_ID=agent-1", "MESOS_SLAVE_PID=slave(1)@127.0.0.1:5051",
            "MESOS_CHECKPOINT=1", "MESOS_RECOVERY_TIMEOUT=15mins",
            "MESOS_SUBSCRIPTION_BACKOFF_MAX=2secs", "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD=1500ms",
        ]
        #expect(eventually { lines().isSuperset(of: wanted) }, "\(lines())")
        #expect(!lines().contains { $0.hasPrefix("MESOS_TASK_ID=") })
    }

    @Test("a connection that goes is noticed, and what was not heard of is told to the next")
    func reconnects() async throws {
        let agent = try await Served()
        _ = try await agent.launch("t", script: "exec sleep 60")
        for _ in 0..<2 {
            let stream = try ExecutorClient(port: agent.port, .json)
            try stream.call { call in
                call.type = .subscribe
                call.subscribe = MesosExecutorCall.Subscribe()
            }
            #expect(try stream.status() == 200)
            #expect(try stream.event()?.type == .subscribed)
            #expect(try stream.event()?.launch.task.taskID.value == "t")
        }
        let calls = try ExecutorClient(port: agent.port, .json)
        #expect(
            try eventually {
                try calls.call { $0.type = .heartbeat }
                return try calls.status() == 403
            })
        try await agent.end()
    }
}
