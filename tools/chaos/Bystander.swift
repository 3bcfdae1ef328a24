internal import API
internal import Foundation
internal import NIOCore
internal import Primitives
internal import RPC
internal import SwiftProtobuf

/// A user who may read some keys and nothing else, and tries more without end: whatever is killed,
/// cut off or behind, nobody may let it. Confined to the clients' event loop, hence
/// `@unchecked Sendable`.
final class Bystander: @unchecked Sendable {
    static let name = "bystander"

    private let session = Session(user: Bystander.name)
    private var random: SplitMix64
    private var clients: Clients?
    private var isStopped = true
    private(set) var allowed = 0
    private(set) var refused = 0
    /// What it got that it should not have got.
    private(set) var intrusions: [String] = []

    init(random: SplitMix64) { self.random = random }

    func start(_ clients: Clients) {
        self.clients = clients
        isStopped = false
        tryLater()
    }

    func stop() { isStopped = true }

    private func tryLater() {
        clients?.loop.assumeIsolated().scheduleTask(in: .milliseconds(60)) {
            if !self.isStopped { self.connect() }
        }
    }

    private func connect() {
        guard let clients else { return }
        var settings = RPCClientSettings()
        settings.connectTimeout = .milliseconds(500)
        let place = random.pick(clients.endpoints)
        RPCClient.connect(host: place.host, port: place.port, on: clients.loop, settings: settings)
            .assumeIsolated().whenComplete { result in
                guard case .success(let connection) = result else { return self.tryLater() }
                self.session.logIn(on: connection) { metadata in
                    guard let metadata else { return self.finished(with: connection) }
                    self.attempt(connection, metadata)
                }
            }
    }

    private func finished(with connection: RPCClient) {
        connection.close()
        tryLater()
    }

    private func attempt(_ connection: RPCClient, _ metadata: Session.Metadata) {
        let (path, message, mayPass) = draw()
        guard let bytes: [UInt8] = try? message.serializedBytes() else { return }
        // Without a token it is nobody, who may do even less.
        let isNobody = random.chance(1, in: 4)
        connection.unary(
            path, bytes, metadata: isNobody ? [] : metadata, timeout: .seconds(2)
        ) { result in
            switch result {
            case .success where mayPass && !isNobody: self.allowed += 1
            case .success:
                self.intrusions.append("\(isNobody ? "nobody" : Self.name) did \(path): \(message)")
            case .failure(let status):
                if status.code == .permissionDenied || status.code == .unauthenticated
                    || isNobody && status.code == .invalidArgument
                {
                    self.refused += 1
                }
                if Session.isSpent(status.message), !isNobody { self.session.forget(metadata) }
            }
            self.finished(with: connection)
        }
    }

    private func draw() -> (path: String, message: any SwiftProtobuf.Message, mayPass: Bool) {
        let service = "/etcdserverpb.KV/"
        let isLocal = random.chance(1, in: 2)
        switch random.draw(0...4) {
        case 0:
            let put = EtcdPutRequest.with { $0.key = Data("list/0".utf8) }
            return (service + "Put", put, false)
        case 1:
            let delete = EtcdDeleteRangeRequest.with { $0.key = Data("even/0".utf8) }
            return (service + "DeleteRange", delete, false)
        case 2:
            let txn = EtcdTxnRequest.with {
                $0.failure = [.with { $0.requestRange.key = Data("odd/1".utf8) }]
            }
            return (service + "Txn", txn, false)
        case 3:
            let range = EtcdRangeRequest.with {
                $0.key = Data("odd/1".utf8)
                $0.serializable = isLocal
            }
            return (service + "Range", range, false)
        case _:
            let range = EtcdRangeRequest.with {
                $0.key = Data("even/0".utf8)
                $0.serializable = isLocal
            }
            return (service + "Range", range, true)
        }
    }
}
