internal import API
internal import Logging
internal import NIOCore
internal import Scheduling
internal import StateMachine

/// One subscription of a scheduler on this node.
final class SchedulerStream {
    /// `Mesos-Stream-Id`.
    let name: String
    let outbox: EventOutbox<SchedulerNotice>
    fileprivate(set) var id: SchedulerStreamID?
    /// Nil until it is subscribed.
    fileprivate(set) var framework: FrameworkID?
    /// Those that it was sent and that were neither answered nor taken back.
    fileprivate(set) var offers: [OfferID: (agent: AgentID, role: ByteText)] = [:]
    fileprivate var hasEnded = false
    fileprivate var beatAt = NIODeadline.now()

    fileprivate init(name: String, outbox: EventOutbox<SchedulerNotice>) {
        self.name = name
        self.outbox = outbox
    }
}

/// Who has subscribed here, and what they are told. Confined to the node's event loop.
final class SchedulerStreams {
    private let facade: any DatacenterFacade
    private let settings: SurfaceSettings
    private let logger: Logger
    /// The live one of each framework.
    private var streams: [FrameworkID: SchedulerStream] = [:]
    /// All of them, by name, those that are not subscribed yet too.
    private var byName: [String: SchedulerStream] = [:]

    init(_ facade: any DatacenterFacade, _ settings: SurfaceSettings, _ logger: Logger) {
        self.facade = facade
        self.settings = settings
        self.logger = logger
    }

    var count: Int { byName.count }

    /// - Returns: false where there are too many, this node is not the master any more, or the
    ///   connection has gone.
    func subscribe(
        _ subscription: Subscription, name: String, _ outbox: EventOutbox<SchedulerNotice>
    ) -> Bool {
        guard case .leading = facade.leadership, count < settings.streamsMax, !outbox.isEnded
        else { return false }
        let stream = SchedulerStream(name: name, outbox: outbox)
        byName[name] = stream
        stream.id = facade.subscribe(subscription) { [weak self] event in
            self?.receive(event, stream)
        }
        // It may have ended before it had an id.
        if stream.hasEnded, let id = stream.id { facade.closed(id) }
        return true
    }

    private func receive(_ event: SchedulerEvent?, _ stream: SchedulerStream) {
        guard !stream.hasEnded else { return }
        guard let event else {
            forget(stream)
            return finish(stream.outbox)
        }
        switch event {
        case .subscribed(let id):
            stream.framework = id
            streams[id] = stream
            logger.info(
                "framework subscribed",
                metadata: ["framework": "\(id)", "stream": "\(stream.name)"])
        case .offers(let offers):
            return push(.offers(offers.map { notice($0, stream) }), to: stream)
        case .rescind(let id): stream.offers[id] = nil
        case .error(let reason):
            logger.notice(
                "framework's stream ends",
                metadata: [
                    "framework": "\(stream.framework?.description ?? "new")",
                    "stream": "\(stream.name)", "reason": "\(reason)",
                ])
        case .update, .message, .failure: break
        }
        push(.event(event), to: stream)
    }

    /// Who does not read what is left has its time to, like any other.
    private func finish(_ outbox: EventOutbox<SchedulerNotice>) {
        outbox.finish()
        facade.eventLoop.scheduleTask(in: .seconds(settings.stallSeconds)) {
            outbox.fail("it has not read its end")
        }
    }

    private func notice(
        _ offer: MasterOffer, _ stream: SchedulerStream
    ) -> SchedulerNotice.OfferNotice {
        stream.offers[offer.id] = (offer.agent, offer.role)
        let agent = facade.table.agents[offer.agent]
        let executors = (agent?.executors ?? []).filter { $0.framework == offer.framework }
        return .init(offer: offer, agent: agent?.record, executors: executors.map(\.executor))
    }

    private func push(_ notice: SchedulerNotice, to stream: SchedulerStream) {
        stream.outbox.push(notice, bytes: notice.byteCount)
    }

    // MARK: - Calls

    /// The live stream of a framework; nil where it has none here.
    func stream(of framework: FrameworkID) -> SchedulerStream? { streams[framework] }

    /// - Returns: false where the stream ended meanwhile.
    func call(_ framework: FrameworkID, stream name: String, _ call: SchedulerCall) -> Bool {
        guard let stream = streams[framework], stream.name == name, let id = stream.id else {
            return false
        }
        switch call {
        case .accept(let offers, _, _), .decline(let offers, _):
            for offer in offers { stream.offers[offer] = nil }
        case .revive, .suppress, .kill, .shutdown, .acknowledge, .reconcile, .message, .update,
            .teardown:
            break
        }
        facade.call(id, call)
        return true
    }

    /// What is known of the offers that a call names: those of its first one that was made here.
    func context(
        of framework: FrameworkID, offers: [OfferID]
    ) -> AcceptContext? {
        guard let stream = streams[framework] else { return nil }
        guard let first = offers.lazy.compactMap({ stream.offers[$0] }).first else {
            return AcceptContext(framework: framework, agent: nil, role: "*")
        }
        let table = facade.table
        let principal = table.frameworks[framework]?.record.principal ?? []
        var executors: [ExecutorID: [UInt8]] = [:]
        for key in table.agents[first.agent]?.executors ?? [] where key.framework == framework {
            executors[key.executor] = table.executors[key]?.info
        }
        return AcceptContext(
            framework: framework, agent: first.agent, role: first.role, executors: executors,
            principal: principal.isEmpty ? nil : String(decoding: principal, as: UTF8.self))
    }

    // MARK: - Ends

    /// Its connection has gone, or is to go.
    func closed(_ name: String, _ reason: String) {
        guard let stream = byName[name], !stream.hasEnded else { return }
        let reason = stream.outbox.failure ?? reason
        forget(stream)
        stream.outbox.fail(reason)
        logger.notice(
            "scheduler disconnected",
            metadata: [
                "framework": "\(stream.framework?.description ?? "new")",
                "stream": "\(stream.name)", "reason": "\(reason)",
            ])
        if let id = stream.id { facade.closed(id) }
    }

    private func forget(_ stream: SchedulerStream) {
        stream.hasEnded = true
        stream.offers = [:]
        byName[stream.name] = nil
        if let id = stream.framework, streams[id] === stream { streams[id] = nil }
    }

    func tick(_ now: NIODeadline) {
        for stream in Array(byName.values) {
            let stalled = stream.outbox.stalled(at: now)
            if let stalled, stalled >= .seconds(settings.stallSeconds) {
                closed(
                    stream.name, "it has read nothing for \(stalled.nanoseconds / 1_000_000_000) s")
            } else if stream.framework != nil,
                now - stream.beatAt >= .seconds(settings.heartbeatSeconds)
            {
                stream.beatAt = now
                push(.heartbeat, to: stream)
            }
        }
    }

    func stop() {
        for stream in Array(byName.values) { closed(stream.name, "the node stops") }
    }
}
