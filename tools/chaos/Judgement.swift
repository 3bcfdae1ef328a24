internal import Foundation
internal import Primitives
internal import Simulation

/// Holds a history against every checker.
struct Judgement {
    /// What the history itself does not tell.
    struct Circumstances {
        /// When members were started again, in nanoseconds; nil where nobody took that down.
        var restarts: [Int: [Int64]]?
        /// From when on nothing kept a lease from ending in time; nil where that is not known.
        var healthyFrom: Int64?
        var hashes: [MemberHash] = []
        /// What each member held at ``finalRevision``.
        var finalStates: [[RecordedPair]] = []
        var finalRevision: Int64 = 0
    }

    private(set) var violations: [CheckViolation] = []
    /// How long each checker took, in seconds.
    private(set) var seconds: [String: Double] = [:]

    /// `recorded.writes` must be there: without it most promises cannot be judged.
    init(_ recorded: RecordedHistory, _ circumstances: Circumstances) {
        guard let writes = recorded.writes else {
            violations = [CheckViolation("K3", "the history", "nobody read the revisions")]
            return
        }
        let queues = QueueTruth(recorded, writes)
        let history = recorded.withStandIns
        run("linearizability") { Self.linearizability(history) }
        run("watches") {
            WatchChecks.check(
                history.watches, WatchTruth(writes, operations: history.operations))
        }
        run("leases") {
            LeaseChecks.check(
                LeaseTruth(history, writes), LeaseOptions(healthyFrom: circumstances.healthyFrom))
        }
        run("locks") {
            LockChecks.check(queues, LockOptions(healthyFrom: circumstances.healthyFrom))
        }
        run("acknowledged writes") {
            var found = AcknowledgedWrites.check(history.operations, writes)
            // Leases end even when nobody calls any more.
            let until = WriteHistory(
                writes.revisions.filter { $0.revision <= circumstances.finalRevision })
            for state in circumstances.finalStates {
                found += AcknowledgedWrites.check([], until, finalState: state)
            }
            return found
        }
        run("revisions") {
            var operations = history.operations
            if circumstances.restarts == nil {
                for place in operations.indices { operations[place].member = nil }
            }
            return RevisionRules.check(
                operations, writes, restarts: circumstances.restarts ?? [:])
        }
        run("at most once") { AtMostOnce.check(history.operations, writes) }
        run("replica identity") { ReplicaIdentity.check(circumstances.hashes) }
    }

    private mutating func run(_ name: String, _ check: () -> [CheckViolation]) {
        let start = Recorder.now
        violations += check()
        seconds[name] = Double(Recorder.now - start) / 1e9
    }

    /// A search that was given up counts as a violation.
    private static func linearizability(_ history: RecordedHistory) -> [CheckViolation] {
        let options = LinearizabilityOptions(
            stepsMax: max(2_000_000, 50 * history.operations.count))
        switch LinearizabilityChecker.check(history, options) {
        case .linearizable: return []
        case .unknown(let reason):
            return [CheckViolation("K2", "the history", "the search was given up: \(reason)")]
        case .violation(let violation):
            let accused = violation.operations.prefix(4).compactMap { id in
                history.operations.first { $0.id == id }?.summary
            }
            return [
                CheckViolation(
                    "K2", "the history",
                    ([violation.description] + accused).joined(separator: "\n    "))
            ]
        }
    }

    /// The changes, revision by revision, as the collector's watches saw them; what a later one
    /// repeats is left out here, and found by the checker of resumed watches.
    static func writes(from watches: [RecordedWatch], client: Int) -> WriteHistory {
        var revisions: [RecordedRevision] = []
        var last: Int64 = 1
        for watch in watches where watch.client == client {
            for event in watch.responses.lazy.flatMap({ $0.events }) where event.revision >= last {
                if let place = revisions.indices.last, event.revision == last {
                    if !revisions[place].events.contains(event) {
                        revisions[place].events.append(event)
                    }
                } else {
                    revisions.append(RecordedRevision(event.revision, [event]))
                    last = event.revision
                }
            }
        }
        return WriteHistory(revisions)
    }
}
