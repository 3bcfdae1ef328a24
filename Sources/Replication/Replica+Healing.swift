import Primitives
import RaftCore
import Storage

/// How a member whose log has holes comes by what it lost.
struct Healing: Sendable {
    /// This node's log has holes.
    var hasHoles = false
    /// Those that can be filled in, and what peers sent for them so far, in order. Empty once all
    /// is there.
    var holes: [LogHole] = []
    var found: [LogEntry] = []
    var asked = 0
    /// What a leader promised to whom in this term, by member and its boot number.
    var floors: [NodeID: (boot: BootNumber, index: LogIndex)] = [:]

    /// What is to be asked for next: the rest of the first hole that is not filled.
    var wanted: LogHole? {
        let next = found.last?.index.next ?? .zero
        return holes.first { $0.last >= next }.map { hole in
            LogHole(first: max(hole.first, next), last: hole.last, nextTerm: hole.nextTerm)
        }
    }
}

// MARK: A snapshot

/// A hole may have held entries that this node acknowledged, and nothing may tell how many. Since
/// its start it has acknowledged none. Every entry that was committed with its help is in the log
/// of a leader of its term or a later one: an entry of an earlier term by Leader Completeness (Raft
/// §5.4), one of the leader's own term because it proposed it. So a snapshot that reaches the end
/// of that log, as it was when the leader heard from this start, has them all.
extension Replica {
    mutating func tickHealing(into effects: inout [ReplicaEffect]) {
        guard healing.hasHoles, now % UInt64(settings.raft.electionTicks) == 0 else { return }
        askForEntries(into: &effects)
        guard let leader = raft.leader, leader != id else { return }
        effects.append(.send(.snapshotRequest(boot: settings.boot, raft.term), to: leader))
    }

    /// The first request of a start in this term fixes the index. Later ones are served once it is
    /// applied here.
    mutating func takeSnapshotRequest(
        _ boot: BootNumber, _ term: Term, from member: NodeID, into effects: inout [ReplicaEffect]
    ) {
        guard isLeader, raft.term >= term, raft.configuration.contains(member) else { return }
        let known = healing.floors[member].flatMap { $0.boot == boot ? $0.index : nil }
        let floor = known ?? raft.lastIndex
        healing.floors[member] = (boot, floor)
        effects.append(.send(.snapshotFloor(boot: boot, floor), to: member))
        if known != nil, appliedIndex >= floor {
            effects.append(.sendSnapshot(to: member, leastIndex: floor))
        }
    }
}

// MARK: The entries themselves

/// With holes in a majority of the logs nobody leads, and nobody sends snapshots. Whoever holds the
/// entry behind a hole holds the hole's entries, leader or not (Raft §5.3, Log Matching; Alagappan
/// et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST '18).
extension Replica {
    static let fillBytesMax = 1 << 20

    private mutating func askForEntries(into effects: inout [ReplicaEffect]) {
        let peers = raft.configuration.voters.filter { $0 != id }
        guard let hole = healing.wanted, !peers.isEmpty else { return }
        let peer = peers[healing.asked % peers.count]
        healing.asked += 1
        effects.append(.send(.entriesRequest(boot: settings.boot, hole), to: peer))
    }

    private func holdsEntries(of hole: LogHole) -> Bool {
        hole.first <= hole.last && hole.first > raft.snapshotIndex
            && hole.last < raft.lastIndex && raft.term(at: hole.last.next) == hole.nextTerm
    }

    mutating func takeEntriesRequest(
        _ hole: LogHole, _ boot: BootNumber, from member: NodeID,
        into effects: inout [ReplicaEffect]
    ) {
        guard holdsEntries(of: hole) else { return }
        effects.append(
            .load(
                first: hole.first, last: hole.last, bytesMax: Self.fillBytesMax,
                .filling(hole, for: member, boot: boot)))
    }

    /// What was read for a hole is what the log holds there now, or is not sent.
    mutating func answerHole(
        _ hole: LogHole, _ first: LogIndex, _ entries: [LogEntry], to member: NodeID,
        _ boot: BootNumber, into effects: inout [ReplicaEffect]
    ) {
        guard !entries.isEmpty, first == hole.first, holdsEntries(of: hole),
            entries.allSatisfy({ raft.term(at: $0.index) == $0.term })
        else { return }
        effects.append(.send(.entriesResponse(boot: boot, entries), to: member))
    }

    mutating func takeEntries(
        _ entries: [LogEntry], _ boot: BootNumber, from member: NodeID,
        into effects: inout [ReplicaEffect]
    ) {
        guard healing.hasHoles, boot == settings.boot, let hole = healing.wanted,
            entries.first?.index == hole.first, let last = entries.last, last.index <= hole.last,
            zip(entries, entries.dropFirst()).allSatisfy({ pair in
                pair.1.index == pair.0.index.next && pair.1.term >= pair.0.term
            }), last.term <= hole.nextTerm
        else { return }
        healing.found += entries
        if healing.wanted != nil { return askForEntries(into: &effects) }
        effects.append(.fillHoles(healing.found))
        healing.holes = []
        healing.found = []
    }
}
