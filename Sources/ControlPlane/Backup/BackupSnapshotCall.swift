internal import Primitives
internal import RPC
internal import RaftCore
internal import Replication
internal import StateMachine
internal import Storage

/// `keelson.Backup/Snapshot`: the state as the chunks that members send each other. They are made
/// on the thread of large answers, one at a time as the client takes them, so that nobody waits.
///
/// Confined to the event loop, hence `@unchecked Sendable`.
final class BackupSnapshotCall: ServerStream, @unchecked Sendable {
    private typealias Chunks = SnapshotWriter<AnyIterator<Row>>

    /// Only one job at a time has the writer.
    private final class Source: @unchecked Sendable {
        var chunks: Chunks
        init(_ chunks: Chunks) { self.chunks = chunks }
    }

    private let call: ServerCall
    private let node: any NodeFacade
    private let thread: LargeRanges
    private let wholeReads: WholeReads
    private var hasPlace = false
    private var hasRequest = false
    private var isMaking = false
    private var source: Source?
    /// Told with the first chunk.
    private var estimatedBytes: UInt64 = 0
    /// Made and not sent.
    private var chunk: [UInt8]?

    /// Content of a chunk: a fifth of what a client takes as one message by default.
    private static let chunkBytes = 256 << 10

    init(call: ServerCall, node: any NodeFacade, thread: LargeRanges, wholeReads: WholeReads) {
        self.call = call
        self.node = node
        self.thread = thread
        self.wholeReads = wholeReads
    }

    func received(_ message: [UInt8]) {
        guard !hasRequest, let isSerializable = Self.isSerializable(message) else {
            return call.finish(.malformed)
        }
        hasRequest = true
        if let refusal = node.refusal(of: call, onLearners: true) { return call.finish(refusal) }
        guard wholeReads.enterForSnapshot() else { return call.finish(.tooManyRequests) }
        hasPlace = true
        if isSerializable { return begin() }
        // Everything that was acknowledged before the call is to be in it.
        node.linearizableRead { [self] failure in
            guard call.isOpen else { return }
            if let failure { return call.finish(failure.status) }
            begin()
        }
    }

    func halfClosed() {
        if !hasRequest { call.finish(.malformed) }
    }

    func closed(cancelled: Bool) {
        source = nil
        chunk = nil
        if hasPlace { wholeReads.leave() }
    }

    func writable() { send() }

    /// BackupSnapshotRequest: serializable = 1. Nil for what is none.
    private static func isSerializable(_ message: [UInt8]) -> Bool? {
        var isSerializable = false
        let isSound = message.withUnsafeBytes { bytes in
            do throws(ProtobufError) {
                var reader = ProtobufReader(bytes)
                while let (number, type) = try reader.nextField() {
                    switch (number, type) {
                    case (1, .varint): isSerializable = try reader.varint() != 0
                    default: try reader.skip(type)
                    }
                }
                return true
            } catch { return false }
        }
        return isSound ? isSerializable : nil
    }

    private func begin() {
        // The call may have begun when somebody else was asked for.
        do throws(StoreError) { try node.store.requireAdmin(call.principal) } catch {
            return call.finish(error.status)
        }
        let frozen = node.store.freeze()
        estimatedBytes = UInt64(max(0, node.store.bytesInUse))
        let voters = frozen.members.records.filter { $0.role == .voter }.map(\.id)
        let header = SnapshotHeader(
            index: frozen.appliedIndex, term: frozen.appliedTerm,
            configuration: ClusterConfiguration(voters: voters).encode(),
            clusterID: node.clusterID, sender: node.memberID, boot: .zero, snapshotID: 0)
        var limits = SnapshotLimits()
        limits.chunkBytesMax = Self.chunkBytes
        let rows = AnyIterator(frozen.rows().lazy.map(Row.init).makeIterator())
        source = Source(SnapshotWriter(header: header, rows: rows, limits: limits))
        make()
    }

    private func make() {
        guard let source, !isMaking else { return }
        isMaking = true
        thread.run(for: call, { [self] in made($0) }) {
            Result { () throws(StorageError) in try source.chunks.nextChunk() }
        }
    }

    private func made(_ result: Result<[UInt8]?, StorageError>) {
        isMaking = false
        guard call.isOpen, source != nil else { return }
        switch result {
        case .success(let made?):
            chunk = made
            send()
        case .success(nil):
            source = nil
            call.finish(.ok)
        case .failure(let error):
            source = nil
            call.finish(
                RPCStatus(.internalError, "keelson: the state cannot be read: \(error)"))
        }
    }

    private func send() {
        guard !isMaking, call.isOpen, call.isWritable, let made = chunk else { return }
        chunk = nil
        // BackupChunk: chunk = 1, estimated_bytes = 2.
        var writer = ProtobufWriter(capacity: made.count + 24)
        writer.field(1, made)
        writer.field(2, estimatedBytes)
        estimatedBytes = 0
        call.send(writer.bytes)
        make()
    }
}
