internal import NIOCore
internal import Primitives
internal import RPC
internal import Simulation

/// One client: one call after the other, at a server that it leaves when that does not answer, and
/// now and then without a reason. Confined to its event loop, hence `@unchecked Sendable`.
final class Caller: @unchecked Sendable {
    private var number: Int
    private let step: Int
    private var random: SplitMix64
    private var clients: Clients?
    private var member: Int
    private var connection: RPCClient?
    private var metadata: Session.Metadata = []
    private var isStopped = false
    private(set) var isIdle = true
    private var seen: [Bytes: RecordedPair] = [:]

    init(number: Int, step: Int, random: SplitMix64) {
        self.number = number
        self.step = step
        self.random = random
        member = number
    }

    func start(_ clients: Clients) {
        self.clients = clients
        member = number % clients.endpoints.count
        isStopped = false
        isIdle = false
        next()
    }

    func stop() { isStopped = true }

    private func next() {
        guard !isStopped else {
            isIdle = true
            connection?.close()
            connection = nil
            return
        }
        if random.chance(1, in: 200) { leaveServer() }
        if let connection, connection.isUsable { call(connection) } else { connect() }
    }

    private func next(after delay: TimeAmount) {
        clients?.loop.assumeIsolated().scheduleTask(in: delay) { self.next() }
    }

    private func leaveServer() {
        guard let clients else { return }
        if let connection { clients.loop.execute { connection.abort() } }
        connection = nil
        member = random.draw(0...clients.endpoints.count - 1)
    }

    private func connect() {
        guard let clients else { return }
        var settings = RPCClientSettings()
        settings.connectTimeout = .milliseconds(500)
        let place = clients.endpoints[member]
        RPCClient.connect(host: place.host, port: place.port, on: clients.loop, settings: settings)
            .assumeIsolated().whenComplete { result in
                switch result {
                case .success(let connection): self.logIn(on: connection)
                case .failure:
                    self.leaveServer()
                    self.next(after: .milliseconds(20))
                }
            }
    }

    private func logIn(on connection: RPCClient) {
        guard let clients else { return }
        clients.session.logIn(on: connection) { metadata in
            guard let metadata else {
                clients.loop.execute { connection.abort() }
                self.leaveServer()
                return self.next(after: .milliseconds(50))
            }
            self.metadata = metadata
            self.connection = connection
            self.next()
        }
    }

    private func call(_ connection: RPCClient) {
        guard let clients else { return }
        let id = clients.recorder.nextOperationID()
        let request = clients.mix.draw(
            Mix.Situation(
                operation: id, revision: clients.recorder.revision,
                collected: clients.collector.reached, seen: seen))
        guard let message = try? RequestMessage(request) else { return next() }
        let start = Recorder.now
        let timeout = TimeAmount.milliseconds(Int64(random.pick([300, 2000, 2000, 2000])))
        connection.unary(
            message.path, message.bytes, metadata: metadata, timeout: timeout
        ) { result in
            let outcome = Self.outcome(result, request)
            self.finished(
                RecordedOperation(
                    id: id, client: self.number, member: self.member, start: start,
                    end: Recorder.now, request: request, outcome: outcome),
                by: connection)
        }
    }

    static func outcome(
        _ result: Result<[UInt8], RPCStatus>, _ request: RecordedRequest
    ) -> RecordedOutcome {
        switch result {
        case .success(let bytes): outcome(bytes, request)
        case .failure(let status): outcome(status, request)
        }
    }

    private static func outcome(_ bytes: [UInt8], _ request: RecordedRequest) -> RecordedOutcome {
        guard let decoded = try? AnswerMessage.decode(bytes, to: request) else {
            return .unknown("the answer cannot be read")
        }
        return .ok(revision: decoded.revision, decoded.answer)
    }

    private static func outcome(_ status: RPCStatus, _ request: RecordedRequest) -> RecordedOutcome
    {
        if status.neverSent { return .failed("never sent: \(status.message)") }
        return .ofFailure(
            grpcCode: status.code.rawValue, message: status.message, isWrite: request.isWrite)
    }

    private func finished(_ operation: RecordedOperation, by connection: RPCClient) {
        guard let clients else { return }
        clients.recorder.finished(operation)
        switch operation.outcome {
        case .ok(_, let answer):
            if case .leaseGrant(let lease, _) = answer { clients.mix.granted(lease) }
            remember(answer, operation.request)
        case .unknown:
            number += step
            if random.chance(2, in: 3) { leaveServer() }
        case .failed(let text) where Session.isSpent(text):
            clients.session.forget(metadata)
            leaveServer()
        case .failed(let text):
            if !connection.isUsable || text.contains("leader") { leaveServer() }
        }
        let pause = random.draw(0...2 * clients.pauseMilliseconds)
        next(after: .milliseconds(Int64(pause)))
    }

    /// What the answer shows of the lists.
    private func remember(_ answer: RecordedAnswer, _ request: RecordedRequest) {
        if case .range(let range) = request, range.revision > 0 || range.keysOnly { return }
        if case .txn(let succeeded, _) = answer, succeeded, case .txn(let txn) = request {
            // What was swapped is known only to be different.
            for case .put(let put) in txn.success { seen[put.key] = nil }
            return
        }
        answer.forEachPair { pair in
            if pair.key.storage.starts(with: "list/".utf8) { seen[pair.key] = pair }
        }
    }
}
