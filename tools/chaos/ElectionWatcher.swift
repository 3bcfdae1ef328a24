internal import API
internal import Foundation
internal import NIOCore
internal import Primitives
internal import RPC
internal import Simulation
internal import SwiftProtobuf

/// A client that is told who leads, by one server after the other. Confined to the clients' event
/// loop, hence `@unchecked Sendable`.
final class ElectionWatcher: @unchecked Sendable {
    private let number: Int
    private let name: Bytes
    private var random: SplitMix64
    private var clients: Clients?
    private var connection: RPCClient?
    private var metadata: Session.Metadata = []
    private var current: Int?
    /// Counts the streams: what is late from an old one is dropped.
    private var era = 0
    private var isStopped = true

    init(number: Int, name: Bytes, random: SplitMix64) {
        self.number = number
        self.name = name
        self.random = random
    }

    func start(_ clients: Clients) {
        self.clients = clients
        isStopped = false
        connect()
    }

    /// The stream counts as one that lasted as long as the run.
    func stop() {
        isStopped = true
        close()
    }

    private func close() {
        era += 1
        if let connection { clients?.loop.execute { connection.abort() } }
        connection = nil
    }

    private func schedule(_ delay: TimeAmount, _ body: @escaping () -> Void) {
        let era = era
        clients?.loop.assumeIsolated().scheduleTask(in: delay) {
            if !self.isStopped, self.era == era { body() }
        }
    }

    private func moveOn() {
        if let current { clients?.recorder.ended(observation: current) }
        current = nil
        close()
        schedule(.milliseconds(20)) { self.connect() }
    }

    private func connect() {
        guard let clients, !isStopped else { return }
        var settings = RPCClientSettings()
        settings.connectTimeout = .milliseconds(500)
        let member = random.draw(0...clients.endpoints.count - 1)
        let place = clients.endpoints[member]
        let era = era
        RPCClient.connect(host: place.host, port: place.port, on: clients.loop, settings: settings)
            .assumeIsolated().whenComplete { result in
                guard self.era == era, !self.isStopped else { return }
                guard case .success(let connection) = result else { return self.moveOn() }
                clients.session.logIn(on: connection) { metadata in
                    guard self.era == era, !self.isStopped else { return }
                    self.metadata = metadata ?? []
                    self.open(connection, member)
                }
            }
    }

    private func open(_ connection: RPCClient, _ member: Int) {
        self.connection = connection
        guard let clients else { return }
        let era = era
        let stream = connection.stream(
            QueueMessage.observe, metadata: metadata,
            onMessage: { message in if self.era == era { self.received(message) } },
            onEnd: { status in
                if Session.isSpent(status.message) { clients.session.forget(self.metadata) }
                if self.era == era, !self.isStopped { self.schedule(.zero) { self.moveOn() } }
            })
        let request = EtcdElectionLeaderRequest.with { $0.name = Data(self.name.storage) }
        guard let stream, let bytes: [UInt8] = try? request.serializedBytes() else {
            return moveOn()
        }
        current = clients.recorder.observing { id in
            RecordedObservation(
                id: id, client: number, member: member, start: Recorder.now, name: name)
        }
        stream.send(bytes)
        schedule(.milliseconds(Int64(random.draw(2000...20_000)))) { self.moveOn() }
    }

    private func received(_ bytes: [UInt8]) {
        guard let clients, let current,
            let message = try? EtcdElectionLeaderResponse(serializedBytes: bytes)
        else { return moveOn() }
        clients.recorder.told(
            RecordedObservation.Telling(
                time: Recorder.now, revision: message.header.revision,
                AnswerMessage.pair(message.kv)), on: current)
    }
}
