internal import Primitives
internal import RaftCore
internal import StateMachine

/// Consensus, one entry an operation. Nobody waits: what is to be written is durable, and what is
/// sent is answered, at once.
enum RaftPieces {
    /// Entries that one turn of a busy event loop gathers.
    static let batch = 100

    static var all: [Piece] {
        [
            Piece(
                "raft-leader",
                "a leader of three: propose, own write durable, two acknowledgements, commit"
            ) { _ in leader(batch: 1) },
            Piece("raft-leader-100", "the same, a hundred entries a proposal") { _ in
                leader(batch: batch)
            },
            Piece("raft-follower", "a follower: an append, its write durable, commit") { _ in
                follower(batch: 1)
            },
            Piece("raft-follower-100", "the same, a hundred entries an append") { _ in
                follower(batch: batch)
            },
        ]
    }

    private static func leader(batch: Int) -> Work {
        let leader = LeaderOfThree(batch: batch)
        return Work(step: batch, run: leader.run)
    }

    private static func follower(batch: Int) -> Work {
        let follower = FollowerOfThree(batch: batch)
        return Work(step: batch, run: follower.run)
    }

    /// Payloads of puts' entries, no two alike: what compresses one with another is no work that a
    /// server has.
    static func payloads(_ count: Int) -> [[UInt8]] {
        var samples = Samples()
        return (0..<count).map {
            Samples.command(.put, Samples.put(Samples.key($0), samples.value()))
        }
    }
}

extension RaftCore {
    /// A member of three that has just been started on an empty disk.
    fileprivate init(member: NodeID) {
        self.init(
            settings: RaftSettings(id: member, seed: member.rawValue),
            restored: .fresh(
                ClusterConfiguration(voters: [NodeID(1), NodeID(2), NodeID(3)])))
    }

    /// Says that all writes among the effects are durable.
    fileprivate mutating func completeWrites(_ effects: inout [Effect]) {
        var last: WriteID?
        for effect in effects { if case .persist(let write) = effect { last = write.id } }
        if let last { step(.persisted(last), into: &effects) }
    }

    fileprivate mutating func receive(
        _ body: Message.Body, term: Term, from sender: NodeID, _ effects: inout [Effect]
    ) {
        step(.received(Message(term: term, body: body), from: sender), into: &effects)
    }
}

private final class LeaderOfThree {
    private var core = RaftCore(member: NodeID(1))
    private var effects: [Effect] = []
    private let payloads: [(EntryKind, [UInt8])]
    private let followers = [NodeID(2), NodeID(3)]

    init(batch: Int) {
        payloads = RaftPieces.payloads(batch).map { (EntryKind.command, $0) }
        elect()
    }

    private func elect() {
        while core.role == .follower { core.step(.tick, into: &effects) }
        for isPreVote in [true, false] {
            effects.removeAll()
            let vote = RequestVoteResponse(isPreVote: isPreVote, voteGranted: true)
            core.receive(
                .requestVoteResponse(vote), term: isPreVote ? core.term.next : core.term,
                from: followers[0], &effects)
            core.completeWrites(&effects)
        }
        invariant(core.role == .leader, "two of three votes make a leader, not a \(core.role)")
        acknowledge()
    }

    private func acknowledge() {
        let matched = Message.Body.appendEntriesResponse(.matched(core.lastIndex))
        for follower in followers {
            core.receive(matched, term: core.term, from: follower, &effects)
        }
    }

    func run(_ operations: Int) throws {
        for _ in 0..<(operations / payloads.count) {
            effects.removeAll(keepingCapacity: true)
            _ = try core.propose(payloads, into: &effects)
            core.completeWrites(&effects)
            acknowledge()
            core.step(.applied(core.commitIndex), into: &effects)
        }
        invariant(core.commitIndex == core.lastIndex, "what all three have is committed")
    }
}

private final class FollowerOfThree {
    private var core = RaftCore(member: NodeID(2))
    private var effects: [Effect] = []
    private let payloads: [[UInt8]]
    private let term = Term(1)

    init(batch: Int) { payloads = RaftPieces.payloads(batch) }

    func run(_ operations: Int) throws {
        for _ in 0..<(operations / payloads.count) {
            effects.removeAll(keepingCapacity: true)
            let previous = core.lastIndex
            var entries: [LogEntry] = []
            entries.reserveCapacity(payloads.count)
            var index = previous
            for payload in payloads {
                index = index.next
                entries.append(
                    LogEntry(index: index, term: term, kind: .command, payload: payload))
            }
            let append = AppendEntries(
                prevLogIndex: previous, prevLogTerm: core.lastTerm, leaderCommit: previous,
                entries: entries)
            core.receive(.appendEntries(append), term: term, from: NodeID(1), &effects)
            core.completeWrites(&effects)
            core.step(.applied(core.commitIndex), into: &effects)
        }
        invariant(core.durableIndex == core.lastIndex, "what was appended is durable")
    }
}
