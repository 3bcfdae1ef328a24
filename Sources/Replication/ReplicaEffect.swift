package import Primitives
package import RaftCore
package import StateMachine
package import Storage

/// How a proposal ended.
package enum ReplicaOutcome: Sendable {
    /// Committed and applied; what came of it is inside (which may be a refusal by the rules).
    case applied(Applied)
    /// Definitely without effect, now and later.
    case refused(RequestFailure)
    /// It may have taken effect, or may yet.
    case unknown(RequestFailure)
}

/// What a lease request learned from the leader.
package enum LeaseAnswer: Equatable, Sendable {
    /// The granted time to live in seconds and what remains of it.
    case alive(grantedSeconds: Int64, remainingSeconds: Int64)
    case notFound
    case failed(RequestFailure)
}

/// Why entries are to be read from disk.
package enum LoadPurpose: Sendable, Equatable {
    case replication
    case applying
    /// For a member whose log has this hole, which asked in the start with this boot number.
    case filling(LogHole, for: NodeID, boot: BootNumber)
    /// For an archive; the driver knows whose the number is.
    case archiving(UInt64)
}

/// What a replica wants done. Sequences name requests that the driver handed in.
package enum ReplicaEffect: Sendable {
    case send(PeerMessage, to: NodeID)
    /// Make it durable, send what rides inside, then report `.persisted`.
    case persist(Write)
    case load(first: LogIndex, last: LogIndex, bytesMax: Int, LoadPurpose)
    case answer(sequence: UInt64, ReplicaOutcome)
    /// The store serves linearizable reads for these now, or they failed.
    case answerReads(sequences: [UInt64], RequestFailure?)
    case answerLease(sequence: UInt64, LeaseAnswer)
    /// What this step applied, in log order, each entry once. Comes before the answers.
    case applied([Applied])
    /// Stream a snapshot at `leastIndex` or later to a follower, then report how it went.
    case sendSnapshot(to: NodeID, leastIndex: LogIndex)
    case roleChanged(Role, Term, leader: NodeID?)
    case configurationChanged(ClusterConfiguration, LogIndex)
    /// A snapshot at this index or later makes up for every hole of this node's log, however far it
    /// goes: ``LogJob/heals(from:)``.
    case healsFrom(LogIndex)
    /// All entries of this node's holes are here: ``LogJob/fill(_:)``.
    case fillHoles([LogEntry])
    /// More is committed than one step applies: step again with `.continueApplying` soon.
    case continueApplying
    /// This node must stop: its state cannot be trusted, or it met what it does not know.
    case halt(ReplicaHalt)
}

/// Why a replica stopped itself.
package enum ReplicaHalt: Error, Equatable, Sendable, CustomStringConvertible {
    /// An entry that only a newer build knows.
    case unknownCommand(index: LogIndex, StoreError, known: FeatureLevel)
    /// A peer has said that the cluster is at a higher level than this build knows.
    case outdated(known: FeatureLevel, reason: String)
    /// A majority of the members has another digest at the same index.
    case diverged(index: LogIndex, mine: UInt64, majority: UInt64)
    /// The cluster has removed this member.
    case removed
    /// A peer remembers more than this member's disk holds, and the operator's policy is to ask for
    /// a place under another id.
    case diskLost(reason: String)

    package var description: String {
        switch self {
        case .unknownCommand(let index, let error, let known):
            "log entry \(index) is not known to this build, which knows feature level \(known) "
                + "(\(error.message)): nothing of it was applied; start the build that the other "
                + "members run"
        case .outdated(let known, let reason):
            "this build knows feature level \(known) and is too old for its cluster (\(reason)): "
                + "start the build that the other members run; nothing in the data directory has "
                + "to be changed"
        case .diverged(let index, let mine, let majority):
            "this node's state differs from the majority's at log index \(index) "
                + "(digest \(String(mine, radix: 16)), theirs \(String(majority, radix: 16))): "
                + "remove its data directory and let it rejoin as a new member"
        case .diskLost(let reason):
            "this member's disk does not hold what it once acknowledged (\(reason)): the cluster "
                + "is asked for a place under another id"
        case .removed:
            "this member was removed from the cluster: to take part again it has to be added "
                + "(keelson member add) and started with an empty data directory"
        }
    }
}

/// What happens to a replica.
package enum ReplicaInput: Sendable {
    /// One tick has passed; `clock` is the wall clock in milliseconds, used only to stamp entries.
    /// `owed` more have passed and are to follow: leases count them already where that lengthens
    /// them.
    case tick(clock: UInt64, owed: Int = 0)
    case received(PeerMessage, from: NodeID)
    case persisted(WriteID)
    case loaded(first: LogIndex, [LogEntry], LoadPurpose)
    case connectionRefused(NodeID)
    case peerUnreachable(NodeID)
    case snapshotSent(to: NodeID, LogIndex, succeeded: Bool)
    case transferLeadership(to: NodeID?)
    case compacted(through: LogIndex)
    case votingAllowed(Bool)
    case storageFull(Bool)
    /// The log has holes: what a leader sends is not taken; a snapshot is asked for, and the
    /// entries of those that can be filled in.
    case holes(fillable: [LogHole])
    /// The log has holes no more.
    case healed
    /// The log's holes are filled: these are its entries from the first hole on.
    case recovered([LogEntry])
    case continueApplying
}
