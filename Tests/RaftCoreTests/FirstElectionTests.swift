import Primitives
import RaftCore
import Testing

@Suite("The first election of a start (RaftSettings.firstElectionTicks; V1)")
struct FirstElectionTests {
    func member(seed: UInt64) -> Member {
        Member {
            $0.seed = seed
            $0.firstElectionTicks = 4
        }
    }

    /// Ticks until it asks for pre-votes once more.
    func ticksUntilPreVote(_ member: inout Member) -> Int {
        var ticks = 0
        while ticks < 100 {
            ticks += 1
            let asks = member.tick().contains {
                guard case .send(let envelope) = $0,
                    case .requestVote(let request) = envelope.message.body
                else { return false }
                return request.isPreVote
            }
            if asks { return ticks }
        }
        return ticks
    }

    @Test("it comes after the shorter timeout, and so do pre-votes that nobody answers")
    func isShort() {
        for seed in 1...30 {
            var member = member(seed: UInt64(seed))
            #expect((4..<8).contains(ticksUntilPreVote(&member)))
            // Asking again after a heartbeat's time is not a timeout.
            _ = member.tick(20)
            #expect(member.core.role == .preCandidate && member.core.term == .zero)
        }
    }

    @Test("each election that the member starts doubles its timeout, up to the full one")
    func backsOff() {
        for seed in 1...30 {
            var member = member(seed: UInt64(seed))
            _ = ticksUntilPreVote(&member)
            for (round, range) in [8..<16, 10..<20, 10..<20].enumerated() {
                let next = UInt64(round + 1)
                _ = member.receive(vote(true, pre: true), term: next, from: 2)
                #expect(member.core.role == .candidate && member.core.term == term(next))
                _ = member.persisted(next)
                #expect(range.contains(ticksUntilPreVote(&member)))
            }
        }
    }

    @Test("a member that heard from a leader waits for the full timeout")
    func afterLeader() {
        for seed in 1...30 {
            var member = member(seed: UInt64(seed))
            _ = member.receive(beat(1), term: 1, from: 2)
            _ = member.persisted(1)
            #expect((10..<20).contains(ticksUntilPreVote(&member)))
        }
    }

    @Test("a member that has led waits for the full timeout")
    func afterLeading() {
        for seed in 1...30 {
            var member = Member(voters: [1, 2]) {
                $0.seed = UInt64(seed)
                $0.firstElectionTicks = 3
            }
            member.leadAndCommit()
            #expect(member.core.role == .leader)
            _ = member.receive(vote(false), term: 7, from: 2)
            #expect(member.core.role == .follower)
            _ = member.persisted(3)
            #expect((10..<20).contains(ticksUntilPreVote(&member)))
        }
    }

    /// Three members whose disks need `syncTicks` for a write; messages arrive in the next tick.
    struct SlowCluster {
        var members: [Member]
        var mail: [(to: NodeID, from: NodeID, Message)] = []
        var writes: [(due: Int, at: Int, Write)] = []
        var now = 0
        let syncTicks: Int

        init(seed: UInt64, syncTicks: Int) {
            self.syncTicks = syncTicks
            members = (1...3).map { id in
                Member(UInt64(id)) {
                    $0.seed = seed * 3 + UInt64(id)
                    $0.electionTicks = 100
                    $0.heartbeatTicks = 10
                    $0.firstElectionTicks = 20
                }
            }
        }

        var hasLeader: Bool { members.contains { $0.core.hasCommittedInTerm } }

        mutating func tick() {
            now += 1
            let arrived = mail
            mail = []
            for (to, from, message) in arrived {
                guard let at = members.firstIndex(where: { $0.id == to }) else { continue }
                perform(members[at].step(.received(message, from: from)), at)
            }
            while let first = writes.first, first.due <= now {
                writes.removeFirst()
                for envelope in first.2.thenSend { send(envelope, first.at) }
                perform(members[first.at].step(.persisted(first.2.id)), first.at)
            }
            for at in members.indices { perform(members[at].tick(), at) }
        }

        mutating func send(_ envelope: Envelope, _ at: Int) {
            mail.append((envelope.to, members[at].id, envelope.message))
        }

        mutating func perform(_ effects: [Effect], _ at: Int) {
            for effect in effects {
                switch effect {
                case .send(let envelope): send(envelope, at)
                case .persist(let write): writes.append((now + syncTicks, at, write))
                case .committed, .load, .readReady, .readAborted, .sendSnapshot, .roleChanged,
                    .configurationChanged:
                    break
                }
            }
        }
    }

    @Test("slow disks delay the first election and do not prevent it", arguments: [1, 20, 39, 45])
    func slowDisks(syncTicks: Int) {
        for seed in 1...20 {
            var cluster = SlowCluster(seed: UInt64(seed), syncTicks: syncTicks)
            while !cluster.hasLeader, cluster.now < 6000 { cluster.tick() }
            let hasLeader = cluster.hasLeader
            #expect(hasLeader, "seed \(seed)")
        }
    }
}
