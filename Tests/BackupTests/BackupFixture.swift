import Backup
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// What the tests of backups share.
enum BackupFixture {
    static let cluster = ClusterID(0xC1)
    static let description = BackupDescription(takenAt: 1_764_460_800_000, program: "keelson test")

    /// Writes into a store by entries, as a node does.
    final class Source {
        let store: Store
        private var sequence: UInt64 = 0
        private(set) var entries: [LogEntry] = []
        var clock: UInt64 = 1_764_460_000_000

        init(_ store: Store = Store()) { self.store = store }

        @discardableResult
        func apply(_ kind: CommandKind, _ body: [UInt8]) -> Applied {
            sequence += 1
            clock += 10
            let request = RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: sequence)
            var header = CommandHeader(kind: kind, request: request)
            header.clock = clock
            let entry = LogEntry(
                index: store.appliedIndex.next, term: Term(3), kind: .command,
                payload: Command.encode(header, body: body))
            entries.append(entry)
            return store.apply(entry)
        }

        func put(_ key: String, _ value: [UInt8], lease: Int64 = 0) {
            var request = ProtobufWriter()
            request.field(1, Array(key.utf8))
            request.field(2, value)
            request.field(3, lease)
            apply(.put, request.bytes)
        }

        func put(_ key: String, _ value: String, lease: Int64 = 0) {
            put(key, Array(value.utf8), lease: lease)
        }

        func delete(_ key: String) {
            var request = ProtobufWriter()
            request.field(1, Array(key.utf8))
            apply(.deleteRange, request.bytes)
        }

        func grant(_ id: Int64, seconds: Int64) {
            var request = ProtobufWriter()
            request.field(1, seconds)
            request.field(2, id)
            apply(.leaseGrant, request.bytes)
        }

        func addUser(_ name: String) {
            apply(.auth, AuthCommand.addUser(Array(name.utf8), hash: [1, 2, 3]).encode())
        }
    }

    /// A store with `keyCount` keys, a lease, a user, versions and deletions.
    static func filled(keyCount: Int = 300) -> Source {
        let source = Source()
        var random = SplitMix64(seed: 7)
        source.grant(77, seconds: 600)
        for number in 0..<keyCount {
            let value = (0..<(number % 200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            source.put("key/\(number)", value, lease: number % 10 == 0 ? 77 : 0)
        }
        for number in stride(from: 0, to: keyCount, by: 7) { source.put("key/\(number)", "again") }
        for number in stride(from: 3, to: keyCount, by: 50) { source.delete("key/\(number)") }
        source.addUser("alice")
        return source
    }

    /// The chunks of the store's stream, small ones.
    /// - Parameter boot: the sender's life; zero: it keeps nothing to go on with.
    static func chunks(
        _ store: Store, chunkBytes: Int = 4096, boot: BootNumber = .zero
    ) throws -> [[UInt8]] {
        let header = SnapshotHeader(
            index: store.appliedIndex, term: store.appliedTerm,
            configuration: ClusterConfiguration(voters: [NodeID(5)]).encode(),
            clusterID: cluster, sender: NodeID(5), boot: boot, snapshotID: 0)
        var limits = SnapshotLimits()
        limits.chunkBytesMax = chunkBytes
        var writer = SnapshotWriter(
            header: header, rows: store.freeze().rows().lazy.map(Row.init).makeIterator(),
            limits: limits)
        var chunks: [[UInt8]] = []
        while let chunk = try writer.nextChunk() { chunks.append(chunk) }
        return chunks
    }

    @discardableResult
    static func write(
        _ store: Store, to path: String, _ fileSystem: any FileSystem, chunkBytes: Int = 4096
    ) throws -> BackupSummary {
        var writer = try BackupWriter(path, description, fileSystem: fileSystem)
        do {
            for chunk in try chunks(store, chunkBytes: chunkBytes) { try writer.append(chunk) }
            return try writer.finish()
        } catch {
            writer.discard()
            throw error
        }
    }

    /// What of a store a client can see, and what a restored one has to have again.
    static func lines(_ store: Store) -> [String] {
        var lines: [String] = []
        store.freeze().forEachRecord { space, record in
            guard store.get(record) else { return }
            let header = record.header
            lines.append(
                "\(space) \(record.key) \(record.value) \(header.createRevision)"
                    + " \(header.modRevision) \(header.version) \(header.lease)")
        }
        lines += store.leases.all.map { "lease \($0.id) \($0.grantedSeconds)" }
        lines += store.auth.users.map { "user \($0.name) \($0.passwordHash) \($0.roles)" }
        return lines
    }

    /// What `body` throws, as a backup's error.
    static func error(_ body: () throws -> Void) -> BackupError? {
        do { try body() } catch { return error as? BackupError }
        return nil
    }
}

extension Store {
    /// Whether the record is the live version of its key.
    fileprivate func get(_ record: Record) -> Bool {
        record.withKey { get($0) }?.isSame(as: record) ?? false
    }
}
