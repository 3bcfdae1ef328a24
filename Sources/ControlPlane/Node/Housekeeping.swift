import Logging
import NIOCore
import Primitives
import RaftCore
import Replication
import StateMachine

/// What the leader does without being asked: it sees to the space alarm and compacts history.
struct Housekeeping {
    let compaction: AutoCompaction
    var space = SpaceAlarmDuty()
    var alarmInFlight = false
    var compactionInFlight = false
    /// Revisions at known times, oldest first, for periodic compaction.
    var samples: [(at: NIODeadline, revision: Revision)] = []
    var nextSample = NIODeadline.now()

    /// How often the revision mode compacts, as in etcd.
    static let revisionInterval: TimeAmount = .minutes(5)
    static let samplesMax = 64

    init(_ compaction: AutoCompaction) { self.compaction = compaction }

    /// The revision to compact at now, or nil.
    mutating func revisionToCompact(_ current: Revision, at now: NIODeadline) -> Revision? {
        guard now >= nextSample else { return nil }
        switch compaction {
        case .off:
            nextSample = .distantFuture
            return nil
        case .revision(let count):
            nextSample = now + Self.revisionInterval
            return current.rawValue > count ? Revision(current.rawValue - count) : nil
        case .periodic(let seconds):
            let window = TimeAmount.seconds(Int64(seconds))
            nextSample = now + .nanoseconds(max(1_000_000_000, window.nanoseconds / 10))
            samples.append((now, current))
            var due: Revision?
            while let first = samples.first, now - first.at >= window {
                due = first.revision
                samples.removeFirst()
            }
            if samples.count > Self.samplesMax { samples.removeFirst() }
            return due
        }
    }
}

extension Node {
    func keepHouse() {
        guard !stopping else { return }
        guard isLeader else {
            housekeeping.space = SpaceAlarmDuty()
            return
        }
        seeToSpaceAlarm()
        guard !housekeeping.compactionInFlight,
            let revision = housekeeping.revisionToCompact(store.revision, at: .now()),
            revision > store.compactedRevision
        else { return }
        var body = ProtobufWriter(capacity: 16)
        body.field(1, revision.rawValue)
        housekeeping.compactionInFlight = true
        logger.info("compacting", metadata: ["revision": "\(revision)"])
        propose(.compact, proposedID: 0, body: body.bytes, as: .node) { [weak self] _ in
            self?.housekeeping.compactionInFlight = false
        }
    }

    /// Quota acts only through the replicated alarm, so that every node decides alike.
    private func seeToSpaceAlarm() {
        let quota = configuration.quotaBytes
        guard !housekeeping.alarmInFlight,
            let request = housekeeping.space.request(
                inUse: Int64(clamping: store.bytesInUse), quota: quota,
                raised: store.alarms.raised, by: memberID)
        else { return }
        housekeeping.alarmInFlight = true
        let numbers: Logger.Metadata = ["in use": "\(store.bytesInUse)", "quota": "\(quota)"]
        if request.action == AlarmRequest.Action.activate.rawValue {
            logger.error(
                """
                the quota is used up: writes are refused until keys are deleted and history is \
                compacted
                """, metadata: numbers)
        } else {
            logger.notice("the quota has room again: writes are taken", metadata: numbers)
        }
        propose(.alarm, proposedID: 0, body: request.encode(), as: .node) { [weak self] _ in
            self?.housekeeping.alarmInFlight = false
        }
    }
}
