internal import LocalCluster
internal import NIOCore
internal import Primitives
internal import RPC

/// One connection with one stream of many watches, which goes on at the next server, behind what it
/// was told last, when it breaks. Confined to its event loop, hence `@unchecked Sendable`.
final class SoakConnection: @unchecked Sendable {
    private let soak: WatchSoak
    private var endpoint: Int
    /// Number of the watcher, and the revision from which it is to be told on.
    private var watches: [(watcher: Int, next: Int64)]
    private var client: RPCClient?
    private var stream: ClientStream?
    private var generation = 0
    private(set) var createdCount = 0
    private(set) var reconnects = 0

    init(soak: WatchSoak, number: Int, watchers: [Int]) {
        self.soak = soak
        endpoint = number % soak.nodes.count
        watches = watchers.map { ($0, 1) }
    }

    func start() { connect() }

    func stop() {
        generation += 1
        client?.abort()
        client = nil
    }

    private func connect() {
        generation += 1
        createdCount = 0
        let generation = generation
        var settings = RPCClientSettings()
        settings.connectTimeout = .milliseconds(500)
        let node = soak.nodes[endpoint]
        RPCClient.connect(
            host: node.host, port: node.clientPort, on: soak.loop, settings: settings
        ).assumeIsolated().whenComplete { result in
            guard generation == self.generation else { return }
            switch result {
            case .success(let client): self.open(client, generation)
            case .failure: self.reconnect()
            }
        }
    }

    private func reconnect() {
        reconnects += 1
        generation += 1
        let generation = generation
        if let client { soak.loop.execute { client.abort() } }
        client = nil
        stream = nil
        endpoint = (endpoint + 1) % soak.nodes.count
        soak.loop.assumeIsolated().scheduleTask(in: .milliseconds(20)) {
            if generation == self.generation { self.connect() }
        }
    }

    private func open(_ client: RPCClient, _ generation: Int) {
        self.client = client
        stream = client.stream(
            EtcdMessages.watch, metadata: [("hasleader", "true")],
            onMessage: { if generation == self.generation { self.received($0) } },
            onEnd: { _ in if generation == self.generation { self.reconnect() } })
        for (number, watch) in watches.enumerated() {
            let prefix = WatchSoak.prefix(soak.book.prefix(of: watch.watcher))
            var create = ProtobufWriter()
            create.field(1, prefix + "/")
            create.field(2, prefix + "0")
            create.field(3, watch.next)
            create.field(7, Int64(number + 1))
            var request = ProtobufWriter()
            request.field(1, create.bytes)
            stream?.send(request.bytes)
        }
    }

    private func received(_ message: [UInt8]) {
        do {
            try message.withUnsafeBytes { try read($0) }
        } catch {
            soak.book.violate("a watch's answer cannot be read: \(error)")
        }
    }

    private func read(_ bytes: UnsafeRawBufferPointer) throws {
        var reader = ProtobufReader(bytes)
        var number = 0
        var revisions: [Int64] = []
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (2, .varint): number = Int(truncatingIfNeeded: try reader.varint()) - 1
            case (3, .varint): if try reader.varint() != 0 { createdCount += 1 }
            case (4, .varint):
                if try reader.varint() != 0 { soak.book.violate("a watch was cancelled") }
            case (11, .lengthDelimited):
                revisions.append(try revision(ofEvent: try reader.lengthDelimited()))
            case (_, let type): try reader.skip(type)
            }
        }
        guard watches.indices.contains(number) else { return }
        for revision in revisions {
            soak.book.told(watches[number].watcher, revision)
            watches[number].next = revision + 1
        }
    }

    private func revision(ofEvent bytes: UnsafeRawBufferPointer) throws -> Int64 {
        var event = ProtobufReader(bytes)
        while let field = try event.nextField() {
            guard field.number == 2, field.type == .lengthDelimited else {
                try event.skip(field.type)
                continue
            }
            var pair = ProtobufReader(try event.lengthDelimited())
            while let field = try pair.nextField() {
                if field.number == 3, field.type == .varint {
                    return Int64(bitPattern: try pair.varint())
                }
                try pair.skip(field.type)
            }
        }
        return 0
    }
}
