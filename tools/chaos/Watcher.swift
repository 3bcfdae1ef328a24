internal import API
internal import Foundation
internal import NIOCore
internal import Primitives
internal import RPC
internal import Simulation
internal import SwiftProtobuf

/// One client's watch, carried on at another server when it breaks, and now and then without a
/// reason. Confined to its event loop, hence `@unchecked Sendable`.
final class Watcher: @unchecked Sendable {
    struct Manner {
        var interval: KeyInterval
        var startRevision: Int64 = 0
        var withoutPuts = false
        var withoutDeletes = false
        var wantsPrevious = false
        var wantsFragments = false
        var requiresLeader = false

        /// Everything from the store's first change on: what all others are judged by.
        static let collector = Manner(interval: .everything, startRevision: 2)

        static func drawn(_ place: Int, _ random: inout SplitMix64) -> Manner {
            let intervals: [KeyInterval] = [
                .everything, .prefix(Bytes("even/")), .prefix(Bytes("odd/")),
                .prefix(Bytes("list/")), KeyInterval(Mix.listKey(0)),
                KeyInterval(Bytes("even/2"), end: Bytes("odd/5")),
            ]
            var manner = Manner(interval: intervals[place % intervals.count])
            manner.withoutPuts = random.chance(1, in: 6)
            manner.withoutDeletes = !manner.withoutPuts && random.chance(1, in: 6)
            manner.wantsPrevious = random.chance(1, in: 2)
            manner.wantsFragments = random.chance(1, in: 3)
            manner.requiresLeader = random.chance(1, in: 2)
            return manner
        }
    }

    private let client: Int
    let manner: Manner
    private var random: SplitMix64
    private var clients: Clients?
    private var member = 0
    private var connection: RPCClient?
    private var stream: ClientStream?
    private var current: Int?
    private var metadata: Session.Metadata = []
    /// Counts the streams: what is late from an old one is dropped.
    private var era = 0
    private var startRevision: Int64
    private var isStopped = true
    /// The highest revision up to which everything is here.
    private(set) var reached: Int64
    private(set) var breaks = 0

    init(client: Int, _ manner: Manner, random: SplitMix64) {
        self.client = client
        self.manner = manner
        self.random = random
        startRevision = manner.startRevision
        reached = max(0, manner.startRevision - 1)
    }

    func start(_ clients: Clients) {
        self.clients = clients
        isStopped = false
        member = client % clients.endpoints.count
        connect()
    }

    func stop() {
        isStopped = true
        close()
    }

    private func close() {
        era += 1
        stream = nil
        if let connection { clients?.loop.execute { connection.abort() } }
        connection = nil
    }

    private func schedule(_ delay: TimeAmount, _ body: @escaping (Watcher) -> Void) {
        let era = era
        clients?.loop.assumeIsolated().scheduleTask(in: delay) {
            if !self.isStopped, self.era == era { body(self) }
        }
    }

    private func connect() {
        guard let clients, !isStopped else { return }
        var settings = RPCClientSettings()
        settings.connectTimeout = .milliseconds(500)
        let place = clients.endpoints[member]
        let era = era
        RPCClient.connect(host: place.host, port: place.port, on: clients.loop, settings: settings)
            .assumeIsolated().whenComplete { result in
                guard self.era == era, !self.isStopped else { return }
                switch result {
                case .success(let connection):
                    clients.session.logIn(on: connection) { metadata in
                        guard self.era == era, !self.isStopped else { return }
                        self.metadata = metadata ?? []
                        self.open(connection)
                    }
                case .failure: self.moveOn()
                }
            }
    }

    /// Carries on at another server.
    private func moveOn() {
        guard let clients else { return }
        breaks += 1
        close()
        member = random.draw(0...clients.endpoints.count - 1)
        schedule(.milliseconds(20)) { $0.connect() }
    }

    private func open(_ connection: RPCClient) {
        self.connection = connection
        guard let clients else { return }
        let era = era
        let stream = connection.stream(
            "/etcdserverpb.Watch/Watch",
            metadata: metadata + (manner.requiresLeader ? [("hasleader", "true")] : []),
            onMessage: { message in if self.era == era { self.received(message) } },
            onEnd: { status in
                if Session.isSpent(status.message) { clients.session.forget(self.metadata) }
                if self.era == era, !self.isStopped { self.schedule(.zero) { $0.moveOn() } }
            })
        guard let stream else { return }
        self.stream = stream
        create(on: stream)
        // The collector stays where it is: it only has to be complete.
        if manner.startRevision == 0 {
            schedule(.milliseconds(Int64(random.draw(1000...15_000)))) { $0.moveOn() }
        } else {
            schedule(.seconds(10)) { $0.moveOn() }
        }
        askForProgress()
    }

    private func create(on stream: ClientStream) {
        guard let clients else { return }
        resume()
        let start = startRevision
        let request = EtcdWatchRequest.with {
            $0.createRequest = EtcdWatchCreateRequest.with {
                $0.key = Data(manner.interval.key.storage)
                $0.rangeEnd = Data(manner.interval.end.storage)
                $0.startRevision = start
                $0.prevKv = manner.wantsPrevious
                $0.fragment = manner.wantsFragments
                $0.filters =
                    (manner.withoutPuts ? [.noput] : [])
                    + (manner.withoutDeletes ? [.nodelete] : [])
            }
        }
        let before = current
        current = clients.recorder.opened { id in
            RecordedWatch(
                id: id, client: client, member: member, start: Recorder.now,
                interval: manner.interval, startRevision: start, withoutPuts: manner.withoutPuts,
                withoutDeletes: manner.withoutDeletes, wantsPrevious: manner.wantsPrevious,
                wantsFragments: manner.wantsFragments, resumes: before)
        }
        send(request, on: stream)
    }

    /// Where the next watch has to begin so that nothing is missing.
    private func resume() {
        guard let clients, let current else { return }
        let before = clients.recorder.watches[current]
        guard let reached = before.reachedRevision ?? before.firstRevision.map({ $0 - 1 }) else {
            return
        }
        startRevision = reached + 1
    }

    private func askForProgress() {
        schedule(.milliseconds(Int64(random.draw(300...1500)))) { watcher in
            if let stream = watcher.stream {
                watcher.send(
                    EtcdWatchRequest.with { $0.progressRequest = EtcdWatchProgressRequest() },
                    on: stream)
            }
            watcher.askForProgress()
        }
    }

    private func send(_ request: EtcdWatchRequest, on stream: ClientStream) {
        guard let bytes: [UInt8] = try? request.serializedBytes() else { return }
        stream.send(bytes)
    }

    private func received(_ bytes: [UInt8]) {
        guard let clients, let current,
            let message = try? EtcdWatchResponse(serializedBytes: bytes)
        else { return moveOn() }
        let body: RecordedWatchResponse.Body
        if message.canceled {
            body = .canceled(
                compactRevision: message.compactRevision, reason: message.cancelReason)
        } else if message.created {
            body = .created
        } else if message.events.isEmpty {
            body = .progress
        } else {
            body = .events(message.events.map(AnswerMessage.event))
        }
        let response = RecordedWatchResponse(
            time: Recorder.now, revision: message.header.revision, body,
            isFragment: message.fragment)
        clients.recorder.received(response, on: current)
        advance(response)
    }

    private func advance(_ response: RecordedWatchResponse) {
        switch response.body {
        case .events(let events):
            guard !response.isFragment, let last = events.last else { return }
            reached = max(reached, last.revision)
        case .progress: reached = max(reached, response.revision)
        case .canceled(let compactRevision, let reason):
            if Session.isSpent(reason) { clients?.session.forget(metadata) }
            if compactRevision > 0 {
                // What was compacted meanwhile cannot be had: a new watch, not the same carried on.
                current = nil
                startRevision = compactRevision
            }
            moveOn()
        case .created: break
        }
    }
}
