internal import Primitives
internal import RPC
internal import RaftCore
internal import Replication
internal import StateMachine
internal import Storage

/// `keelson.Backup/Snapshot`: the state as the chunks that members send each other. They are made
/// on the thread of large answers, one at a time as the client takes them, so that nobody waits.
/// A call that ended early is gone on with by another one (``KeptSnapshots``).
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
    private let kept: KeptSnapshots
    private var hasPlace = false
    private var hasRequest = false
    private var isMaking = false
    private var isSent = false
    private var snapshot: KeptSnapshot?
    private var source: Source?
    /// Told with the first chunk.
    private var estimatedBytes: UInt64 = 0
    /// Made and not sent.
    private var chunk: [UInt8]?

    /// Content of a chunk: a fifth of what a client takes as one message by default.
    private static let chunkBytes = 256 << 10
    /// Chunks that are passed over in one job: others wait for the thread.
    private static let passedMax: UInt64 = 64

    init(
        call: ServerCall, node: any NodeFacade, thread: LargeRanges, wholeReads: WholeReads,
        kept: KeptSnapshots
    ) {
        self.call = call
        self.node = node
        self.thread = thread
        self.wholeReads = wholeReads
        self.kept = kept
    }

    func received(_ message: [UInt8]) {
        guard !hasRequest, let request = BackupSnapshotRequest(message) else {
            return call.finish(.malformed)
        }
        hasRequest = true
        if let refusal = node.refusal(of: call, onLearners: true) { return call.finish(refusal) }
        if let point = request.resumePoint { return resume(point) }
        guard takePlace() else { return }
        if request.isSerializable { return begin() }
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
        if let snapshot { kept.leave(snapshot, isSent: isSent && !cancelled) }
        snapshot = nil
        if hasPlace { wholeReads.leave() }
    }

    func writable() { send() }

    private func takePlace() -> Bool {
        hasPlace = wholeReads.enterForSnapshot()
        if !hasPlace { call.finish(.tooManyRequests) }
        return hasPlace
    }

    /// False, and the call has ended, where the caller may not have everything.
    private func isAllowed() -> Bool {
        do throws(StoreError) { try node.store.requireAdmin(call.principal) } catch {
            call.finish(error.status)
            return false
        }
        return true
    }

    private func begin() {
        // The call may have begun when somebody else was asked for.
        guard isAllowed() else { return }
        let frozen = node.store.freeze()
        let voters = frozen.members.records.filter { $0.role == .voter }.map(\.id)
        let snapshot = kept.add(
            frozen, configuration: ClusterConfiguration(voters: voters).encode(),
            clusterID: node.clusterID, memberID: node.memberID,
            estimatedBytes: UInt64(max(0, node.store.bytesInUse)))
        read(snapshot)
        make()
    }

    private func resume(_ point: SnapshotResumePoint) {
        guard isAllowed() else { return }
        guard let snapshot = kept.resume(point) else { return call.finish(.notKept) }
        let source = read(snapshot)
        guard takePlace() else { return }
        passOver(source, to: point)
    }

    @discardableResult
    private func read(_ snapshot: KeptSnapshot) -> Source {
        self.snapshot = snapshot
        estimatedBytes = snapshot.estimatedBytes
        var limits = SnapshotLimits()
        limits.chunkBytesMax = Self.chunkBytes
        let rows = AnyIterator(snapshot.frozen.rows().lazy.map(Row.init).makeIterator())
        let source = Source(SnapshotWriter(header: snapshot.header, rows: rows, limits: limits))
        self.source = source
        return source
    }

    /// Makes again what the client has, up to the place where it stopped.
    private func passOver(_ source: Source, to point: SnapshotResumePoint) {
        isMaking = true
        let passed = { [self] (result: Result<Bool, StorageError>) in
            isMaking = false
            guard call.isOpen, self.source === source else { return }
            switch result {
            case .success(true): make()
            case .success(false): passOver(source, to: point)
            case .failure: call.finish(.notKept)
            }
        }
        thread.run(for: call, passed) {
            Result { () throws(StorageError) in
                try source.chunks.advance(toward: point, chunksMax: Self.passedMax)
            }
        }
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
            isSent = true
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

/// BackupSnapshotRequest: serializable = 1, resume_point = 2.
private struct BackupSnapshotRequest {
    var isSerializable = false
    var resumePoint: SnapshotResumePoint?

    /// Nil for what is none.
    init?(_ message: [UInt8]) {
        var place: [UInt8]?
        let isSound = message.withUnsafeBytes { bytes in
            do throws(ProtobufError) {
                var reader = ProtobufReader(bytes)
                while let (number, type) = try reader.nextField() {
                    switch (number, type) {
                    case (1, .varint): isSerializable = try reader.varint() != 0
                    case (2, .lengthDelimited): place = Array(try reader.lengthDelimited())
                    default: try reader.skip(type)
                    }
                }
                return true
            } catch { return false }
        }
        guard isSound else { return nil }
        guard let place else { return }
        guard let point = try? SnapshotResumePoint.decode(place) else { return nil }
        resumePoint = point
    }
}

extension RPCStatus {
    fileprivate static let notKept = RPCStatus(
        .notFound, "keelson: this member does not keep the rest of that backup")
}
