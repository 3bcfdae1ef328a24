internal import NIOCore
internal import Primitives
internal import RPC
internal import Simulation

/// One client of the lock or of the election service: a lease, a place in a queue through whichever
/// server, some writes that name its key's creation while it believes that it holds, and out again;
/// or it dies, or stops renewing and goes on later as if nothing had happened. Confined to the
/// clients' event loop, hence `@unchecked Sendable`.
final class Locker: @unchecked Sendable {
    enum Trade { case lock, election }

    /// What it believes to hold.
    private struct Holding {
        var name: Bytes
        var key: Bytes
        var created: Int64
        var lease: Int64
    }

    private let number: Int
    private let trade: Trade
    private var random: SplitMix64
    private var clients: Clients?
    private var member: Int
    private var connection: RPCClient?
    private var metadata: Session.Metadata = []
    private var lease: Int64?
    private var leaseSeconds: Int64 = 0
    private var leasesMade: Int64 = 0
    /// It does not renew its lease for a while.
    private var isSilent = false
    private var isStopped = false
    private(set) var isIdle = true

    static let locks = [Bytes("lock/a"), Bytes("lock/b")]
    static let elections = [Bytes("election/a"), Bytes("election/b")]
    private static let attemptsMax = 5

    init(number: Int, _ trade: Trade, random: SplitMix64) {
        self.number = number
        self.trade = trade
        self.random = random
        member = number
    }

    func start(_ clients: Clients) {
        self.clients = clients
        member = number % clients.endpoints.count
        isIdle = false
        next()
    }

    /// Leaves what it holds, and no more.
    func stop() { isStopped = true }

    // MARK: Connections

    private func later(_ milliseconds: Int, _ body: @escaping () -> Void) {
        clients?.loop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(milliseconds))) {
            body()
        }
    }

    private func next() {
        if isStopped {
            lease = nil
            isIdle = true
            connection?.close()
            connection = nil
            return
        }
        if random.chance(1, in: 4) { leaveServer() }
        connected { [self] in lease == nil ? grant() : enter() }
    }

    private func nextLater() { later(random.draw(20...250)) { self.next() } }

    private func leaveServer() {
        guard let clients else { return }
        if let connection { clients.loop.execute { connection.abort() } }
        connection = nil
        member = random.draw(0...clients.endpoints.count - 1)
    }

    /// Goes on once there is a server that takes calls.
    private func connected(_ body: @escaping () -> Void) {
        guard let clients else { return }
        if let connection, connection.isUsable { return body() }
        var settings = RPCClientSettings()
        settings.connectTimeout = .milliseconds(500)
        let target = member
        let place = clients.endpoints[target]
        RPCClient.connect(host: place.host, port: place.port, on: clients.loop, settings: settings)
            .assumeIsolated().whenComplete { result in
                guard case .success(let connection) = result else {
                    self.leaveServer()
                    return self.later(20) { self.connected(body) }
                }
                clients.session.logIn(on: connection) { metadata in
                    guard let metadata else {
                        clients.loop.execute { connection.abort() }
                        self.leaveServer()
                        return self.later(50) { self.connected(body) }
                    }
                    self.metadata = metadata
                    self.connection = connection
                    // A renewal that failed meanwhile may have chosen another.
                    self.member = target
                    body()
                }
            }
    }

    private func heard(_ error: String) {
        if Session.isSpent(error) {
            clients?.session.forget(metadata)
            leaveServer()
        } else if error.contains("leader changed") || connection?.isUsable != true {
            leaveServer()
        }
    }

    // MARK: Calls

    private func operate(
        _ request: RecordedRequest, as client: Int, milliseconds: Int64,
        _ done: @escaping (RecordedOutcome) -> Void
    ) {
        connected { [self] in
            guard let clients, let connection, let message = try? RequestMessage(request) else {
                return
            }
            let id = clients.recorder.nextOperationID()
            let start = Recorder.now
            let member = member
            connection.unary(
                message.path, message.bytes, metadata: metadata,
                timeout: .milliseconds(milliseconds)
            ) { result in
                let outcome = Caller.outcome(result, request)
                clients.recorder.finished(
                    RecordedOperation(
                        id: id, client: client, member: member, start: start, end: Recorder.now,
                        request: request, outcome: outcome))
                switch outcome {
                case .failed(let error), .unknown(let error?): self.heard(error)
                case .ok, .unknown(nil): break
                }
                done(outcome)
            }
        }
    }

    private func call(
        _ kind: RecordedQueueCall.Kind, _ holding: Holding, value: String = "",
        milliseconds: Int64, _ done: @escaping (RecordedQueueCall) -> Void
    ) {
        connected { [self] in
            guard let clients, let connection else { return }
            var call = RecordedQueueCall(
                id: clients.recorder.nextOperationID(), client: number, member: member,
                start: Recorder.now, end: nil, kind, name: holding.name, lease: holding.lease,
                value: Bytes(value), key: holding.key, created: holding.created, .unknown(nil))
            guard let bytes = try? QueueMessage.encode(call) else { return }
            connection.unary(
                QueueMessage.path(kind), bytes, metadata: metadata,
                timeout: .milliseconds(milliseconds)
            ) { result in
                call.end = Recorder.now
                switch result {
                case .success(let answer):
                    if (try? QueueMessage.decode(answer, into: &call)) == nil {
                        call.outcome = .unknown("the answer cannot be read")
                    }
                case .failure(let status):
                    call.outcome = QueueMessage.outcome(status, of: kind)
                    self.heard(status.message)
                }
                clients.recorder.finished(call)
                done(call)
            }
        }
    }

    // MARK: Leases

    private func grant() {
        leasesMade += 1
        let id = Int64(number) * 1_000_000_000 + leasesMade
        let seconds = Int64(random.draw(2...Mix.leaseSecondsMax))
        operate(
            .leaseGrant(lease: id, seconds: seconds), as: number, milliseconds: 2000
        ) { [self] outcome in
            guard case .ok(_, .leaseGrant(_, let seconds)) = outcome else { return nextLater() }
            lease = id
            leaseSeconds = seconds
            renewLater(id)
            enter()
        }
    }

    private func renewLater(_ id: Int64) {
        later(Int(leaseSeconds) * 1000 / 3) { [self] in
            guard lease == id else { return }
            // Whoever waits or writes connects; there is nothing to renew through meanwhile.
            guard !isSilent, connection?.isUsable == true else { return renewLater(id) }
            operate(.leaseKeepAlive(lease: id), as: -number, milliseconds: 1000) { [self] outcome in
                if case .ok(_, .leaseKeepAlive(0)) = outcome, lease == id { lease = nil }
                renewLater(id)
            }
        }
    }

    // MARK: Places and what is done with them

    private func enter() {
        guard let lease, let clients else { return nextLater() }
        let isLock = trade == .lock
        let place = Holding(
            name: random.pick(isLock ? Self.locks : Self.elections), key: Bytes([]), created: 0,
            lease: lease)
        let value = isLock ? "" : "c\(clients.recorder.nextOperationID())"
        call(
            isLock ? .lock : .campaign, place, value: value,
            milliseconds: Int64(random.pick([400, 2000, 8000, 8000]))
        ) { [self] call in
            guard case .ok = call.outcome else {
                // What it may have left in the queue goes with its lease.
                self.lease = nil
                return nextLater()
            }
            var holding = place
            holding.key = call.key
            holding.created = call.created
            let steps = random.draw(0...4)
            isLock ? lookAt(holding, steps) : hold(holding, steps)
        }
    }

    /// When the lock's key was created: by that its writes are known.
    private func lookAt(_ holding: Holding, _ steps: Int) {
        let range = RecordedRequest.range(RecordedRange(KeyInterval(holding.key)))
        operate(range, as: number, milliseconds: 2000) { [self] outcome in
            guard case .ok(_, .range(let pairs, _, _)) = outcome else { return die() }
            guard let pair = pairs.first else { return lost() }
            var holding = holding
            holding.created = pair.createRevision
            hold(holding, steps)
        }
    }

    private func hold(_ holding: Holding, _ left: Int) {
        if isStopped { return release(holding, Self.attemptsMax) }
        let isLong = trade == .election && random.chance(1, in: 6)
        later(isLong ? 3500 : random.draw(0...300)) { [self] in
            if left > 0 { return write(holding, left - 1) }
            switch random.draw(0...9) {
            case 0: die()
            case 1:
                // Long enough for its lease to end.
                isSilent = true
                later(Int(leaseSeconds) * 1000 + random.draw(0...3000)) { [self] in
                    isSilent = false
                    write(holding, 0)
                }
            default: release(holding, Self.attemptsMax)
            }
        }
    }

    private func write(_ holding: Holding, _ left: Int) {
        guard let clients else { return }
        let value = "f\(clients.recorder.nextOperationID())"
        if trade == .election {
            let kind: RecordedQueueCall.Kind = random.chance(1, in: 3) ? .leader : .proclaim
            return call(kind, holding, value: value, milliseconds: 2000) { [self] call in
                if case .failed("election: not leader") = call.outcome { return lost() }
                hold(holding, left)
            }
        }
        let fence = RecordedCompare(KeyInterval(holding.key), .equal, .create(holding.created))
        let put = RecordedPut(Bytes("fenced/" + "\(holding.name)"), Bytes(value))
        operate(
            .txn(RecordedTxn(compares: [fence], success: [.put(put)])), as: number,
            milliseconds: 2000
        ) { [self] outcome in
            switch outcome {
            case .ok(_, .txn(succeeded: false, _)): lost()
            case .ok(_, .txn(succeeded: true, _)):
                clients.recorder.fenced(wasHeld: true)
                hold(holding, left)
            case .ok, .failed, .unknown: hold(holding, left)
            }
        }
    }

    private func release(_ holding: Holding, _ attempts: Int) {
        call(
            trade == .lock ? .unlock : .resign, holding, milliseconds: 2000
        ) { [self] call in
            if case .ok = call.outcome { return nextLater() }
            if attempts == 0 { return die() }
            later(random.draw(20...200)) { [self] in release(holding, attempts - 1) }
        }
    }

    /// Its writes do not count any more.
    private func lost() {
        clients?.recorder.fenced(wasHeld: false)
        die()
    }

    /// Nobody renews its lease any more.
    private func die() {
        lease = nil
        nextLater()
    }
}
