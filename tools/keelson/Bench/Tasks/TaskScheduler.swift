internal import API
internal import Foundation
internal import KeelsonClient
internal import Measuring
internal import NIOCore
internal import SwiftProtobuf

/// A framework that fills every agent with tasks and keeps them, through changes of the leader.
actor TaskScheduler {
    struct Failover: Sendable {
        /// When the stream ended, on the monotonic clock, in ns; the others are behind it.
        var at: UInt64
        var subscribedAfter: UInt64?
        var firstOfferAfter: UInt64?
    }

    struct Seen: Sendable {
        var launched = 0
        var running = 0
        var ended = 0
        var offers = 0
        var firstAccept: UInt64?
        var lastRunning: UInt64?
        var failovers: [Failover] = []
        var failures: [String: Int] = [:]
        var recorder: BenchRecorder
    }

    private let cluster: Cluster
    private let timeout: Duration
    private let loop: any EventLoop
    private let tasksPerAgent: Int
    private let laneCount = 16
    private var client: SchedulerClient?
    private var framework = MesosFrameworkID()
    private var lanes: [HTTPLane] = []
    private var nextLane = 0
    /// When each task was asked for; what runs is not in it any more.
    private var asked: [String: UInt64] = [:]
    private var filled: Set<String> = []
    private var isStopped = false
    private(set) var seen = Seen(recorder: BenchRecorder(now: monotonicNanoseconds()))

    private static let failureKindsMax = 20

    init(_ cluster: Cluster, timeout: Duration, loop: any EventLoop, tasksPerAgent: Int) {
        self.cluster = cluster
        self.timeout = timeout
        self.loop = loop
        self.tasksPerAgent = tasksPerAgent
    }

    /// Until it is stopped.
    func run() async {
        while !isStopped, !Task.isCancelled {
            do { try await follow() } catch { failed("\(error)") }
            if isStopped { break }
            seen.failovers.append(Failover(at: monotonicNanoseconds()))
            for lane in lanes { lane.close() }
            lanes = []
            await findLeader()
        }
    }

    /// Ends its tasks.
    func stop() async {
        isStopped = true
        try? await client?.send(.teardown) { _ in }
        for lane in lanes { lane.close() }
    }

    private func findLeader() async {
        let deadline = ContinuousClock.now + .seconds(60)
        while !isStopped, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(20))
            let found = try? await SchedulerClient(
                cluster, timeout: timeout, framework: framework)
            guard var found else { continue }
            guard let events = try? await found.subscribe(Self.info) else { continue }
            await take(found, events)
            return
        }
    }

    private var events: AsyncThrowingStream<MesosSchedulerEvent, any Error>?

    private func take(
        _ found: SchedulerClient, _ events: AsyncThrowingStream<MesosSchedulerEvent, any Error>
    ) async {
        client = found
        self.events = events
        for _ in 0..<laneCount {
            let lane = HTTPLane.connect(found.place, path: "/api/v1/scheduler", on: loop)
            if let lane = try? await lane.get() { lanes.append(lane) }
        }
    }

    private static var info: MesosFrameworkInfo {
        var info = MesosFrameworkInfo()
        info.user = NSUserName()
        info.name = "keelson bench"
        info.failoverTimeout = 600
        info.roles = ["*"]
        var role = MesosFrameworkInfo.Capability()
        role.type = .multiRole
        info.capabilities = [role]
        return info
    }

    private func follow() async throws {
        if events == nil {
            var found = try await SchedulerClient(cluster, timeout: timeout, framework: framework)
            let events = try await found.subscribe(Self.info)
            await take(found, events)
        }
        guard let events else { return }
        self.events = nil
        for try await event in events {
            heard(event)
            if isStopped { return }
        }
    }

    // MARK: - Events

    private func heard(_ event: MesosSchedulerEvent) {
        let now = monotonicNanoseconds()
        switch event.type {
        case .subscribed:
            framework = event.subscribed.frameworkID
            client?.framework = framework
            note(now, \.subscribedAfter)
        case .offers:
            note(now, \.firstOfferAfter)
            for offer in event.offers.offers { answer(offer, now) }
        case .update: update(event.update.status, now)
        case .error: failed(event.error.message)
        case .rescind, .message, .failure, .heartbeat, .inverseOffers, .rescindInverseOffer,
            .updateOperationStatus, .unknown:
            break
        }
    }

    private func note(_ now: UInt64, _ field: WritableKeyPath<Failover, UInt64?>) {
        guard let last = seen.failovers.indices.last, seen.failovers[last][keyPath: field] == nil
        else { return }
        seen.failovers[last][keyPath: field] = now - seen.failovers[last].at
    }

    private func answer(_ offer: MesosOffer, _ now: UInt64) {
        seen.offers += 1
        var call = MesosSchedulerCall()
        guard filled.insert(offer.agentID.value).inserted else {
            call.type = .decline
            call.decline.offerIds = [offer.id]
            call.decline.filters.refuseSeconds = 3600
            return post(call)
        }
        var launch = MesosOffer.Operation()
        launch.type = .launch
        launch.launch.taskInfos = (0..<tasksPerAgent).map { place in
            task("\(offer.agentID.value).\(place)", on: offer.agentID)
        }
        for task in launch.launch.taskInfos { asked[task.taskID.value] = now }
        seen.launched += tasksPerAgent
        if seen.firstAccept == nil { seen.firstAccept = now }
        call.type = .accept
        call.accept.offerIds = [offer.id]
        call.accept.operations = [launch]
        call.accept.filters.refuseSeconds = 3600
        post(call)
    }

    private func task(_ id: String, on agent: MesosAgentID) -> MesosTaskInfo {
        var task = MesosTaskInfo()
        task.taskID.value = id
        task.name = "bench"
        task.agentID = agent
        task.resources = TaskLoad.perTask.map { name, value in
            var resource = MesosResource()
            resource.name = name
            resource.type = .scalar
            resource.scalar.value = value
            return resource
        }
        task.command.value = "sleep 1000"
        return task
    }

    private func update(_ status: MesosTaskStatus, _ now: UInt64) {
        if status.hasUuid {
            var call = MesosSchedulerCall()
            call.type = .acknowledge
            call.acknowledge.agentID = status.agentID
            call.acknowledge.taskID = status.taskID
            call.acknowledge.uuid = status.uuid
            post(call)
        }
        switch status.state {
        case .taskRunning:
            guard let asked = asked.removeValue(forKey: status.taskID.value) else { return }
            seen.running += 1
            seen.lastRunning = now
            seen.recorder.succeeded(now: now, latency: now - asked)
        case .taskStaging, .taskStarting, .taskKilling: break
        default:
            seen.ended += 1
            failed("a task ended as \(status.state): \(status.message.prefix(100))")
        }
    }

    private func post(_ call: MesosSchedulerCall) {
        guard let client, !lanes.isEmpty else { return failed("a call while nobody leads") }
        var call = call
        call.frameworkID = framework
        let lane = lanes[nextLane % lanes.count]
        nextLane += 1
        let (body, name) = (MesosMessage.encode(call, as: .protobuf), client.streamID)
        loop.execute {
            lane.post(body, streamID: name) { status, text in
                guard status != 202 else { return }
                Task { await self.failed("a call is answered with \(status) \(text)") }
            }
        }
    }

    private func failed(_ why: String) {
        let kind = seen.failures.count < Self.failureKindsMax ? why : "others"
        seen.failures[kind, default: 0] += 1
    }
}
