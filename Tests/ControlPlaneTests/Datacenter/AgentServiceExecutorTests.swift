import API
import ControlPlane
import Foundation
import Primitives
import RPC
import Scheduling
import StateMachine
import SwiftProtobuf
import Testing

@Suite("The agents' service: executors that live, and those on record")
struct AgentServiceExecutorTests {
    private let agent = AgentID("A")
    private let framework = FrameworkID("F")

    /// Agent A with one task for each executor; those in `running` are said to run.
    private func table(_ executors: [String], running: [String]) throws -> DatacenterTable {
        let store = Store()
        var number: UInt64 = 0
        func apply(_ command: DatacenterCommand) {
            number += 1
            var header = CommandHeader(
                kind: .datacenter,
                request: RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: number))
            header.clusterTime = number
            _ = store.apply(
                LogEntry(
                    index: store.appliedIndex.next, term: Term(1), kind: .command,
                    payload: Command.encode(header, body: command.encode())), evaluate: true)
        }
        apply(
            .registerAgent(
                AgentRegistration(
                    id: AgentID(""), newID: agent, info: [1],
                    total: try ResourcesParser.parse("cpus:4"), incarnation: 7, url: [])))
        let subscription = Subscription(
            id: FrameworkID(""), newID: framework, info: [1], roles: ["*"])
        apply(.subscribe(subscription))
        let session = store.datacenterTable.agents[agent]?.record.session ?? 0
        for name in executors {
            var task = TaskLaunch(
                task: TaskID("t-\(name)"), role: "*",
                resources: try ResourcesParser.parse("cpus:0.1"), info: [1])
            task.executor = TaskLaunch.Executor(
                id: ExecutorID(name), resources: .empty, info: [1])
            apply(
                .launch(
                    Launch(
                        framework: framework, agent: agent, session: session,
                        operations: [.task(task)])))
        }
        for name in running {
            let key = TaskKey(framework, TaskID("t-\(name)"))
            let status = WaitingStatus(uuid: Array(name.utf8), state: .running, body: [1])
            apply(
                .reportStatuses(
                    agent, session: session,
                    [
                        StatusReport(
                            key: key, sequence: store.datacenterTable.tasks[key]?.sequence ?? 0,
                            status: status)
                    ]))
        }
        return store.datacenterTable
    }

    private func name(_ executor: String) -> WireExecutorName {
        .with {
            $0.frameworkID = "F"
            $0.executorID = executor
        }
    }

    @Test("one on no record is told to end, one that is gone has ended, one to come is waited for")
    func compared() async throws {
        let table = try table(["lives", "gone", "to-come"], running: ["lives", "gone"])
        var shutDown: [WireExecutorName] = []
        var inputs: [AgentInput] = []
        try await RecordingDatacenter.run { facade in
            try await facade.onLoop { $0.table = table }
            let session = try await facade.open()
            let living = [name("lives"), name("foreign")]
            try await session.send(
                registering {
                    $0.agentID = "A"
                    $0.executors = living
                })
            #expect(try await facade.eventually { $0.inputs.count == 1 })
            try await facade.onLoop { facade in
                facade.say(.registered(AgentID("A"), session: 1))
                facade.say(nil)
            }
            let orders = try await session.end().1
            shutDown = orders.compactMap { order in
                if case .shutdownExecutor(let order) = order.order { order.executor } else { nil }
            }
            inputs = try await facade.onLoop { $0.inputs }
        }
        #expect(shutDown == [name("foreign")])
        let sequence = table.tasks[TaskKey(framework, TaskID("t-gone"))]?.sequence ?? 0
        let gone = ExecutorKey(agent, framework, ExecutorID("gone"))
        let ends = inputs.filter { if case .executorEnded = $0 { true } else { false } }
        #expect(ends == [.executorEnded(gone, status: 0, sequence: sequence)])
    }

    @Test("an executor's end bears the highest launch that its agent had heard of")
    func sequence() async throws {
        try await RecordingDatacenter.run { facade in
            let session = try await facade.open()
            try await session.send(registering { $0.agentID = "" })
            #expect(try await facade.eventually { $0.inputs.count == 1 })
            try await facade.onLoop { $0.say(.registered(AgentID("A"), session: 1)) }
            let end = WireAgentMessage.with {
                $0.executorEnded.executor = name("x")
                $0.executorEnded.status = 9
                $0.executorEnded.sequence = 77
            }
            try await session.send(end)
            #expect(try await facade.eventually { $0.inputs.count == 2 })
            let last = try await facade.onLoop { $0.inputs.last }
            let key = ExecutorKey(AgentID("A"), FrameworkID("F"), ExecutorID("x"))
            #expect(last == .executorEnded(key, status: 9, sequence: 77))
        }
    }
}
