internal import LocalCluster
internal import NIOCore
internal import RPC

/// One client that reads through one server and no other, linearizably, what was acknowledged last
/// before it asked. Confined to its event loop, hence `@unchecked Sendable`.
final class Reader: @unchecked Sendable {
    let node: ServerNode
    private let workload: Workload
    private let mayBeOld: Bool
    private var client: RPCClient?
    private var isStopped = true
    private(set) var servedCount = 0
    private(set) var failedCount = 0
    /// Reads that did not show what had been acknowledged before they began.
    private(set) var violations: [String] = []

    private static let timeout: TimeAmount = .seconds(1)
    private static let pause: TimeAmount = .milliseconds(10)

    /// - Parameter mayBeOld: asks for less than is checked, so that a violation is to be found.
    init(node: ServerNode, workload: Workload, mayBeOld: Bool) {
        self.node = node
        self.mayBeOld = mayBeOld
        self.workload = workload
    }

    func start() {
        isStopped = false
        next()
    }

    func stop() { isStopped = true }

    private func next() {
        if isStopped {
            drop()
        } else if let client, client.isUsable {
            read(client)
        } else {
            connect()
        }
    }

    private func nextSoon() {
        workload.loop.assumeIsolated().scheduleTask(in: Self.pause) { self.next() }
    }

    private func drop() {
        if let client { workload.loop.execute { client.abort() } }
        client = nil
    }

    private func connect() {
        var settings = RPCClientSettings()
        settings.connectTimeout = .milliseconds(500)
        RPCClient.connect(
            host: node.host, port: node.clientPort, on: workload.loop, settings: settings
        ).assumeIsolated().whenComplete { result in
            if case .success(let client) = result {
                self.client = client
                self.next()
            } else {
                self.nextSoon()
            }
        }
    }

    private func read(_ client: RPCClient) {
        guard let newest = workload.ledger.newest else { return nextSoon() }
        let key = Ledger.key(writer: newest.writer, number: newest.number)
        client.unary(
            EtcdMessages.range, EtcdMessages.keyRequest(key, mayBeOld: mayBeOld),
            timeout: Self.timeout
        ) { result in
            switch result {
            case .success(let answer): self.served(answer, newest)
            case .failure:
                self.failedCount += 1
                self.drop()
            }
            self.nextSoon()
        }
    }

    private func served(_ answer: [UInt8], _ newest: Ledger.Newest) {
        servedCount += 1
        let what = "\(Ledger.key(writer: newest.writer, number: newest.number))"
        do {
            let fields = try ProtobufFields(answer)
            let revision = try fields.message(1).int(3)
            let pair = KeyValue(try fields.message(2))
            if revision < newest.revision || pair.modRevision != newest.revision {
                violations.append(
                    "STALE: \(node.name) read \(what) at revision \(revision) with "
                        + "\(pair.modRevision) after it was acknowledged at \(newest.revision)")
            }
        } catch {
            violations.append("\(node.name) answered a read of \(what) with nonsense: \(error)")
        }
    }
}
