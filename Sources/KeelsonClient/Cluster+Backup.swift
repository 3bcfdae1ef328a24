internal import NIOCore
internal import Primitives

/// A piece of a member's state, in order: one chunk of a snapshot's stream.
package struct BackupPiece: Sendable {
    package let chunk: [UInt8]
    /// About how many bytes there are in all, before compression; zero but in the first piece that
    /// an answer has.
    package let estimatedBytes: UInt64

    /// Of a BackupChunk: chunk = 1, estimated_bytes = 2. Nil for what is none.
    fileprivate init?(_ message: [UInt8]) {
        var chunk: [UInt8] = []
        var estimatedBytes: UInt64 = 0
        let isSound = message.withUnsafeBytes { bytes in
            do throws(ProtobufError) {
                var reader = ProtobufReader(bytes)
                while let (number, type) = try reader.nextField() {
                    switch (number, type) {
                    case (1, .lengthDelimited): chunk = Array(try reader.lengthDelimited())
                    case (2, .varint): estimatedBytes = try reader.varint()
                    default: try reader.skip(type)
                    }
                }
                return true
            } catch { return false }
        }
        guard isSound, !chunk.isEmpty else { return nil }
        self.chunk = chunk
        self.estimatedBytes = estimatedBytes
    }
}

extension Cluster {
    /// Downloads one member's whole state, as members send it to each other. Needs the role `root`
    /// where the cluster asks who calls.
    ///
    /// - Parameters:
    ///   - isSerializable: as the member has it, also where no majority answers.
    ///   - resumePoint: where a download stopped that is to go on, as the pieces before have it.
    ///     Fails with ``ClusterError/Code/notFound`` where the member that is asked does not keep
    ///     it; one of an older version sends another state, from its beginning.
    ///   - timeout: how long the whole may take.
    ///   - body: is given the pieces one after the other; no more is read while it works.
    package func backup(
        isSerializable: Bool, resumePoint: [UInt8]? = nil, timeout: Duration = .seconds(3600),
        _ body: @escaping @Sendable (BackupPiece) async throws -> Void
    ) async throws {
        // BackupSnapshotRequest: serializable = 1, resume_point = 2.
        var request = ProtobufWriter(capacity: 64)
        request.field(1, isSerializable)
        if let resumePoint { request.field(2, resumePoint) }
        let download = Download(
            dialer: dialer, connectTimeout: TimeAmount(options.timeout),
            path: "/keelson.Backup/Snapshot", request: request.bytes, unreadMax: 16,
            decode: BackupPiece.init)
        let deadline = NIODeadline.now() + TimeAmount(timeout)
        while let piece = try await download.next(deadline: deadline) { try await body(piece) }
    }
}
