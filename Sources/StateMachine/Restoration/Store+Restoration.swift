internal import Primitives

/// How far the numbers of a restored store lie ahead of those that it was backed up with.
///
/// Whoever met the old cluster after the backup holds higher numbers than the backup has: caches
/// hold revisions, agents hold terms and launch sequences, which come from indexes. None of them
/// may meet a number again that means something else now.
package struct RestorationStep: Equatable, Sendable {
    /// Main revisions; a cluster that writes 10,000 times a second makes so many in 27 hours.
    package static let revisionsMin: Int64 = 1_000_000_000
    package static let indexes: UInt64 = 1_000_000_000
    package static let terms: UInt64 = 1_000_000
    /// No number of a restored store is above this: room for many more restorations, and an index
    /// times 2^12 is the sequence of a launch.
    static let numberMax: UInt64 = 1 << 51

    package var revisions: Int64

    package init(revisions: Int64 = RestorationStep.revisionsMin) { self.revisions = revisions }
}

/// Why a store cannot begin a new cluster.
package enum RestorationError: Error, Equatable, Sendable {
    /// Revision, index or term would be higher than any that a cluster reaches by itself.
    case numbersTooHigh(revision: Int64, index: UInt64, term: UInt64)
    /// The step for revisions is below ``RestorationStep/revisionsMin``.
    case stepTooSmall(Int64)
}

/// What ``Store/beginAnew(_:)`` changed besides the numbers.
package struct RestorationChanges: Equatable, Sendable {
    /// Launches that no agent had confirmed: they are lost.
    package var lostLaunches: [TaskKey] = []
    /// Alarms that were raised, and are not any more.
    package var alarms: [AlarmKind] = []
    /// The downgrade that was announced, and is not any more.
    package var downgradeTarget: String?
}

extension Store {
    /// Makes the state of a backup that of a new cluster, in all but its members:
    ///
    /// - Revision, index and term go up by `step`; keys keep the revisions that they had.
    /// - History is compacted at the new revision, in both spaces: a watch from any older one is
    ///   told so, and its client reads anew.
    /// - Leases have their full time, for nobody could renew them.
    /// - Launches that no agent confirmed are lost: whether the agent ever got them, nobody knows.
    /// - Alarms and an announced downgrade were those of other members.
    ///
    /// Deterministic: equal states become equal states. Cost: O(n), a few microseconds a record.
    package func beginAnew(
        _ step: RestorationStep
    ) throws(RestorationError) -> RestorationChanges {
        guard step.revisions >= RestorationStep.revisionsMin else {
            throw .stepTooSmall(step.revisions)
        }
        let numbers = [
            (UInt64(max(0, mainRevision)), UInt64(step.revisions)),
            (appliedIndex.rawValue, RestorationStep.indexes),
            (appliedTerm.rawValue, RestorationStep.terms),
        ]
        for (number, step) in numbers {
            let (sum, overflow) = number.addingReportingOverflow(step)
            guard !overflow, sum <= RestorationStep.numberMax, mainRevision >= 0 else {
                throw .numbersTooHigh(
                    revision: mainRevision, index: appliedIndex.rawValue,
                    term: appliedTerm.rawValue)
            }
        }
        mainRevision += step.revisions
        appliedIndex = LogIndex(appliedIndex.rawValue + RestorationStep.indexes)
        appliedTerm = Term(appliedTerm.rawValue + RestorationStep.terms)

        var changes = RestorationChanges()
        changes.lostLaunches = loseStagedLaunches()
        for lease in leases.all where lease.remainingSeconds != 0 {
            var full = lease
            full.remainingSeconds = 0
            leases.set(full, stamp: appliedIndex.rawValue)
        }
        changes.alarms = alarms.raised.map(\.kind)
        alarms = AlarmTable()
        changes.downgradeTarget = downgradeTarget
        downgradeTarget = nil
        client.raiseFloor(to: mainRevision)
        datacenter.raiseFloor(to: mainRevision)
        while purge(budget: 65_536) {}
        return changes
    }

    /// Gives the store the members of its new cluster. The ids of those before are never used
    /// again.
    package func replaceMembers(with records: [MemberRecord]) {
        for old in members.records { members.remove(old.id) }
        for record in records { members.set(record) }
    }

    /// All in one revision.
    private func loseStagedLaunches() -> [TaskKey] {
        let staged = datacenterTable.agentIDs.flatMap { id in
            datacenterTable.agents[id]?.tasks ?? []
        }.filter { key in
            guard let task = datacenterTable.tasks[key] else { return false }
            return (task.state == .unreachable ? task.stateBefore : task.state) == .staging
        }
        guard !staged.isEmpty else { return [] }
        var batch = RecordBatch(write: beginWrite())
        for key in staged {
            guard var task = datacenterTable.tasks[key] else { continue }
            task.stateBefore = nil
            take(.lost, &task, &batch)
            end(&task, &batch)
        }
        var applied = Applied(request: nil, outcome: .none, revision: revision)
        endWrite(batch.write, &applied)
        return staged
    }
}

extension FrozenStore {
    /// Every record that is held, those of clients first, in order of revision.
    package func forEachRecord(_ body: (SpaceID, Record) -> Void) {
        for (space, id) in [(client, SpaceID.client), (datacenter, .datacenter)] {
            for chunk in space.log.chunks {
                for record in chunk.records { body(id, record) }
            }
        }
    }
}
