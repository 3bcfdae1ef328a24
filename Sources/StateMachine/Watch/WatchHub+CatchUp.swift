internal import Primitives

extension WatchHub {
    /// The most revisions in one delivery to a watcher that catches up, as in etcd.
    package static let catchUpRevisionsMax: Int64 = 1000
    /// A delivery to a watcher that catches up ends with the revision that brings it to this many
    /// bytes.
    package static let catchUpBytesMax = 1 << 20

    /// Reads on for watchers that are behind, until `recordsMax` records were read or nobody is
    /// behind.
    ///
    /// The watcher whose turn it is chooses the window; everybody whose next revision lies inside
    /// takes part, so many watchers that resume together read the log once, and none waits for one
    /// far behind. Call it again while ``needsCatchUp``.
    package mutating func catchUp(log: some WatchHistory, recordsMax: Int) -> [WatchOutput] {
        var outputs: [WatchOutput] = []
        var budget = recordsMax
        while budget > 0, !behind.isEmpty {
            if turn >= behind.count { turn = 0 }
            let id = behind[turn]
            guard case .behind(_, let next) = watchers[id.slot].state else {
                invariant(false, "a watcher in the queue is behind")
                return outputs
            }
            let space = groups[watchers[id.slot].group].space
            let compacted = log.compactedRevision(of: space)
            #if KEELSON_MUTANTS
                if planted(.leapsOverCompaction), next < compacted.rawValue {
                    turn += 1
                    advance(id, to: compacted.rawValue)
                    continue
                }
            #endif
            if next < compacted.rawValue {
                remove(id)
                outputs.append(.overtaken(id, compacted: compacted))
                budget -= 1
                continue
            }
            turn += 1
            budget -= readWindow(
                of: space, from: next, log: log, recordsMax: budget, into: &outputs)
        }
        return outputs
    }

    private struct Participant {
        var group: Int
        var next: Int64
        var id: WatcherID
    }

    /// One pass over the log of one space. Returns its cost in records, at least one.
    private mutating func readWindow(
        of space: SpaceID, from first: Int64, log: some WatchHistory, recordsMax: Int,
        into outputs: inout [WatchOutput]
    ) -> Int {
        passes += 1
        let pass = passes
        let last = min(first + Self.catchUpRevisionsMax - 1, revision.rawValue)
        let participants = takeParticipants(of: space, from: first, through: last)
        var touched: [Int] = []
        var readCount = 0
        var byteCount = 0
        var reached = first
        var isComplete = true
        log.forEachRecord(
            of: space, from: Revision(first), through: Revision(last)
        ) { record in
            #if KEELSON_MUTANTS
                if planted(.splitsRevisions), readCount >= recordsMax {
                    isComplete = false
                    return false
                }
            #endif
            if record.modRevision != reached {
                if readCount >= recordsMax || byteCount >= Self.catchUpBytesMax {
                    isComplete = false
                    return false
                }
                reached = record.modRevision
            }
            readCount += 1
            if collect(record, log: log, into: &touched, where: { $0.pass == pass }) {
                byteCount += record.keyValueByteCount()
            }
            return true
        }
        #if KEELSON_MUTANTS
            if planted(.losesTheRestOfAWindow) { isComplete = true }
            if planted(.tellsTheLastAgain), last > first { reached -= 1 }
            if planted(.tellsTheLastAgain), last > first { isComplete = false }
        #endif
        finish(participants, next: (isComplete ? last : reached) + 1, into: &outputs)
        for group in touched { groups[group].pending = [] }
        return max(1, readCount)
    }

    /// Everybody whose next revision lies in the window, by group and next revision.
    private mutating func takeParticipants(
        of space: SpaceID, from first: Int64, through last: Int64
    ) -> [Participant] {
        var participants: [Participant] = []
        for id in behind {
            let group = watchers[id.slot].group
            guard case .behind(_, let next) = watchers[id.slot].state, next >= first, next <= last,
                groups[group].space == space
            else { continue }
            groups[group].pass = passes
            participants.append(Participant(group: group, next: next, id: id))
        }
        participants.sort { ($0.group, $0.next, $0.id) < ($1.group, $1.next, $1.id) }
        return participants
    }

    /// Hands each participant its part of what its group collected and moves it to `next`. Those of
    /// one group that missed the same events share a delivery.
    private mutating func finish(
        _ participants: [Participant], next: Int64, into outputs: inout [WatchOutput]
    ) {
        var index = 0
        while index < participants.count {
            let lead = participants[index]
            let skipped = groups[lead.group].pending.prefix {
                $0.record.modRevision < lead.next
            }.count
            let events = Array(groups[lead.group].pending.dropFirst(skipped))
            let limit = events.first?.record.modRevision ?? .max
            var takers: [WatcherID] = []
            while index < participants.count, participants[index].group == lead.group,
                participants[index].next <= limit
            {
                let participant = participants[index]
                index += 1
                guard participant.next < next else { continue }
                takers.append(participant.id)
                advance(participant.id, to: next)
            }
            guard !events.isEmpty, !takers.isEmpty else { continue }
            let delivery = WatchDelivery(
                spec: groups[lead.group].spec, from: Revision(limit),
                headerRevision: revision, events: events)
            outputs.append(.events(delivery, to: takers))
        }
    }

    /// Keeps the place in the queue of a watcher that is still behind, so that turns go round.
    private mutating func advance(_ id: WatcherID, to next: Int64) {
        if next <= revision.rawValue, case .behind(let place, _) = watchers[id.slot].state {
            watchers[id.slot].state = .behind(at: place, next: next)
        } else {
            leaveState(id)
            settle(id, next: next)
        }
    }
}
