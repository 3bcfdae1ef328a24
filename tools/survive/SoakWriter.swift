internal import LocalCluster
internal import NIOCore
internal import Primitives
internal import RPC

/// Puts at a steady pace, whatever becomes of each. Confined to its event loop, hence
/// `@unchecked Sendable`.
final class SoakWriter: @unchecked Sendable {
    private let soak: WatchSoak
    private var endpoint: Int
    private var client: RPCClient?
    private var isConnecting = false
    private var random: SplitMix64
    private var outstanding = 0
    private(set) var isStopped = false

    private static let outstandingMax = 200
    private let value = [UInt8](repeating: 0x76, count: 64)

    init(soak: WatchSoak, number: Int) {
        self.soak = soak
        endpoint = number % soak.nodes.count
        random = SplitMix64(seed: UInt64(number))
    }

    var isIdle: Bool { outstanding == 0 }

    func stop() { isStopped = true }

    /// One put, if there is a server to take it.
    func put() {
        guard !isStopped else { return }
        guard let client, client.isUsable else { return connect() }
        guard outstanding < Self.outstandingMax else { return }
        outstanding += 1
        let prefix = Int(random.next(below: UInt64(soak.book.prefixes.count)))
        let key = WatchSoak.prefix(prefix) + "/\(random.next(below: 10))"
        let request = EtcdMessages.putRequest(key: key, value: value)
        client.unary(EtcdMessages.put, request, timeout: .seconds(5)) { result in
            self.outstanding -= 1
            switch result {
            case .success(let answer):
                let header = try? ProtobufFields(answer).message(1)
                self.soak.book.acknowledged(prefix, header?.int(3) ?? 0)
            case .failure(let status):
                self.soak.book.failed(definitely: status.neverSent)
                if self.client === client { self.turnToNextServer() }
            }
        }
    }

    private func connect() {
        guard !isConnecting else { return }
        isConnecting = true
        var settings = RPCClientSettings()
        settings.connectTimeout = .milliseconds(500)
        let node = soak.nodes[endpoint]
        RPCClient.connect(
            host: node.host, port: node.clientPort, on: soak.loop, settings: settings
        ).assumeIsolated().whenComplete { result in
            self.isConnecting = false
            switch result {
            case .success(let client): self.client = client
            case .failure: self.turnToNextServer()
            }
        }
    }

    private func turnToNextServer() {
        if let client { soak.loop.execute { client.close() } }
        client = nil
        endpoint = (endpoint + 1) % soak.nodes.count
    }
}
