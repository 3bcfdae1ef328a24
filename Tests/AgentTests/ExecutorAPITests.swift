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
        let agent = try await ServedAgent()
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

    private func checkEnvironment(_ agent: ServedAgent, _ run: ContainerID) async throws {
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
        let agent = try await ServedAgent()
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
