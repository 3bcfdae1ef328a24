internal import LocalCluster
internal import NIOCore
internal import Primitives
internal import RPC

/// One client: it writes unique keys one after the other, and turns to the next server when a
/// connection fails. Confined to its event loop, hence `@unchecked Sendable`.
final class Writer: @unchecked Sendable {
    private let number: Int
    private let workload: Workload
    private var endpoint: Int
    private var client: RPCClient?
    private var isStopped = false
    private(set) var isIdle = true

    init(number: Int, workload: Workload) {
        self.number = number
        self.workload = workload
        endpoint = number % workload.nodes.count
    }

    func start() {
        isStopped = false
        isIdle = false
        next()
    }

    func stop() { isStopped = true }

    private func next() {
        if isStopped {
            isIdle = true
        } else if let client, client.isUsable {
            write(client)
        } else {
            connect()
        }
    }

    private func nextSoon(_ delay: TimeAmount) {
        workload.loop.assumeIsolated().scheduleTask(in: delay) { self.next() }
    }

    private func connect() {
        var settings = RPCClientSettings()
        settings.connectTimeout = .milliseconds(500)
        let node = workload.nodes[endpoint]
        RPCClient.connect(
            host: node.host, port: node.clientPort, on: workload.loop, settings: settings
        ).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let client):
                self.client = client
                self.next()
            case .failure:
                self.turnToNextServer()
                self.nextSoon(.milliseconds(2))
            }
        }
    }

    private func turnToNextServer() {
        if let client { workload.loop.execute { client.abort() } }
        client = nil
        endpoint = (endpoint + 1) % workload.nodes.count
    }

    private func write(_ client: RPCClient) {
        let sequence = workload.ledger.begin(writer: number)
        let request = EtcdMessages.putRequest(
            key: Ledger.key(writer: number, number: sequence),
            value: workload.ledger.value(writer: number, number: sequence))
        client.unary(EtcdMessages.put, request, timeout: workload.callTimeout) { result in
            switch result {
            case .success(let answer): self.acknowledged(sequence, answer)
            case .failure(let status): self.failed(sequence, status)
            }
        }
    }

    private func acknowledged(_ sequence: Int, _ answer: [UInt8]) {
        let header = try? ProtobufFields(answer).message(1)
        workload.ledger.acknowledge(
            writer: number, number: sequence, revision: header?.int(3) ?? 0,
            at: NIODeadline.now().uptimeNanoseconds)
        nextSoon(workload.pause)
    }

    private func failed(_ sequence: Int, _ status: RPCStatus) {
        workload.ledger.fail(
            writer: number, number: sequence, definitely: isDefinite(status),
            reason: "\(status.code) \(status.message.prefix(80))")
        if status.code == .unavailable || status.code == .deadlineExceeded {
            turnToNextServer()
        }
        nextSoon(.milliseconds(2))
    }

    /// Texts that say, with the code `unavailable`, that the write is certainly not done.
    private static let definiteTexts: Set<String> = [
        "etcdserver: no leader", "etcdserver: leader changed", "etcdserver: unhealthy cluster",
    ]

    /// Whether this error says that the write was not and will not be done: the table of
    /// docs/decisions/0002. etcd's texts say less, so only its codes are gone by.
    private func isDefinite(_ status: RPCStatus) -> Bool {
        if status.neverSent { return true }
        if workload.hasDefiniteTexts, status.code == .unavailable {
            return Self.definiteTexts.contains(status.message)
        }
        if status.code == .unknown, status.message == "etcdserver: too many requests" {
            return true
        }
        switch status.code {
        case .invalidArgument, .resourceExhausted, .failedPrecondition, .unimplemented,
            .permissionDenied, .unauthenticated, .outOfRange, .notFound:
            return true
        case .ok, .cancelled, .unknown, .deadlineExceeded, .alreadyExists, .aborted, .internalError,
            .unavailable, .dataLoss:
            return false
        }
    }
}
