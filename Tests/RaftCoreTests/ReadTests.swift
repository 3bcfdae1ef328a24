import Primitives
import RaftCore
import Testing

@Suite("Linearizable reads (dissertation §6.4)")
struct ReadTests {
    func leader(_ change: (inout RaftSettings) -> Void = { _ in }) -> Member {
        var member = Member(change: change)
        member.leadAndCommit()
        _ = member.receive(matched(1), term: 1, from: 3)
        return member
    }

    @Test("a read is confirmed by a round of heartbeats that began after it")
    func confirmedByRound() throws {
        var member = leader()
        #expect(
            try member.read(7) == [
                .send(to(2, term: 1, beat(1, commit: 1, 1))),
                .send(to(3, term: 1, beat(1, commit: 1, 1))),
            ])
        #expect(
            member.receive(answer(1), term: 1, from: 3) == [.readReady([ReadID(7)], index(1))])
        #expect(member.receive(answer(1), term: 1, from: 2) == [])
    }

    @Test("an answer to an earlier round confirms nothing")
    func earlierRound() throws {
        var member = leader()
        _ = member.tick(2)
        _ = try member.read(7)
        #expect(member.receive(answer(1), term: 1, from: 2) == [])
        #expect(
            member.receive(answer(2), term: 1, from: 3) == [.readReady([ReadID(7)], index(1))])
    }

    @Test("an answer to a later round confirms the earlier ones")
    func laterRound() throws {
        var member = leader()
        _ = try member.read(7)
        _ = member.tick(2)
        #expect(
            member.receive(answer(2), term: 1, from: 2) == [.readReady([ReadID(7)], index(1))])
    }

    @Test("an answer to a round that never was confirms nothing")
    func impossibleRound() throws {
        var member = leader()
        _ = try member.read(7)
        #expect(member.receive(answer(9), term: 1, from: 2) == [])
    }

    @Test("reads that come while a round is on its way share the next, which begins at once")
    func sharedRound() throws {
        var member = leader()
        _ = try member.read(1)
        #expect(try member.read(2) == [])
        #expect(try member.read(3) == [])
        #expect(
            member.receive(answer(1), term: 1, from: 2) == [
                .readReady([ReadID(1)], index(1)),
                .send(to(2, term: 1, beat(2, commit: 1, 1))),
                .send(to(3, term: 1, beat(2, commit: 1, 1))),
            ])
        #expect(
            member.receive(answer(2), term: 1, from: 2) == [
                .readReady([ReadID(2), ReadID(3)], index(1))
            ])
    }

    @Test("no read is confirmed before an entry of the leader's term is committed")
    func waitsForFirstCommit() throws {
        var member = Member(log: [command(1, term: 1)])
        _ = member.lead()
        #expect(try member.read(7) == [])
        _ = member.persisted(2)
        #expect(
            member.receive(matched(2), term: 2, from: 2) == [
                .send(to(2, term: 2, beat(1, commit: 2, 2))),
                .send(to(3, term: 2, beat(1, commit: 2, 2))), .committed(through: index(2)),
            ])
        #expect(
            member.receive(answer(1), term: 2, from: 2) == [.readReady([ReadID(7)], index(2))])
    }

    @Test("the index of a read is the commit index when its round began, or later")
    func readIndex() throws {
        var member = leader()
        _ = try member.propose("a")
        _ = member.persisted(3)
        _ = member.receive(matched(2), term: 1, from: 2)
        _ = try member.read(7)
        #expect(
            member.receive(answer(1), term: 1, from: 2) == [.readReady([ReadID(7)], index(2))])
    }

    @Test("losing leadership aborts all reads, in every stage")
    func aborted() throws {
        var member = leader()
        _ = try member.read(1)
        _ = try member.read(2)
        let effects = member.receive(beat(1), term: 5, from: 3)
        #expect(effects.first == .readAborted([ReadID(1), ReadID(2)]))
    }

    @Test("a single voter confirms at once")
    func singleVoter() throws {
        var member = Member(voters: [1])
        _ = member.untilPreVote()
        _ = member.persisted(1)
        _ = member.persisted(2)
        #expect(try member.read(7) == [.readReady([ReadID(7)], index(1))])
    }

    @Test("learners are not asked, and their answers do not count")
    func learnersDoNotCount() throws {
        var member = Member(learners: [4, 5])
        member.leadAndCommit()
        let effects = try member.read(7)
        #expect(effects.count == 2)
        #expect(member.receive(answer(1), term: 1, from: 4) == [])
        #expect(member.receive(answer(1), term: 1, from: 5) == [])
    }

    // MARK: Leases

    /// A leader with lease reads on, confirmed by a heartbeat round in this very tick.
    func leaseholder() -> Member {
        var member = Member { $0.leaseReads = true }
        _ = member.tick(20)
        member.leadAndCommit()
        _ = member.tick(2)
        _ = member.receive(answer(1), term: 1, from: 2)
        return member
    }

    /// Member 2 answers every heartbeat among the effects.
    func answerAll(_ effects: [Effect], _ member: inout Member) {
        for case .send(let envelope) in effects where envelope.to == node(2) {
            if case .heartbeat(let heartbeat) = envelope.message.body {
                _ = member.receive(answer(heartbeat.context), term: 1, from: 2)
            }
        }
    }

    @Test("under the lease a read needs no round; the lease is shorter than the stickiness")
    func lease() throws {
        var member = leaseholder()
        #expect(member.core.settings.leaseTicks == 6)
        #expect(try member.read(1) == [.readReady([ReadID(1)], index(1))])
        _ = member.tick(5)
        #expect(try member.read(2) == [.readReady([ReadID(2)], index(1))])
        _ = member.tick()
        #expect(try member.read(3).allSatisfy { $0 != .readReady([ReadID(3)], index(1)) })
    }

    @Test("the lease counts from the start of the round, not from its answers")
    func leaseStart() throws {
        var member = leaseholder()
        _ = member.tick(2)
        _ = member.tick(5)
        _ = member.receive(answer(2), term: 1, from: 2)
        #expect(try member.read(1) == [.readReady([ReadID(1)], index(1))])
        _ = member.tick()
        #expect(try member.read(2).allSatisfy { $0 != .readReady([ReadID(2)], index(1)) })
    }

    @Test("a leader that transfers drops its lease first, and takes none again in its term")
    func transferDropsLease() throws {
        var member = leaseholder()
        #expect(
            member.step(.transferLeadership(to: node(2))) == [.send(to(2, term: 1, .timeoutNow))])
        #expect(try member.read(1).allSatisfy { $0 != .readReady([ReadID(1)], index(1)) })
        for _ in 0..<12 { answerAll(member.tick(), &member) }
        #expect(!member.core.isTransferring && member.core.role == .leader)
        #expect(try member.read(2).allSatisfy { $0 != .readReady([ReadID(2)], index(1)) })
    }

    @Test("a change of configuration drops the lease that the old majority granted")
    func configurationDropsLease() throws {
        var member = leaseholder()
        _ = try member.change(.set(node(4), to: .learner))
        #expect(try member.read(1).allSatisfy { $0 != .readReady([ReadID(1)], index(1)) })
    }

    @Test("a round that began before a change of configuration renews no lease")
    func roundOfOldConfiguration() throws {
        var member = leaseholder()
        let round = member.tick(2)
        _ = try member.change(.set(node(4), to: .learner))
        answerAll(round, &member)
        #expect(try member.read(1).allSatisfy { $0 != .readReady([ReadID(1)], index(1)) })
        answerAll(member.tick(2), &member)
        #expect(try member.read(2) == [.readReady([ReadID(2)], index(1))])
    }

    @Test("a restarted member grants no vote for the longest election timeout")
    func restartedMember() {
        var member = Member { $0.leaseReads = true }
        _ = member.tick(19)
        #expect(member.receive(ask(last: 9, 9), term: 4, from: 2) == [])
        #expect(member.receive(ask(pre: true, last: 9, 9), term: 4, from: 2) == [])
        #expect(member.core.role == .follower)
        _ = member.tick()
        #expect(member.receive(ask(last: 9, 9), term: 4, from: 2).count == 2)
    }
}
