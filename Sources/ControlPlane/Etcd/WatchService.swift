internal import NIOCore
internal import Primitives
internal import RPC
internal import StateMachine

/// etcdserverpb.Watch: joins the node's ``WatchHub`` and the streams of its clients.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`. The hub is a value that is never
/// entered twice: whatever it wants told is handed out first and sent afterwards.
final class WatchService: @unchecked Sendable {
    /// A watch as its stream knows it.
    struct Binding {
        unowned let stream: WatchStream
        var watchID: Int64
        var isFragmenting: Bool
        /// Who opened it.
        var owner: Principal
    }

    unowned let node: any NodeFacade
    private(set) var hub: WatchHub
    let progressInterval: TimeAmount
    private var bindings: [WatcherID: Binding] = [:]
    private var isCatchUpScheduled = false
    private var streams: [ObjectIdentifier: WatchStream] = [:]
    private var tally: UserTally
    /// To all watches together, since the start.
    private(set) var eventsSent: UInt64 = 0
    private let watchesMax: Int

    /// Records that one turn of the event loop reads for watchers that catch up.
    private static let catchUpRecordsMax = 2048

    init(node: any NodeFacade, progressInterval: TimeAmount, limits: EtcdLimits) {
        self.node = node
        tally = UserTally(perUserMax: limits.watchesPerUserMax)
        watchesMax = limits.watchesMax
        self.progressInterval = progressInterval
        hub = WatchHub(revision: node.store.revision)
    }

    var watcherCount: Int { hub.watcherCount }
    var behindCount: Int { hub.behindCount }
    var heldCount: Int { hub.heldCount }
    var streamCount: Int { streams.count }

    func open(_ call: ServerCall) -> WatchStream {
        let stream = WatchStream(call: call, service: self)
        streams[ObjectIdentifier(stream)] = stream
        if let refusal = node.refusal(of: call) { stream.end(refusal) }
        return stream
    }

    func forget(_ stream: WatchStream) { streams[ObjectIdentifier(stream)] = nil }

    // MARK: What streams ask for

    /// Nil where there are too many watches, of all or of the user.
    func add(_ spec: WatchSpec, start: Int64, for binding: Binding) -> WatcherID? {
        guard watcherCount < watchesMax, tally.take(binding.owner) else { return nil }
        let id = hub.add(spec, start: start)
        bindings[id] = binding
        if hub.needsCatchUp { scheduleCatchUp() }
        return id
    }

    func remove(_ id: WatcherID) {
        if let binding = bindings.removeValue(forKey: id) { tally.giveBack(binding.owner) }
        hub.remove(id)
    }

    func resume(_ ids: [WatcherID]) {
        for id in ids { hub.resume(id) }
        if hub.needsCatchUp { scheduleCatchUp() }
    }

    func mayMarkProgress(_ id: WatcherID) -> Bool { hub.mayMarkProgress(id) }

    func header(revision: Revision) -> ResponseHeader { node.header(revision: revision) }

    // MARK: What the node tells

    func applied(_ batch: [Applied]) {
        if batch.contains(where: { $0.authChange == .table }) { authorize() }
        send(hub.applied(batch, log: node.store))
        if hub.needsCatchUp { scheduleCatchUp() }
    }

    func storeReplaced() {
        authorize()
        hub.jump(to: max(hub.revision, node.store.revision))
        if hub.needsCatchUp { scheduleCatchUp() }
    }

    private func authorize() { for stream in streams.values { stream.authorize() } }

    func leadershipChanged() {
        for stream in streams.values { stream.leadershipChanged() }
    }

    func stopping() {
        for stream in streams.values { stream.end(.stopped) }
    }

    // MARK: Deliveries

    private func scheduleCatchUp() {
        guard !isCatchUpScheduled else { return }
        isCatchUpScheduled = true
        node.eventLoop.execute { [weak self] in
            guard let self else { return }
            isCatchUpScheduled = false
            send(hub.catchUp(log: node.store, recordsMax: Self.catchUpRecordsMax))
            if hub.needsCatchUp { scheduleCatchUp() }
        }
    }

    private func send(_ outputs: [WatchOutput]) {
        for output in outputs {
            switch output {
            case .events(let delivery, let takers): send(delivery, to: takers)
            case .overtaken(let id, let compacted):
                guard let binding = bindings.removeValue(forKey: id) else { continue }
                tally.giveBack(binding.owner)
                binding.stream.overtaken(binding.watchID, compacted: compacted)
            }
        }
    }

    private func send(_ delivery: WatchDelivery, to takers: [WatcherID]) {
        let header = node.header(revision: delivery.headerRevision)
        var whole: EncodedDelivery?
        var pieces: [EncodedDelivery]?
        for id in takers {
            guard let binding = bindings[id] else { continue }
            guard binding.stream.isWritable else {
                hub.hold(id, from: delivery.from)
                binding.stream.held(id)
                continue
            }
            eventsSent &+= UInt64(delivery.events.count)
            if binding.isFragmenting {
                var parts =
                    pieces
                    ?? EncodedDelivery.fragments(
                        of: delivery.events, header: header, bytesMax: node.requestBytesMax)
                for index in parts.indices {
                    binding.stream.sendEvents(
                        parts[index].message(forWatch: binding.watchID), for: binding.watchID)
                }
                pieces = parts
            } else {
                if whole == nil { whole = EncodedDelivery(delivery.events[...], header: header) }
                if let message = whole?.message(forWatch: binding.watchID) {
                    binding.stream.sendEvents(message, for: binding.watchID)
                }
            }
        }
    }
}
