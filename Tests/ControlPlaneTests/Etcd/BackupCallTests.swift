import API
import ControlPlane
import NIOCore
import Primitives
import RPC
import Storage
import Testing

@Suite("A backup's stream that ended early is gone on with", .timeLimit(.minutes(2)))
struct BackupCallTests {
    private static let path = "/keelson.Backup/Snapshot"
    private static let notKept = RPCStatus(
        .notFound, "keelson: this member does not keep the rest of that backup")

    /// A client that does not read holds its stream up soon.
    private static let smallWindows: RPCClientSettings = {
        var settings = RPCClientSettings()
        settings.streamWindowBytes = 65_535
        return settings
    }()

    private func run(
        _ change: (inout EtcdLimits) -> Void = { _ in },
        _ body: (EtcdHarness) async throws -> Void
    ) async throws {
        var options = EtcdServicesOptions()
        change(&options.limits)
        try await EtcdHarness.run(options: options, settings: Self.smallWindows) { etcd in
            try await etcd.onLoop { node in
                for index in 0..<4000 { node.write("k\(index)", noise(index)) }
            }
            try await body(etcd)
        }
    }

    private func ask(
        _ etcd: EtcdHarness, _ point: SnapshotResumePoint? = nil, as user: EtcdHarness.Metadata = []
    ) -> StreamProbe {
        var request = ProtobufWriter(capacity: 64)
        if let point { request.field(2, point.encode()) }
        let stream = etcd.stream(Self.path, metadata: user)
        stream.send(bytes: request.bytes)
        stream.halfClose()
        return stream
    }

    /// Takes `count` chunks in, or all that there are.
    private func take(
        _ stream: StreamProbe, _ count: Int = .max, into reader: inout SnapshotReader
    ) async throws {
        var left = count
        while left > 0, !reader.isComplete {
            let message = try await stream.nextBytes()
            _ = try reader.accept(try chunk(of: message))
            left -= 1
        }
    }

    /// The first `count` chunks of a stream that is cancelled then, and how it would go on.
    private func begin(
        _ etcd: EtcdHarness, _ count: Int = 2, as user: EtcdHarness.Metadata = []
    ) async throws -> (reader: SnapshotReader, point: SnapshotResumePoint) {
        var reader = SnapshotReader(clusterID: nil)
        let stream = ask(etcd, as: user)
        try await take(stream, count, into: &reader)
        stream.cancel()
        return (reader, try #require(reader.resumePoint))
    }

    @Test("by the state as it was, whatever was written since")
    func goesOn() async throws {
        try await run { etcd in
            var (reader, point) = try await begin(etcd)
            let rows = reader.rowCount
            try await etcd.onLoop { node in
                for index in 0..<4000 { node.write("k\(index)", "another") }
            }
            #expect(point.nextChunk == 2 && point.boot != .zero)
            try await take(ask(etcd, point), 1, into: &reader)
            // Twice as well, and from where the client is by then.
            let again = try #require(reader.resumePoint)
            try await take(ask(etcd, again), into: &reader)
            #expect(reader.isComplete && reader.rowCount > rows)
            let header = try #require(reader.header)
            #expect(try await etcd.onLoop { $0.appliedIndex } > header.index)
        }
    }

    @Test("from its last chunk as well: what was sent may not have come")
    func lastChunk() async throws {
        try await run { etcd in
            var (reader, point) = try await begin(etcd)
            var copy = reader
            try await take(ask(etcd, point), into: &reader)
            point = try #require(copy.resumePoint)
            try await take(ask(etcd, point), into: &copy)
            #expect(copy.isComplete && copy.rowCount == reader.rowCount)
        }
    }

    @Test("and not for a place that is none, in another member's, life's or snapshot's stream")
    func otherPlaces() async throws {
        try await run { etcd in
            let (_, point) = try await begin(etcd)
            var others = [SnapshotResumePoint](repeating: point, count: 6)
            others[0].sender = NodeID(7)
            others[1].boot = point.boot.next
            others[2].snapshotID += 1
            others[3].nextChunk = 1_000_000
            others[4].digest ^= 1
            others[5].nextChunk = .max
            for other in others {
                #expect(try await ask(etcd, other).status() == Self.notKept)
            }
            var request = ProtobufWriter(capacity: 8)
            request.field(2, [1, 2, 3] as [UInt8])
            let stream = etcd.stream(Self.path)
            stream.send(bytes: request.bytes)
            #expect(try await !stream.status().isOK)
        }
    }

    @Test("for some time only")
    func expiry() async throws {
        try await run {
            $0.keptSnapshotTime = .zero
            $0.sentSnapshotTime = .zero
        } _: { etcd in
            let (_, point) = try await begin(etcd)
            while try await etcd.keptBackups() > 0 {}
            #expect(try await ask(etcd, point).status() == Self.notKept)
        }
    }

    @Test("the newest few only")
    func fewest() async throws {
        try await run {
            $0.keptSnapshotsMax = 1
        } _: { etcd in
            let (_, older) = try await begin(etcd)
            var (reader, newer) = try await begin(etcd)
            while try await etcd.keptBackups() > 1 {}
            #expect(try await ask(etcd, older).status() == Self.notKept)
            try await take(ask(etcd, newer), into: &reader)
            #expect(reader.isComplete)
        }
    }

    @Test("not once another state has taken the place of the store")
    func replaced() async throws {
        try await run { etcd in
            let (_, point) = try await begin(etcd)
            while try await etcd.keptBackups() > 0 {
                try await etcd.onLoop { $0.observer?.storeReplaced() }
            }
            #expect(try await ask(etcd, point).status() == Self.notKept)
        }
    }

    @Test("for administrators only, whoever began it")
    func judged() async throws {
        try await run { etcd in
            try await etcd.enableAuth()
            let root = try await etcd.logIn("root")
            var (reader, point) = try await begin(etcd, as: root)
            let writer = try await etcd.logIn("writer")
            #expect(try await ask(etcd, point, as: writer).status().code == .permissionDenied)
            #expect(try await !ask(etcd, point).status().isOK)
            try await take(ask(etcd, point, as: root), into: &reader)
            #expect(reader.isComplete)
        }
    }
}

/// Half a kilobyte that does not become smaller.
private func noise(_ seed: Int) -> String {
    var random = SplitMix64(seed: UInt64(seed))
    return (0..<32).map { _ in String(random.next(), radix: 36) }.joined()
}

/// Of a BackupChunk: chunk = 1.
private func chunk(of message: [UInt8]) throws -> [UInt8] {
    try message.withUnsafeBytes { bytes in
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            if number == 1 { return Array(try reader.lengthDelimited()) }
            try reader.skip(type)
        }
        return []
    }
}
