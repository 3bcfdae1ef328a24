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
    func reported(_ report: LogReport)
    /// The disk failed: the node must stop (a failed sync is final).
    func logFailed(_ error: StorageError)
}

/// The one thread that writes and syncs the log and the hard state, in the order in which consensus
/// asked, one write and one sync for all that gathered meanwhile.
///
/// `@unchecked Sendable`: the writer is touched on the thread only, or in its place while it
/// sleeps.
final class LogThread: @unchecked Sendable {
    private let log: SegmentedLog
    private var writer: LogWriter
    private let loop: any EventLoop
    private weak var delegate: (any LogThreadDelegate)?
    private var thread: WorkerThread<LogJob>?
    private let onSync: @Sendable (UInt64) -> Void

    init(
        writer: LogWriter, loop: any EventLoop, delegate: any LogThreadDelegate,
        onSync: @escaping @Sendable (UInt64) -> Void
    ) {
        log = writer.log
        self.writer = writer
        self.loop = loop
        self.delegate = delegate
        self.onSync = onSync
        let thread = WorkerThread<LogJob> { [weak self] jobs in self?.perform(jobs) }
        self.thread = thread
        thread.start()
    }

    func submit(_ jobs: [LogJob]) { thread?.submit(jobs) }

    /// Does the jobs on the calling thread if the log's own is idle; else gives them to it.
    func performHere(_ jobs: inout [LogJob]) {
        guard let thread, !thread.performHere(&jobs) else { return }
        thread.submit(jobs)
    }

    func stop() { thread?.stop() }

    /// Blocks until the last write is done. Not on the event loop.
    func join() { thread?.join() }

    /// Whether the next segment is ready; without one the thread has to make it while writes wait.
    var hasSpare: Bool { log.spareCount >= log.sparesWanted }

    /// Makes the next segment, on the calling thread, which is not the log's.
    var isPreparingDue: Bool { log.isPreparingDue }
    func prepareSpare() throws(StorageError) { _ = try log.prepareSpare() }

    private func perform(_ jobs: [LogJob]) {
        do {
            try writer.take(jobs) { report in tell { $0.reported(report) } }
            if writer.needsSync {
                let start = NIODeadline.now()
                try writer.sync()
                onSync(UInt64((NIODeadline.now() - start).nanoseconds))
            }
            if let done = writer.complete() { tell { $0.reported(done) } }
            if let change = writer.spaceChange() { tell { $0.reported(change) } }
        } catch {
            tell { $0.logFailed(error) }
        }
    }

    private func tell(_ body: @escaping @Sendable (any LogThreadDelegate) -> Void) {
        loop.execute { [weak self] in
            if let delegate = self?.delegate { body(delegate) }
        }
    }
}
