import NIOCore
import Primitives
import RaftCore
import Replication

/// What one turn of the loop wants of the log, and who does it.
///
/// It is passed on at the turn's end, behind what the turn sends: the peers' disks work first, and
/// the log thread is woken once. While a follower serves nobody it writes and syncs on the loop
/// itself: the way to the log thread and back costs two wake-ups, some tens of microseconds each,
/// which a client of the leader waits for. A leader never does: a stalled disk must not silence its
/// heartbeats. Nor does who has seen a slow sync lately, serves a call, or has no spare segment: to
/// make one, on a full disk out of an old one, takes long.
struct LogJobs {
    private(set) var jobs: [LogJob] = []
    private var slowUntil = NIODeadline.uptimeNanoseconds(0)

    /// Above it the loop can do something else meanwhile that is worth the wake-up.
    static let inlineBytesMax = 4 << 10
    /// A sync that took longer sends the next ones to the thread, for so long.
    static let slowSync: TimeAmount = .milliseconds(20)
    static let slowPause: TimeAmount = .seconds(5)

    var isEmpty: Bool { jobs.isEmpty }

    mutating func append(_ job: LogJob) {
        jobs.append(job)
    }

    mutating func take() -> [LogJob] {
        defer { jobs = [] }
        return jobs
    }

    mutating func synced(in nanoseconds: UInt64, now: NIODeadline) {
        if Int64(clamping: nanoseconds) > Self.slowSync.nanoseconds {
            slowUntil = now + Self.slowPause
        }
    }

    /// Whether they are quickly done, as far as one can tell.
    func areQuick(now: NIODeadline) -> Bool {
        guard now >= slowUntil else { return false }
        var bytes = 0
        for job in jobs {
            guard case .write(let write) = job else { return false }
            for entry in write.entries {
                bytes += entry.weightBytes
                if bytes > Self.inlineBytesMax { return false }
            }
        }
        return bytes > 0
    }
}

extension Node {
    func submitLog(_ job: LogJob) {
        logJobs.append(job)
        endTurnSoon()
    }

    /// At the end of a turn, behind what it sends.
    func passOnLogJobs() {
        guard !logJobs.isEmpty else { return }
        onWrites()
        let here =
            replica.view.role == .follower && logJobs.areQuick(now: .now()) && !isServing()
            && logThread?.hasSpare == true
        var jobs = logJobs.take()
        if here { logThread?.performHere(&jobs) } else { logThread?.submit(jobs) }
    }
}
