import Logging
import NIOCore
import NIOPosix
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// What the log thread tells the node, on the node's event loop.
protocol LogThreadDelegate: AnyObject {
    func persisted(_ writes: [Write])
    func loaded(first: LogIndex, _ entries: [LogEntry], _ purpose: LoadPurpose)
    /// The disk failed: the node must stop (a failed sync is final).
    func logFailed(_ error: StorageError)
}

/// The one thread that writes and syncs the log and the hard state, in the order in which consensus
/// asked, one write and one sync for all that gathered meanwhile.
///
/// `@unchecked Sendable`: the log and the hard state's file are touched on the thread only.
final class LogThread: @unchecked Sendable {
    enum Job: Sendable {
        case write(Write)
        case load(first: LogIndex, last: LogIndex, bytesMax: Int, LoadPurpose)
        case release(through: LogIndex)
        /// Something small to be made durable between the writes: what is remembered of peers.
        case peerMemory(@Sendable () throws(StorageError) -> Void)
    }

    private let log: SegmentedLog
    private var hardState: HardStateFile
    private let loop: any EventLoop
    private weak var delegate: (any LogThreadDelegate)?
    private var thread: WorkerThread<Job>?
    private var failed = false
    private let isRotten: Bool
    private let onSync: @Sendable (UInt64) -> Void

    init(
        log: SegmentedLog, hardState: HardStateFile, loop: any EventLoop,
        delegate: any LogThreadDelegate, onSync: @escaping @Sendable (UInt64) -> Void
    ) {
        self.log = log
        isRotten = !log.rotten.isEmpty
        self.hardState = hardState
        self.loop = loop
        self.delegate = delegate
        self.onSync = onSync
        let thread = WorkerThread<Job> { [weak self] jobs in self?.perform(&jobs) }
        self.thread = thread
        thread.start()
    }

    func submit(_ job: Job) { thread?.submit(job) }

    func stop() { thread?.stop() }

    /// Blocks until the last write is done. Not on the event loop.
    func join() { thread?.join() }

    /// Whether the next segment is ready; without one the thread has to make it while writes wait.
    var hasSpare: Bool { log.spareCount >= LogThread.options.spareSegments }

    static let options = LogOptions(spareSegments: 2)

    /// Makes the next segment, on the calling thread, which is not the log's.
    func prepareSpare() throws(StorageError) { _ = try log.prepareSpare() }

    private func perform(_ jobs: inout [Job]) {
        guard !failed else { return }
        // A log with holes takes nothing: what is not written is never acknowledged.
        if isRotten { jobs.removeAll { if case .write = $0 { true } else { false } } }
        var writes: [Write] = []
        do {
            for job in jobs {
                switch job {
                case .write(let write):
                    try take(write)
                    writes.append(write)
                case .load(let first, let last, let bytesMax, let purpose):
                    let entries = try log.read(from: first, through: last, bytesMax: bytesMax)
                    tell { $0.loaded(first: first, entries, purpose) }
                case .release(let index): try log.release(through: index)
                case .peerMemory(let body): try body()
                }
            }
            try appendGathered()
            try complete(&writes)
        } catch {
            failed = true
            tell { $0.logFailed(error) }
        }
    }

    private var gathered: [LogEntry] = []
    private var gatheredTruncation: LogIndex?
    private var unsynced = false

    private func take(_ write: Write) throws(StorageError) {
        if let state = write.hardState {
            try appendGathered()
            try hardState.store(state)
        }
        if let position = write.startAfter {
            try appendGathered()
            try log.reset(to: position.index, term: position.term)
        }
        if write.truncateFrom != nil { try appendGathered() }
        if let truncation = write.truncateFrom { gatheredTruncation = truncation }
        if gathered.isEmpty {
            gathered = write.entries
        } else {
            gathered.append(contentsOf: write.entries)
        }
    }

    private func appendGathered() throws(StorageError) {
        guard !gathered.isEmpty || gatheredTruncation != nil else { return }
        try log.append(gathered, truncatingFrom: gatheredTruncation)
        gathered = []
        gatheredTruncation = nil
        unsynced = true
    }

    private func complete(_ writes: inout [Write]) throws(StorageError) {
        try appendGathered()
        guard !writes.isEmpty else { return }
        if unsynced {
            let start = NIODeadline.now()
            try log.sync()
            unsynced = false
            onSync(UInt64((NIODeadline.now() - start).nanoseconds))
        }
        let done = writes
        writes = []
        tell { $0.persisted(done) }
    }

    private func tell(_ body: @escaping @Sendable (any LogThreadDelegate) -> Void) {
        loop.execute { [weak self] in
            if let delegate = self?.delegate { body(delegate) }
        }
    }
}
