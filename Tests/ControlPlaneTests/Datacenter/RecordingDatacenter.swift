import API
import ControlPlane
import NIOCore
import NIOPosix
import Primitives
import RPC
import Scheduling
import StateMachine
import SwiftProtobuf
import Testing

/// Writes down what the agents' service asks of it, and says what the test wants.
///
/// Confined to its event loop, hence `@unchecked Sendable`.
final class RecordingDatacenter: DatacenterFacade, @unchecked Sendable {
    let eventLoop: any EventLoop
    var leadership = MasterLeadership.leading(term: 3)
    private(set) var inputs: [AgentInput] = []
    private(set) var connections = 0
    private var tell: ((term: UInt64, order: AgentOrder)?) -> Void = { _ in }
    var table = DatacenterTable()
    var asksWhoCalls = false
    func learnUsers(_ done: @escaping (Bool) -> Void) { done(true) }
    func identify(
        token: String, from place: String, _ done: @escaping (TokenOwner) -> Void
    ) { done(.nobody) }
    var revision: Int64 { 1 }
    let store = Store()
    func overview() -> ClusterOverview { ClusterOverview() }
    var leaderURLs: [String] = []

    private(set) var service: AgentService?
    private var server: RPCServer?
    private(set) var client: RPCClient?

    private init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func launchInfo(of key: TaskKey) -> [UInt8]? { nil }
    func subscribe(
        _ subscription: Subscription, _ receive: @escaping (SchedulerEvent?) -> Void
    ) -> SchedulerStreamID { SchedulerStreamID(0) }
    func call(_ stream: SchedulerStreamID, _ call: SchedulerCall) {}
    func closed(_ stream: SchedulerStreamID) {}
    func operate(_ call: OperatorCall, _ done: @escaping (DecisionOutcome) -> Void) {}
    var clock: UInt64 { 0 }
    var clusterTime: UInt64 { 0 }
    func catchUp(_ done: @escaping (Bool) -> Void) { done(true) }
    func explainServices() -> [ServiceID: ServiceExplanation] { [:] }
    func observe(_ changed: @escaping ([AppliedChanges]?) -> Void) -> ChangeObserverID {
        ChangeObserverID(0)
    }
    func unobserve(_ id: ChangeObserverID) {}
    func offers() -> [MasterOffer] { [] }
    var offerCount: Int { offers().count }
    func offerTimes() -> [OfferID: UInt64] { [:] }
    func explain(framework: FrameworkID) -> FrameworkExplanation? { nil }
    func explain(agent: AgentID) -> AgentExplanation? { nil }

    func connect(
        _ receive: @escaping ((term: UInt64, order: AgentOrder)?) -> Void
    ) -> AgentConnectionID {
        connections += 1
        tell = receive
        return AgentConnectionID(UInt64(connections))
    }

    func take(_ input: AgentInput, from connection: AgentConnectionID) { inputs.append(input) }

    func say(_ order: AgentOrder?) { tell(order.map { (3, $0) }) }

    // MARK: Its server and a client

    static func run(
        settings: AgentService.Settings = AgentService.Settings(), refusal: RPCStatus? = nil,
        _ body: (RecordingDatacenter) async throws -> Void
    ) async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let facade = RecordingDatacenter(eventLoop: loop)
        let server = try await loop.submit { () -> RPCServer in
            let service = AgentService(
                facade: facade, settings: settings,
                leaderURLs: { [unowned facade] in facade.leaderURLs }, authorize: { _ in refusal })
            var routes = RPCRoutes()
            service.register(in: &routes)
            facade.service = service
            return RPCServer(eventLoop: loop, routes: routes)
        }.get()
        let address = try await server.listen(host: "127.0.0.1", port: 0).get()
        facade.client = try await RPCClient.connect(
            host: "127.0.0.1", port: try #require(address.port), on: loop
        ).get()
        try await body(facade)
        try await facade.onLoop { facade in
            facade.client?.abort()
            facade.service?.stopping()
            #expect(facade.service?.streamCount == 0)
        }
        try await server.shutdown(gracePeriod: .zero).get()
    }

    @discardableResult
    func onLoop<T: Sendable>(
        _ body: @escaping @Sendable (RecordingDatacenter) throws -> T
    ) async throws -> T { try await eventLoop.submit { try body(self) }.get() }

    func eventually(
        _ condition: @escaping @Sendable (RecordingDatacenter) -> Bool
    ) async throws -> Bool {
        let deadline = NIODeadline.now() + .seconds(30)
        while NIODeadline.now() < deadline {
            if try await onLoop({ condition($0) }) { return true }
            try await eventLoop.scheduleTask(in: .milliseconds(2)) {}.futureResult.get()
        }
        return false
    }

    /// A session that the test speaks on.
    func open() async throws -> RawSession {
        try await onLoop { facade in
            let session = RawSession(facade.eventLoop)
            session.stream = facade.client?.stream(
                AgentService.path,
                onMessage: { bytes in
                    session.messages.append(
                        (try? WireMasterMessage(serializedBytes: bytes)) ?? .init())
                }, onEnd: { session.ending.succeed($0) })
            return session
        }
    }
}

/// An agent's end, by hand. Confined to its event loop, hence `@unchecked Sendable`.
final class RawSession: @unchecked Sendable {
    var stream: ClientStream?
    var messages: [WireMasterMessage] = []
    let ending: EventLoopPromise<RPCStatus>
    private let loop: any EventLoop

    init(_ loop: any EventLoop) {
        self.loop = loop
        ending = loop.makePromise()
    }

    func send(_ bytes: [UInt8]) async throws {
        try await loop.submit { self.stream?.send(bytes) }.get()
    }

    func send(_ message: WireAgentMessage) async throws {
        try await send(try message.serializedBytes() as [UInt8])
    }

    /// What it ends with, and what was said before.
    func end() async throws -> (RPCStatus, [WireMasterMessage]) {
        let status = try await ending.futureResult.get()
        return (status, try await loop.submit { self.messages }.get())
    }

    func pause() async throws { try await loop.submit { self.stream?.pauseReading() }.get() }
    func cancel() async throws { try await loop.submit { self.stream?.cancel() }.get() }
}

func registering(
    _ change: (inout WireRegister) -> Void = { _ in }
) throws -> WireAgentMessage {
    var info = MesosAgentInfo()
    info.hostname = "h1"
    var message = WireAgentMessage()
    message.register.incarnation = 7
    message.register.agentInfo = try info.serializedBytes()
    message.register.resources = "cpus:1;mem:64"
    message.register.url = "http://h1:5051"
    change(&message.register)
    return message
}
