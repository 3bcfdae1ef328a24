internal import NIOCore
package import Primitives

/// Entries of a cluster's log, as a member has them.
package struct LogSlice: Sendable {
    package var entries: [LogEntry] = []
    /// What the member has applied.
    package var appliedIndex: UInt64 = 0
    /// The member has not got the first entry that was asked for any more.
    package var isGone = false
    package var clusterID: UInt64 = 0

    package init() {}

    /// Of a BackupLogResponse: entries = 1, applied_index = 2, gone = 3, cluster_id = 4. Nil for
    /// what is none, or whose entries do not follow one another from `first` on.
    init?(_ message: [UInt8], from first: UInt64) {
        var next = first
        let isSound = message.withUnsafeBytes { bytes in
            do throws(ProtobufError) {
                var reader = ProtobufReader(bytes)
                while let (number, type) = try reader.nextField() {
                    switch (number, type) {
                    case (1, .lengthDelimited):
                        guard let entry = try Self.entry(try reader.lengthDelimited()),
                            entry.index.rawValue == next
                        else { return false }
                        entries.append(entry)
                        next += 1
                    case (2, .varint): appliedIndex = try reader.varint()
                    case (3, .varint): isGone = try reader.varint() != 0
                    case (4, .varint): clusterID = try reader.varint()
                    default: try reader.skip(type)
                    }
                }
                return true
            } catch { return false }
        }
        guard isSound else { return nil }
    }

    /// BackupLogEntry: index = 1, term = 2, kind = 3, payload = 4.
    private static func entry(
        _ bytes: UnsafeRawBufferPointer
    ) throws(ProtobufError) -> LogEntry? {
        var reader = ProtobufReader(bytes)
        var (index, term, kind): (UInt64, UInt64, UInt64) = (0, 0, 0)
        var payload: [UInt8] = []
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .varint): index = try reader.varint()
            case (2, .varint): term = try reader.varint()
            case (3, .varint): kind = try reader.varint()
            case (4, .lengthDelimited): payload = Array(try reader.lengthDelimited())
            default: try reader.skip(type)
            }
        }
        guard index > 0, index < 1 << 62, let kind = UInt8(exactly: kind).flatMap(EntryKind.init)
        else { return nil }
        return LogEntry(index: LogIndex(index), term: Term(term), kind: kind, payload: payload)
    }
}

extension Cluster {
    /// The next call goes to another endpoint, where there is one: the member that answered may be
    /// behind, or may not hold what was asked for.
    package func preferNextEndpoint() { dialer.execute { self.dialer.preferNext() } }

    /// Entries that are committed, from `first` on, as far as one answer goes; waits so long for
    /// the first of them. Needs the role `root` where the cluster asks who calls.
    package func log(
        from first: UInt64, waiting: Duration
    ) async throws(ClusterError) -> LogSlice {
        var request = ProtobufWriter(capacity: 16)
        request.field(1, first)
        request.field(
            2,
            UInt64(
                max(
                    1,
                    waiting.components.seconds * 1000
                        + waiting.components.attoseconds / 1_000_000_000_000_000)))
        let bytes = try await call(
            "/keelson.Backup/Log", request.bytes, isRead: true, timeout: options.timeout + waiting)
        guard let portion = LogSlice(bytes, from: first) else {
            throw ClusterError(.malformedAnswer, "the log that a member sent cannot be decoded")
        }
        return portion
    }
}
