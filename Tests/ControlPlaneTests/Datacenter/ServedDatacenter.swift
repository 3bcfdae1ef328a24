import API
import ControlPlane
import Foundation
import Logging
import NIOCore
import NIOPosix
import StateMachine

/// A node with its HTTP port, and agents.
struct ServedDatacenter: Sendable {
    let datacenter: FakeDatacenter
    let agents: [FakeAgent]
    let server: DatacenterServer
    private let group: MultiThreadedEventLoopGroup

    var port: Int { server.port }

    /// Runs `body` on a thread of its own, and stops what it started.
    static func run(
        agents: Int = 1, leads: Bool = true,
        _ change: @escaping @Sendable (inout SurfaceSettings) -> Void = { _ in },
        _ body: @escaping @Sendable (ServedDatacenter) throws -> Void
    ) async throws {
        let served = try await start(agents: agents, leads: leads, change)
        let result: Result<Void, any Error>
        do {
            try await onThread { try body(served) }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await served.stop()
        try result.get()
    }

    private static func start(
        agents count: Int, leads: Bool,
        _ change: @escaping @Sendable (inout SurfaceSettings) -> Void
    ) async throws -> ServedDatacenter {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let (datacenter, agents, desk) = try await loop.submit {
            let datacenter = FakeDatacenter(loop)
            let agents = (0..<count).map {
                FakeAgent(datacenter, host: "h\($0)", resources: "cpus:4;mem:4096")
            }
            if leads {
                datacenter.lead()
                for agent in agents { try agent.connect() }
            }
            var settings = SurfaceSettings(host: "127.0.0.1", port: 0, memberName: "1")
            change(&settings)
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            return (
                datacenter, agents,
                DatacenterServer.Desk(datacenter, settings, logger: logger)
            )
        }.get()
        let server = try await DatacenterServer.start(desk)
        return ServedDatacenter(
            datacenter: datacenter, agents: agents, server: server, group: group)
    }

    private func stop() async {
        await server.stop()
        _ = try? await datacenter.eventLoop.submit { [datacenter, agents] in
            for agent in agents { agent.disconnect() }
            datacenter.stop()
        }.get()
        try? await group.shutdownGracefully()
    }

    /// Does something on the event loop, from a thread.
    func onLoop<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        try datacenter.eventLoop.submit(body).wait()
    }
}

/// A scheduler that speaks one of the two encodings.
final class WireScheduler {
    let port: Int
    let encoding: MesosMessage.Encoding
    private(set) var stream: RawHTTP
    private let calls: RawHTTP
    private(set) var streamID = ""
    private(set) var frameworkID = ""
    let head: RawHTTP.Response
    /// What says who calls.
    private let login: [String: String]

    init(
        port: Int, _ encoding: MesosMessage.Encoding = .json, id: String? = nil,
        receiveBytes: Int32? = nil, headers login: [String: String] = [:],
        _ change: (inout MesosFrameworkInfo) -> Void = { _ in }
    ) throws {
        self.port = port
        self.login = login
        self.encoding = encoding
        var call = MesosSchedulerCall()
        call.type = .subscribe
        call.subscribe.frameworkInfo.user = "root"
        call.subscribe.frameworkInfo.name = "wire"
        call.subscribe.frameworkInfo.failoverTimeout = 100
        if let id {
            call.frameworkID.value = id
            call.subscribe.frameworkInfo.id.value = id
        }
        change(&call.subscribe.frameworkInfo)
        let type = encoding.contentType.rawValue
        stream = try RawHTTP(port: port, receiveBytes: receiveBytes)
        calls = try RawHTTP(port: port)
        try stream.request(
            "POST", "/api/v1/scheduler",
            headers: ["Content-Type": type, "Accept": type].merging(login) { $1 },
            MesosMessage.encode(call, as: encoding))
        head = try stream.readHead()
        streamID = head.headers["mesos-stream-id"] ?? ""
    }

    func event() throws -> MesosSchedulerEvent {
        try MesosMessage.decode(
            MesosSchedulerEvent.self, from: try stream.readRecord(), as: encoding)
    }

    /// The next one of a type; others are passed over.
    func event(_ type: MesosSchedulerEvent.TypeEnum) throws -> MesosSchedulerEvent {
        while true {
            let event = try event()
            if event.type == type { return event }
        }
    }

    /// - Returns: its framework's id.
    @discardableResult
    func subscribed() throws -> String {
        let event = try event(.subscribed)
        frameworkID = event.subscribed.frameworkID.value
        return frameworkID
    }

    func update() throws -> MesosTaskStatus { try event(.update).update.status }

    @discardableResult
    func call(
        _ type: MesosSchedulerCall.TypeEnum, streamID: String? = nil,
        _ change: (inout MesosSchedulerCall) -> Void = { _ in }
    ) throws -> RawHTTP.Response {
        var call = MesosSchedulerCall()
        call.type = type
        call.frameworkID.value = frameworkID
        change(&call)
        return try calls.exchange(
            "POST", "/api/v1/scheduler",
            headers: [
                "Content-Type": encoding.contentType.rawValue,
                "Mesos-Stream-Id": streamID ?? self.streamID,
            ].merging(login) { $1 }, MesosMessage.encode(call, as: encoding))
    }

    func launch(_ tasks: [MesosTaskInfo], on offer: MesosOffer) throws -> RawHTTP.Response {
        try call(.accept) { call in
            call.accept.offerIds = [offer.id]
            var operation = MesosOffer.Operation()
            operation.type = .launch
            operation.launch.taskInfos = tasks
            call.accept.operations = [operation]
        }
    }

    func acknowledge(_ status: MesosTaskStatus) throws -> RawHTTP.Response {
        try call(.acknowledge) { call in
            call.acknowledge.agentID = status.agentID
            call.acknowledge.taskID = status.taskID
            call.acknowledge.uuid = status.uuid
        }
    }

    static func task(
        _ id: String, on agent: MesosAgentID, cpus: Double = 1, name: String = "run"
    ) -> MesosTaskInfo {
        var task = MesosTaskInfo()
        task.name = name
        task.taskID.value = id
        task.agentID = agent
        task.command.value = "sleep 1000"
        for (resource, amount) in [("cpus", cpus), ("mem", 64)] {
            var message = MesosResource()
            message.name = resource
            message.type = .scalar
            message.scalar.value = amount
            task.resources.append(message)
        }
        return task
    }
}
