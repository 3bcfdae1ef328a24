internal import API
internal import NIOCore
internal import SwiftProtobuf

/// A piece of a snapshot, in order.
public struct SnapshotPiece: Sendable {
    public let bytes: [UInt8]
    /// Bytes of the file that are still to come after this piece, without its digest.
    public let remainingBytes: UInt64
}

extension Cluster {
    /// Downloads a snapshot of one member's state: the file that `etcdctl snapshot save` writes,
    /// with the SHA-256 of all before it as its last 32 bytes. Needs the role `root` where the
    /// cluster asks who calls.
    ///
    /// - Parameters:
    ///   - timeout: how long the whole may take; by default an hour.
    ///   - body: is given the pieces one after the other; no more is read while it works.
    public func snapshot(
        timeout: Duration = .seconds(3600),
        _ body: @escaping @Sendable (SnapshotPiece) async throws -> Void
    ) async throws {
        let download = Download(
            dialer: dialer, connectTimeout: TimeAmount(options.timeout),
            path: "/etcdserverpb.Maintenance/Snapshot", request: [], decode: SnapshotPiece.init)
        let deadline = NIODeadline.now() + TimeAmount(timeout)
        while let piece = try await download.next(deadline: deadline) { try await body(piece) }
    }
}

extension SnapshotPiece {
    /// Of a message that is a SnapshotResponse; nil for any other.
    fileprivate init?(_ message: [UInt8]) {
        guard let answer = try? EtcdSnapshotResponse(serializedBytes: message) else { return nil }
        bytes = Array(answer.blob)
        let isCounted = answer.remainingBytes >= UInt64(bytes.count)
        remainingBytes = isCounted ? answer.remainingBytes - UInt64(bytes.count) : 0
    }
}
