import Logging
import NIOCore
import Primitives
import RaftCore
import Replication
import StateMachine

/// What the leader does without being asked: it raises the space alarm and compacts history.
struct Housekeeping {
    let compaction: AutoCompaction
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
        guard !stopping, isLeader else { return }
        raiseSpaceAlarm()
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
    private func raiseSpaceAlarm() {
        guard !housekeeping.alarmInFlight, configuration.quotaBytes > 0,
            Int64(clamping: store.bytesInUse) > configuration.quotaBytes,
            !store.alarms.isRaised(.noSpace)
        else { return }
        housekeeping.alarmInFlight = true
        logger.error(
            """
            the quota is used up: writes are refused until keys are deleted, history is \
            compacted and the alarm is disarmed
            """,
            metadata: [
                "in use": "\(store.bytesInUse)", "quota": "\(configuration.quotaBytes)",
            ])
        let body = AlarmRequest(.activate, member: memberID, kind: .noSpace).encode()
        propose(.alarm, proposedID: 0, body: body, as: .node) { [weak self] _ in
            self?.housekeeping.alarmInFlight = false
        }
    }
}
