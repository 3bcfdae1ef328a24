import Logging
import NIOCore
import Primitives
import RaftCore
import Replication
import StateMachine

/// What the leader does without being asked: it sees to the space alarm and compacts history.
struct Housekeeping {
    let compaction: AutoCompaction
    var records: RecordRetention
    var recordsInFlight = false
    var space = SpaceAlarmDuty()
    var alarmInFlight = false
    var compactionInFlight = false
    /// Revisions at known times, oldest first, for periodic compaction.
    var samples: [(at: NIODeadline, revision: Revision)] = []
    var nextSample = NIODeadline.now()

    /// How often the revision mode compacts, as in etcd.
    static let revisionInterval: TimeAmount = .minutes(5)
    static let samplesMax = 64

    init(_ compaction: AutoCompaction, _ records: RecordRetention) {
        self.compaction = compaction
        self.records = records
    }

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
        housekeeping.records.note(store.revision, time: store.clusterTime)
        guard isLeader else {
            housekeeping.space = SpaceAlarmDuty()
            return
        }
        seeToSpaceAlarm()
        compactRecords()
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

    /// Only where there are records: a store of keys alone gets no entry for them.
    private func compactRecords() {
        guard !housekeeping.recordsInFlight, store.recordBytesInUse > 0, mayDecide,
            store.members.clusterLevel >= .recordCompaction, !store.isPurgePending,
            let revision = housekeeping.records.due(
                time: store.clusterTime, floor: store.compactedRevision(of: .datacenter),
                pastBytes: store.recordPastBytes, middle: store.recordMiddle)
        else { return }
        housekeeping.recordsInFlight = true
        logger.info(
            "compacting the past of the datacenter's records",
            metadata: ["revision": "\(revision)", "bytes": "\(store.recordBytesInUse)"])
        decide(.compact(revision)) { [weak self] outcome in
            guard let self else { return }
            var pause = Self.refusalPause
            if case .applied(let applied) = outcome, case .datacenter = applied.outcome {
                pause = Self.alarmPause
            }
            eventLoop.assumeIsolated().scheduleTask(in: pause) {
                self.housekeeping.recordsInFlight = false
            }
        }
    }

    /// Before a compaction of records that was not taken is tried again: an alarm may refuse it for
    /// as long as an operator needs.
    private static let refusalPause: TimeAmount = .minutes(1)

    /// Before it is tried again where it was not taken.
    private static let alarmPause: TimeAmount = .seconds(1)

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
        propose(.alarm, proposedID: 0, body: request.encode(), as: .node) { [weak self] outcome in
            guard let self else { return }
            switch outcome {
            case .applied: housekeeping.alarmInFlight = false
            case .refused, .unknown:
                eventLoop.assumeIsolated().scheduleTask(in: Self.alarmPause) {
                    self.housekeeping.alarmInFlight = false
                }
            }
        }
    }
}
