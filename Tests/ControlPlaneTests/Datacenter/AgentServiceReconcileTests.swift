import API
import ControlPlane
import Foundation
import Primitives
import RPC
import Scheduling
import StateMachine
import SwiftProtobuf
import Testing

@Suite("The agents' service: an agent that is back, and what it and the records differ in")
struct AgentServiceReconcileTests {
    /// Agent A with tasks of framework F: all but the last are said to run.
    private func table(_ names: [String]) throws -> DatacenterTable {
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
        let agent = AgentID("A")
        apply(
            .registerAgent(
                AgentRegistration(
                    id: AgentID(""), newID: agent, info: [1],
                    total: try ResourcesParser.parse("cpus:4"), incarnation: 7, url: [])))
        apply(
            .subscribe(
                Subscription(
                    id: FrameworkID(""), newID: FrameworkID("F"), info: [1], roles: ["*"])))
        let session = store.datacenterTable.agents[agent]?.record.session ?? 0
        for name in names {
            let task = TaskLaunch(
                task: TaskID(name), role: "*", resources: try ResourcesParser.parse("cpus:0.1"),
                info: [1])
            apply(
                .launch(
                    Launch(
                        framework: FrameworkID("F"), agent: agent, session: session,
                        operations: [.task(task)])))
        }
        for name in names.dropLast() {
            let key = TaskKey(FrameworkID("F"), TaskID(name))
            let status = WaitingStatus(uuid: Array(name.utf8), state: .running, body: [1])
            let report = StatusReport(
                key: key, sequence: store.datacenterTable.tasks[key]?.sequence ?? 0,
                status: status)
            apply(.reportStatuses(agent, session: session, [report]))
        }
        return store.datacenterTable
    }

    private func orders(
        _ table: DatacenterTable, _ known: [WireKnownTask]
    ) async throws -> [WireMasterMessage] {
        var all: [WireMasterMessage] = []
        try await RecordingDatacenter.run { facade in
            try await facade.onLoop { $0.table = table }
            let session = try await facade.open()
            try await session.send(
                registering {
                    $0.agentID = "A"; $0.tasks = known
                })
            #expect(try await facade.eventually { $0.inputs.count == 1 })
            try await facade.onLoop { facade in
                facade.say(.registered(AgentID("A"), session: 1))
                facade.say(nil)
            }
            all = try await session.end().1
        }
        return Array(all.dropFirst())
    }

    private func known(
        _ table: DatacenterTable, _ name: String, _ state: StateMachine.TaskState,
        sequence: UInt64? = nil, isPending: Bool = false
    ) -> WireKnownTask {
        .with {
            $0.frameworkID = "F"
            $0.taskID = name
            $0.sequence =
                sequence ?? table.tasks[TaskKey(FrameworkID("F"), TaskID(name))]?.sequence ?? 1
            $0.state = UInt32(state.rawValue)
            $0.pending = isPending
        }
    }

    @Test("where both agree nothing is asked, whatever is still to be launched")
    func agreement() async throws {
        let table = try table(["c", "b", "a"])
        let orders = try await orders(
            table, [known(table, "c", .running), known(table, "b", .running)])
        #expect(orders == [])
    }

    @Test("what the agent does not know, or sees otherwise, is asked in the order of launches")
    func questions() async throws {
        let table = try table(["c", "b", "a", "z"])
        let orders = try await orders(
            table, [known(table, "b", .running), known(table, "a", .killing)])
        #expect(orders.count == 1)
        #expect(orders.first?.reconcile.tasks.map(\.taskID) == ["c", "a"])
    }

    @Test("statuses that are on their way are waited for")
    func pending() async throws {
        let table = try table(["a", "z"])
        #expect(
            try await orders(table, [known(table, "a", .finished, isPending: true)]) == [])
    }

    @Test("a task that is on no record is killed, one of another launch too, one that ended is not")
    func orphans() async throws {
        let table = try table(["a", "z"])
        let orders = try await orders(
            table,
            [
                known(table, "x", .running), known(table, "a", .running, sequence: 3),
                known(table, "y", .finished, isPending: true),
            ])
        #expect(orders.dropLast().map(\.kill.task.taskID) == ["x", "a"])
        #expect(orders.last?.reconcile.tasks.map(\.taskID) == ["a"])
    }
}
