import API
import ControlPlane
import Foundation
import NIOCore
import Scheduling
import StateMachine

/// An agent that says that every task runs, and that it was killed when it is told so. A task whose
/// name begins with `finish` finishes by itself.
final class FakeAgent: @unchecked Sendable {
    private let datacenter: FakeDatacenter
    private let host: String
    private let resources: String
    private var id = AgentID("")
    private var connection: AgentConnectionID?
    private var executors: [TaskKey: ExecutorKey] = [:]

    init(_ datacenter: FakeDatacenter, host: String, resources: String) {
        self.datacenter = datacenter
        self.host = host
        self.resources = resources
    }

    /// On the datacenter's event loop.
    func connect() throws {
        let connection = datacenter.connect { [weak self] order in
            if let order { self?.obey(order.order) }
        }
        self.connection = connection
        var info = MesosAgentInfo()
        info.hostname = host
        var attribute = MesosAttribute()
        attribute.name = "rack"
        attribute.type = .text
        attribute.text.value = "r1"
        info.attributes = [attribute]
        let bytes = MesosMessage.encode(info, as: .protobuf)
        datacenter.take(
            .registers(
                AgentRegistration(
                    id: id, newID: AgentID("agent-\(host)"), info: bytes,
                    total: try ResourcesParser.parse(resources), incarnation: 1,
                    url: Array("http://127.0.0.1:5051".utf8))), from: connection)
        beat()
    }

    private func beat() {
        datacenter.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { [weak self] in
            guard let self, let connection = self.connection else { return }
            self.datacenter.take(.heartbeat, from: connection)
            self.beat()
        }
    }

    func disconnect() { connection = nil }

    private func obey(_ order: AgentOrder) {
        switch order {
        case .registered(let id, _): self.id = id
        case .launch(let tasks):
            for task in tasks {
                executors[task.key] = task.executor.map {
                    ExecutorKey(id, task.key.framework, $0)
                }
                report(task.key, task.sequence, .running)
                let launch = datacenter.launchInfo(of: task.key) ?? []
                let info = try? MesosMessage.decode(
                    MesosTaskInfo.self, from: launch, as: .protobuf)
                if info?.name.hasPrefix("finish") == true {
                    report(task.key, task.sequence, .finished)
                }
            }
        case .kill(let key, let sequence, _): report(key, sequence, .killed)
        case .message(let key, let data): take(.message(key, data))
        case .refused, .acknowledge, .shutdown: break
        }
    }

    private func report(_ key: TaskKey, _ sequence: UInt64, _ state: TaskState) {
        var status = MesosTaskStatus()
        let uuid = (0..<16).map { _ in UInt8.random(in: 0...255) }
        status.taskID.value = key.task.description
        status.state =
            state == .running ? .taskRunning : state == .killed ? .taskKilled : .taskFinished
        status.agentID.value = id.description
        status.source = .executor
        status.uuid = Data(uuid)
        status.timestamp = Double(MasterStamp.seconds)
        status.containerStatus.containerID.value = "c-\(key.task)"
        take(
            .reports([
                StatusReport(
                    key: key, sequence: sequence,
                    status: WaitingStatus(
                        uuid: uuid, state: state,
                        body: MesosMessage.encode(status, as: .protobuf)))
            ]))
        if state.isTerminal, let executor = executors.removeValue(forKey: key) {
            take(.executorEnded(executor, status: 0))
        }
    }

    private func take(_ input: AgentInput) {
        if let connection { datacenter.take(input, from: connection) }
    }
}
