import Primitives
import RaftCore
import Testing

@Suite("Log replication, leader (Raft §5.3, §5.4.2; Figure 2, Leaders; dissertation §10.2)")
struct LeaderTests {
    /// Leads term 1 of three, the empty entry committed, both followers caught up.
    func leader(_ change: (inout RaftSettings) -> Void = { _ in }) -> Member {
        var member = Member(change: change)
        member.leadAndCommit()
        _ = member.receive(matched(1), term: 1, from: 3)
        return member
    }

    @Test("an entry of an earlier term is never committed by counting (Figure 8)")
    func figureEight() {
        var member = Member(log: [command(1, term: 1), command(2, term: 2)])
        _ = member.lead()
        _ = member.receive(matched(2), term: 3, from: 2)
        _ = member.receive(matched(2), term: 3, from: 3)
        #expect(member.core.commitIndex == .zero)
        _ = member.persisted(2)
        #expect(
            member.receive(matched(3), term: 3, from: 2).contains(.committed(through: index(3))))
    }

    @Test("everyone but a leader refuses proposals and says who leads")
    func refusals() throws {
        var member = Member()
        #expect(throws: ProposalRefusal.notLeader(leader: nil)) { try member.propose("a") }
        _ = member.receive(beat(1), term: 1, from: 2)
        #expect(throws: ProposalRefusal.notLeader(leader: node(2))) { try member.propose("a") }
        #expect(throws: ProposalRefusal.notLeader(leader: node(2))) { try member.read(1) }
    }

    @Test("a commit that nothing else will carry is told at once, without asking for an answer")
    func commitIsTold() throws {
        var member = leader()
        _ = try member.propose("a")
        _ = member.persisted(3)
        #expect(
            member.receive(matched(2), term: 1, from: 3) == [
                .send(to(2, term: 1, beat(0, commit: 2, 1))),
                .send(to(3, term: 1, beat(0, commit: 2, 1))), .committed(through: index(2)),
            ])
        #expect(member.receive(matched(2), term: 1, from: 2) == [])
    }

    @Test("while more entries are on their way the commit travels with the next of them")
    func commitIsPiggybacked() throws {
        var member = leader()
        _ = try member.propose("a")
        _ = try member.propose("b")
        _ = member.persisted(4)
        #expect(
            member.receive(matched(2), term: 1, from: 3) == [.committed(through: index(2))])
        let entry = command(4, term: 1, "c")
        #expect(
            try member.propose("c").first
                == .send(to(2, term: 1, append(after: 3, 1, commit: 2, [entry]))))
    }

    @Test("a follower is sent one message while probing, and a pipeline once the logs agree")
    func pipelines() throws {
        var member = Member()
        _ = member.lead()
        #expect(
            try member.propose("a") == [
                .persist(Write(id: WriteID(3), entries: [command(2, term: 1, "a")]))
            ])
        #expect(
            member.receive(matched(1), term: 1, from: 2) == [
                .send(to(2, term: 1, append(after: 1, 1, [command(2, term: 1, "a")])))
            ])
        for (number, text) in ["b", "c", "d"].enumerated() {
            let at = UInt64(number) + 3
            #expect(
                try member.propose(text).first
                    == .send(
                        to(2, term: 1, append(after: at - 1, 1, [command(at, term: 1, text)]))))
        }
    }

    @Test("the window bounds messages in flight, and an acknowledgement opens it")
    func windowMessages() throws {
        var member = leader { $0.inflightMessagesMax = 2 }
        for text in ["a", "b", "c", "d"] { _ = try member.propose(text) }
        #expect(member.core.progress[1].inflightMessages == 2)
        #expect(member.core.progress[1].nextIndex == index(4))
        let effects = member.receive(matched(2), term: 1, from: 2)
        #expect(
            effects == [
                .send(
                    to(
                        2, term: 1,
                        append(
                            after: 3, 1, commit: 1,
                            [command(4, term: 1, "c"), command(5, term: 1, "d")])))
            ])
    }

    @Test("the window bounds bytes in flight")
    func windowBytes() throws {
        var member = leader {
            $0.inflightBytesMax = 100
            $0.messageBytesMax = 60
        }
        for text in ["a", "b", "c", "d", "e"] { _ = try member.propose(text) }
        // An entry weighs its byte and 32: three pass 100, and the one that passes it still goes.
        #expect(member.core.progress[2].inflightMessages == 4)
    }

    @Test("a large proposal leaves in messages of bounded size, as one write")
    func batchesAreBounded() throws {
        var member = leader { $0.messageBytesMax = 70 }
        let effects = try member.propose("a", "b", "c")
        #expect(
            effects == [
                .send(
                    to(
                        2, term: 1,
                        append(
                            after: 1, 1, commit: 1,
                            [command(2, term: 1, "a"), command(3, term: 1, "b")]))),
                .send(
                    to(
                        3, term: 1,
                        append(
                            after: 1, 1, commit: 1,
                            [command(2, term: 1, "a"), command(3, term: 1, "b")]))),
                .send(to(2, term: 1, append(after: 3, 1, commit: 1, [command(4, term: 1, "c")]))),
                .send(to(3, term: 1, append(after: 3, 1, commit: 1, [command(4, term: 1, "c")]))),
                .persist(
                    Write(
                        id: WriteID(3),
                        entries: [
                            command(2, term: 1, "a"), command(3, term: 1, "b"),
                            command(4, term: 1, "c"),
                        ])),
            ])
    }

    @Test("a rejection moves nextIndex back by whole terms, both logs' terms considered")
    func skipsTerms() {
        // The leader holds terms 1 1 4 4 5 5 and then its empty entry; the follower 1 1 2 2 2.
        var member = Member(
            log: [1, 1, 4, 4, 5, 5].enumerated().map { command(UInt64($0 + 1), term: $1) })
        _ = member.lead()
        // It lacks entry 6; its last, 5, is of term 2: where the leader has a term above 2, no
        // match.
        #expect(
            member.receive(rejected(6, hint: 5, 2), term: 6, from: 2) == [
                .send(
                    to(
                        2, term: 6,
                        append(
                            after: 2, 1,
                            [4, 4, 5, 5].enumerated().map { command(UInt64($0 + 3), term: $1) }
                                + [noop(7, term: 6)])))
            ])
    }

    @Test("a hint that cannot be true still moves nextIndex back, by one")
    func impossibleHint() {
        var member = Member(log: (1...6).map { command($0, term: 1) })
        _ = member.lead()
        #expect(
            member.receive(rejected(6, hint: 9, 9), term: 2, from: 2) == [
                .send(
                    to(2, term: 2, append(after: 5, 1, [command(6, term: 1), noop(7, term: 2)])))
            ])
    }

    @Test("a rejection that is older than an acknowledgement changes nothing")
    func staleRejection() throws {
        var member = leader()
        _ = try member.propose("a")
        _ = member.receive(matched(2), term: 1, from: 2)
        #expect(member.receive(rejected(1, hint: 0, 0), term: 1, from: 2) == [])
        #expect(member.core.progress[1].mode == .replicate)
    }

    @Test("a rejection in the pipeline falls back to probing from where the follower stands")
    func rejectionInPipeline() throws {
        var member = leader()
        for text in ["a", "b", "c"] { _ = try member.propose(text) }
        // The append of "a" was lost: "b" does not fit.
        #expect(
            member.receive(rejected(2, hint: 1, 1), term: 1, from: 2) == [
                .send(
                    to(
                        2, term: 1,
                        append(
                            after: 1, 1, commit: 1,
                            [
                                command(2, term: 1, "a"), command(3, term: 1, "b"),
                                command(4, term: 1, "c"),
                            ])))
            ])
        #expect(member.receive(rejected(3, hint: 1, 1), term: 1, from: 2) == [])
    }

    @Test("an acknowledgement past the log's end is not believed")
    func impossibleAcknowledgement() {
        var member = leader()
        #expect(member.receive(matched(9), term: 1, from: 2) == [])
        #expect(member.core.progress[1].matchIndex == index(1))
    }

    @Test("strangers are not counted")
    func strangers() throws {
        var member = Member(voters: [1, 2, 3, 4, 5])
        member.leadAndCommit(votes: [2, 3])
        _ = try member.propose("a")
        _ = member.persisted(3)
        for peer: UInt64 in [7, 8, 9] {
            #expect(member.receive(matched(2), term: 1, from: peer) == [])
        }
        #expect(member.core.commitIndex == index(1))
    }

    @Test("silence after an append is broken by one without entries, not by the entries again")
    func asksForLost() throws {
        var member = leader()
        _ = try member.propose("a")
        _ = member.receive(matched(2), term: 1, from: 3)
        _ = member.tick(3)
        let effects = member.tick()
        #expect(effects.contains(.send(to(2, term: 1, append(after: 2, 1, commit: 1)))))
    }

    @Test("after a lost connection the follower is probed at the next heartbeat")
    func unreachable() throws {
        var member = leader()
        _ = try member.propose("a")
        _ = member.step(.peerUnreachable(node(2)))
        #expect(member.core.progress[1].mode == .probe)
        #expect(try member.propose("b").allSatisfy { !isSend($0, to: 2) })
        let effects = member.tick(2)
        #expect(effects.contains(.send(to(2, term: 1, append(after: 1, 1, commit: 1)))))
        #expect(
            member.receive(matched(1), term: 1, from: 2) == [
                .send(
                    to(
                        2, term: 1,
                        append(
                            after: 1, 1, commit: 1,
                            [command(2, term: 1, "a"), command(3, term: 1, "b")])))
            ])
    }

    func isSend(_ effect: Effect, to peer: UInt64) -> Bool {
        if case .send(let envelope) = effect { return envelope.to == node(peer) }
        return false
    }

    @Test("uncommitted bytes are bounded, but one proposal always fits")
    func uncommittedIsBounded() throws {
        var member = leader { $0.uncommittedBytesMax = 50 }
        _ = try member.propose(String(repeating: "a", count: 100))
        #expect(
            throws: ProposalRefusal.tooManyUncommittedBytes(pending: 132, limit: 50)
        ) { try member.propose("b") }
        _ = member.persisted(3)
        _ = member.receive(matched(2), term: 1, from: 2)
        _ = try member.propose("b")
    }

    @Test("heartbeats go to everyone at their interval")
    func heartbeats() {
        var member = leader()
        #expect(member.tick() == [])
        #expect(
            member.tick() == [
                .send(to(2, term: 1, beat(1, commit: 1, 1))),
                .send(to(3, term: 1, beat(1, commit: 1, 1))),
            ])
    }
}
