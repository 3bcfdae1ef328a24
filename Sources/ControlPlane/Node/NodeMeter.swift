import Monitoring
import NIOCore
import Primitives
import Replication

/// What a node counts and measures of itself. Confined to its event loop.
struct NodeMeter {
    var syncDurations = DurationHistogram.empty
    var proposalsFailed: UInt64 = 0
    private(set) var slowApplies: UInt64 = 0
    private(set) var slowReads: UInt64 = 0
    private(set) var readsFailed: UInt64 = 0
    private(set) var milestones = LogMilestones()
    /// For traces, to which a millisecond is long; nil where there are none.
    private var fineMilestones: LogMilestones?
    /// When the node last stepped, or something of its log last moved in a step.
    private(set) var turnTime = NIODeadline.now()
    private var nextSample = NIODeadline.now()

    /// What etcd warns of.
    static let slowTime: TimeAmount = .milliseconds(100)
    private static let sampleInterval: TimeAmount = .seconds(1)

    /// After a step of the replica, before its effects are carried out.
    @inline(__always)
    mutating func stepped(_ view: ReplicaView, applied: LogIndex, began: NIODeadline) {
        let positions = Self.positions(view, applied)
        guard positions != milestones.latest else {
            turnTime = began
            return
        }
        let now = NIODeadline.now()
        if positions.applied != milestones.latest.applied, now - began > Self.slowTime {
            slowApplies += 1
        }
        turnTime = now
        note(positions)
    }

    /// After what was gathered went into the log.
    @inline(__always)
    mutating func flushed(_ view: ReplicaView, applied: LogIndex) {
        let positions = Self.positions(view, applied)
        guard positions != milestones.latest else { return }
        turnTime = .now()
        note(positions)
    }

    /// They moved in this turn.
    private mutating func note(_ positions: LogMilestones.Positions) {
        milestones.note(positions, now: turnTime.uptimeNanoseconds)
        fineMilestones?.note(positions, now: turnTime.uptimeNanoseconds)
    }

    /// 3 MiB, which last for half a second where something moves all the time.
    mutating func measureFinely() {
        fineMilestones = LogMilestones(capacity: 65_536, sampleNanoseconds: 10_000)
        fineMilestones?.note(milestones.latest, now: turnTime.uptimeNanoseconds)
    }

    /// When the entry at `index` was where, as finely as it is known.
    func times(of index: UInt64) -> LogMilestones.Times {
        let times = milestones.times(of: index)
        return fineMilestones?.times(of: index).or(times) ?? times
    }

    @inline(__always)
    private static func positions(
        _ view: ReplicaView, _ applied: LogIndex
    ) -> LogMilestones.Positions {
        LogMilestones.Positions(
            last: view.lastIndex.rawValue, durable: view.durableIndex.rawValue,
            committed: view.commitIndex.rawValue, applied: applied.rawValue)
    }

    /// A linearizable read was answered in this turn.
    mutating func readEnded(since: NIODeadline, hasFailed: Bool) {
        if hasFailed { readsFailed += 1 }
        if turnTime - since > Self.slowTime { slowReads += 1 }
    }

    /// Once a second.
    var isSampleDue: Bool {
        mutating get {
            let now = turnTime
            guard now >= nextSample else { return false }
            nextSample = now + Self.sampleInterval
            return true
        }
    }
}
