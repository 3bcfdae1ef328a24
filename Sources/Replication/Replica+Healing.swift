import Primitives
import RaftCore

/// How a member whose log has holes gets a snapshot in its place, however little is written.
struct Healing: Sendable {
    /// This node's log has holes.
    var hasHoles = false
    /// What a leader promised to whom in this term, by member and its boot number.
    var floors: [NodeID: (boot: BootNumber, index: LogIndex)] = [:]
}

/// A hole may have held entries that this node acknowledged, and nothing may tell how many. Since
/// its start it has acknowledged none. Every entry that was committed with its help is in the log
/// of a leader of its term or a later one: an entry of an earlier term by Leader Completeness (Raft
/// §5.4), one of the leader's own term because it proposed it. So a snapshot that reaches the end
/// of that log, as it was when the leader heard from this start, has them all.
extension Replica {
    mutating func tickHealing(into effects: inout [ReplicaEffect]) {
        guard healing.hasHoles, now % UInt64(settings.raft.electionTicks) == 0,
            let leader = raft.leader, leader != id
        else { return }
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
