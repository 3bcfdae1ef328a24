package import Primitives
import Replication

/// Reads of the log for archives, until the log's thread has done them.
struct LogReads {
    private var waiting: [UInt64: (LogPortion) -> Void] = [:]
    private var lastID: UInt64 = 0

    mutating func insert(_ done: @escaping (LogPortion) -> Void) -> UInt64 {
        lastID += 1
        waiting[lastID] = done
        return lastID
    }

    mutating func take(_ id: UInt64) -> ((LogPortion) -> Void)? {
        waiting.removeValue(forKey: id)
    }
}

extension Node {
    package func readLog(
        from first: LogIndex, bytesMax: Int, _ done: @escaping (LogPortion) -> Void
    ) {
        let last = min(replica.appliedIndex, replica.view.durableIndex)
        guard !stopping, first <= last else { return done(.later) }
        let id = logReads.insert(done)
        submitLog(.load(first: first, last: last, bytesMax: bytesMax, .archiving(id)))
    }

    /// What could not be read is gone, or damaged here: another member, or a snapshot, has it.
    func logWasRead(_ id: UInt64, _ entries: [LogEntry]) {
        logReads.take(id)?(entries.isEmpty ? .gone : .entries(entries))
    }
}
