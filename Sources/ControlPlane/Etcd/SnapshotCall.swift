internal import Primitives
internal import RPC
internal import StateMachine

/// `Maintenance.Snapshot`: the state as a file that etcd's own tools take, in blobs of 32 KiB, then
/// its SHA-256 in one more. Made on the thread of large answers, a piece at a time as the client
/// takes it.
///
/// Confined to the event loop, hence `@unchecked Sendable`.
final class SnapshotCall: ServerStream, @unchecked Sendable {
    private let call: ServerCall
    private let node: any NodeFacade
    private let thread: LargeRanges
    private let wholeReads: WholeReads
    private var hasPlace = false
    private var hasRequest = false
    private var isMaking = false
    private var file: SnapshotFile?
    /// What was made and not sent.
    private var piece: [UInt8] = []
    private var sentOfPiece = 0
    private var remaining = 0

    private static let blobBytes = 32 * 1024
    private static let pieceBytes = 1 << 20
    /// etcd 3.5 and everything later reads it.
    private static let storageVersion = "3.5.0"

    init(
        call: ServerCall, node: any NodeFacade, thread: LargeRanges, wholeReads: WholeReads
    ) {
        self.call = call
        self.node = node
        self.thread = thread
        self.wholeReads = wholeReads
    }

    func received(_ message: [UInt8]) {
        guard !hasRequest else { return call.finish(.malformed) }
        hasRequest = true
        if let refusal = node.refusal(of: call, onLearners: true) { return call.finish(refusal) }
        // The call may have begun when somebody else was asked for.
        do throws(StoreError) { try node.store.requireAdmin(call.principal) } catch {
            return call.finish(error.status)
        }
        guard wholeReads.enterForSnapshot() else { return call.finish(.tooManyRequests) }
        hasPlace = true
        let frozen = node.store.freeze()
        thread.run(for: call, { [self] in begin($0) }) {
            Result { try SnapshotFile(frozen) }
        }
    }

    func halfClosed() {
        if !hasRequest { call.finish(.malformed) }
    }

    func closed(cancelled: Bool) {
        file = nil
        if hasPlace { wholeReads.leave() }
    }

    func writable() { send() }

    private func begin(_ made: Result<SnapshotFile, any Error>) {
        guard call.isOpen else { return }
        switch made {
        case .success(let file):
            self.file = file
            remaining = file.fileBytes
            make()
        case .failure(let error): fail(error)
        }
    }

    private func make() {
        guard let file, !isMaking else { return }
        isMaking = true
        thread.run(for: call, { [self] in made($0) }) {
            Result { () throws -> (SnapshotFile, [UInt8]) in
                var file = file
                let piece = try file.next(bytesMin: Self.pieceBytes)
                return (file, piece)
            }
        }
    }

    private func made(_ result: Result<(SnapshotFile, [UInt8]), any Error>) {
        isMaking = false
        guard call.isOpen, file != nil else { return }
        switch result {
        case .success(let (next, bytes)):
            file = next
            piece = bytes
            sentOfPiece = 0
            send()
        case .failure(let error): fail(error)
        }
    }

    private func send() {
        guard !isMaking, file != nil else { return }
        while call.isOpen, call.isWritable, sentOfPiece < piece.count {
            let isDigest = remaining == 0
            let end = min(piece.count, sentOfPiece + Self.blobBytes)
            let blob = piece[sentOfPiece..<end]
            call.send(response(blob))
            sentOfPiece = end
            if isDigest {
                file = nil
                return call.finish(.ok)
            }
            remaining -= blob.count
        }
        if sentOfPiece == piece.count { make() }
    }

    /// SnapshotResponse: header = 1, remaining_bytes = 2, blob = 3, version = 4. What remains is
    /// counted with the blob, as etcd does.
    private func response(_ blob: ArraySlice<UInt8>) -> [UInt8] {
        var writer = ProtobufWriter(capacity: blob.count + 64)
        node.header().encodeField(into: &writer)
        writer.field(2, UInt64(remaining))
        writer.field(3, Array(blob))
        writer.field(4, Self.storageVersion)
        return writer.bytes
    }

    private func fail(_ error: any Error) {
        file = nil
        call.finish(RPCStatus(.internalError, "keelson: the snapshot cannot be made: \(error)"))
    }
}
