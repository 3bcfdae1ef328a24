internal import NIOCore

/// What the connections of one server share, all on one event loop, hence `@unchecked Sendable`.
final class ServerCore: @unchecked Sendable {
    let eventLoop: any EventLoop
    let routes: RouteTable
    let limits: RPCLimits
    let http1: HTTP1Responder?
    let flushQueue: FlushQueue
    let deadlines: DeadlineWheel
    /// Accepted channels of any protocol.
    private(set) var channels: [ObjectIdentifier: any Channel] = [:]
    private(set) var connections: [ServerConnection] = []
    private(set) var openings: ConnectionOpenings
    private var onEmpty: EventLoopPromise<Void>?
    private(set) var isDraining = false
    /// Bytes of unfinished requests and of those that handlers have not taken.
    @exclusivity(unchecked) var heldBytes = 0
    @exclusivity(unchecked) var slowCallTime = TimeAmount.nanoseconds(.max)
    var onSlowCall: ((EndedCall) -> Void)?
    @exclusivity(unchecked) var tracing: CallTracing?

    init(
        eventLoop: any EventLoop, routes: RPCRoutes, limits: RPCLimits, http1: HTTP1Responder?
    ) {
        self.eventLoop = eventLoop
        self.routes = RouteTable(routes)
        self.limits = limits
        self.http1 = http1
        flushQueue = FlushQueue(eventLoop: eventLoop)
        openings = ConnectionOpenings(perSourceMax: limits.openingsPerSourceMax)
        deadlines = DeadlineWheel(eventLoop: eventLoop)
    }

    /// False when there are too many, of all or of its source.
    func accepted(_ channel: any Channel) -> Bool {
        guard !isDraining, channels.count < limits.connectionsMax, openings.begin(channel)
        else { return false }
        let id = ObjectIdentifier(channel)
        channels[id] = channel
        channel.closeFuture.whenComplete { _ in
            self.channels[id] = nil
            self.openings.end(channel)
            self.checkEmpty()
        }
        return true
    }

    /// Its first request has begun, or its HTTP/2 preface is complete.
    func opened(_ channel: any Channel) { openings.end(channel) }

    func add(_ connection: ServerConnection) {
        connection.slot = connections.count
        connections.append(connection)
    }

    func remove(_ connection: ServerConnection) {
        let slot = connection.slot
        guard slot >= 0 else { return }
        connection.slot = -1
        let last = connections.removeLast()
        if last !== connection {
            connections[slot] = last
            last.slot = slot
        }
    }

    func tick() {
        let now = NIODeadline.now()
        for connection in connections { connection.tick(now: now) }
    }

    /// Lets running calls end until `deadline`, then closes what is left.
    func drain(deadline: NIODeadline) -> EventLoopFuture<Void> {
        if let onEmpty { return onEmpty.futureResult }
        isDraining = true
        let promise = eventLoop.makePromise(of: Void.self)
        onEmpty = promise
        let http2 = connections
        for connection in http2 { connection.drain() }
        eventLoop.scheduleTask(deadline: deadline) {
            for channel in self.channels.values { channel.close(promise: nil) }
        }
        checkEmpty()
        return promise.futureResult
    }

    private func checkEmpty() {
        if isDraining, channels.isEmpty { onEmpty?.succeed(()) }
    }
}
