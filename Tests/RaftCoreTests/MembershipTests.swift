import Primitives
import RaftCore
import Testing

@Suite("Membership changes (dissertation chapter 4)")
struct MembershipTests {
    func joint(
        _ new: [UInt64], _ old: [UInt64], learners: [UInt64] = []
    ) -> ClusterConfiguration {
        ClusterConfiguration(
            voters: nodes(new), outgoingVoters: nodes(old), learners: nodes(learners))
    }

    func simple(_ voters: [UInt64], learners: [UInt64] = []) -> ClusterConfiguration {
        ClusterConfiguration(voters: nodes(voters), learners: nodes(learners))
    }

    func leader() -> Member {
        var member = Member()
        member.leadAndCommit()
        _ = member.receive(matched(1), term: 1, from: 3)
        return member
    }

    @Test("a change of voters goes through a joint configuration, in force when appended (§4.3)")
    func jointWhenAppended() throws {
        var member = leader()
        let change = ConfigurationChange([
            .init(node(4), .voter), .init(node(3), nil), .init(node(5), .learner),
        ])
        let next = joint([1, 2, 4], [1, 2, 3], learners: [5])
        let entry = configured(2, term: 1, next)
        #expect(
            try member.change(change) == [
                .send(to(2, term: 1, append(after: 1, 1, commit: 1, [entry]))),
                .send(to(3, term: 1, append(after: 1, 1, commit: 1, [entry]))),
                .configurationChanged(next, index(2)),
                .send(to(4, term: 1, append(after: 1, 1, commit: 1, [entry]))),
                .send(to(5, term: 1, append(after: 1, 1, commit: 1, [entry]))),
                .persist(Write(id: WriteID(3), entries: [entry])),
            ])
        #expect(member.core.configuration == next)
    }

    @Test("a joint configuration needs both majorities, and is left once it is committed")
    func bothMajorities() throws {
        var member = leader()
        _ = try member.change(
            ConfigurationChange([.init(node(4), .voter), .init(node(5), .voter)]))
        _ = member.persisted(3)
        // 1 and 2 are a majority of the old three, not of the new five.
        #expect(
            member.receive(matched(2), term: 1, from: 2).allSatisfy {
                $0 != .committed(through: index(2))
            })
        let effects = member.receive(matched(2), term: 1, from: 5)
        let left = configured(3, term: 1, simple([1, 2, 3, 4, 5]))
        #expect(effects.contains(.committed(through: index(2))))
        #expect(effects.contains(.configurationChanged(simple([1, 2, 3, 4, 5]), index(3))))
        #expect(effects.contains(.persist(Write(id: WriteID(4), entries: [left]))))
    }

    @Test("new voters alone commit nothing: the old majority is needed too")
    func oldMajority() throws {
        var member = leader()
        _ = try member.change(
            ConfigurationChange([
                .init(node(4), .voter), .init(node(5), .voter), .init(node(6), .voter),
            ]))
        _ = member.persisted(3)
        for peer: UInt64 in [4, 5, 6] { _ = member.receive(matched(2), term: 1, from: peer) }
        #expect(member.core.commitIndex == index(1))
    }

    @Test("one change at a time, none before the first commit of the term, none while transferring")
    func oneAtATime() throws {
        var member = Member()
        _ = member.lead()
        #expect(throws: ProposalRefusal.notYetCommittedInTerm) {
            try member.change(.set(node(4), to: .voter))
        }
        member = leader()
        _ = try member.change(.set(node(4), to: .learner))
        #expect(throws: ProposalRefusal.configurationChangeInProgress(since: index(2))) {
            try member.change(.set(node(5), to: .learner))
        }
        _ = member.persisted(3)
        _ = member.receive(matched(2), term: 1, from: 2)
        _ = member.receive(matched(2), term: 1, from: 3)
        _ = try member.change(.set(node(4), to: .voter))
        _ = member.persisted(4)
        _ = member.receive(matched(3), term: 1, from: 2)
        // Joint, and left by an entry that is not committed yet.
        #expect(throws: ProposalRefusal.configurationChangeInProgress(since: index(3))) {
            try member.change(.set(node(5), to: .learner))
        }
        member = leader()
        _ = member.step(.transferLeadership(to: node(2)))
        #expect(throws: ProposalRefusal.transferring) {
            try member.change(.set(node(4), to: .voter))
        }
    }

    @Test("a change that leaves no voter, names nobody or changes nothing is refused")
    func invalidChanges() throws {
        var member = leader()
        #expect(throws: ProposalRefusal.invalidConfiguration("no voter is left")) {
            try member.change(
                ConfigurationChange([
                    .init(node(1), nil), .init(node(2), nil), .init(node(3), .learner),
                ]))
        }
        #expect(throws: ProposalRefusal.invalidConfiguration("a member's id is zero")) {
            try member.change(.set(.none, to: .learner))
        }
        for change in [ConfigurationChange.set(node(2), to: .voter), .remove(node(9))] {
            #expect(throws: ProposalRefusal.invalidConfiguration("the change changes nothing")) {
                try member.change(change)
            }
        }
        #expect(member.core.lastIndex == index(1))
    }

    @Test("learners, joining members and observers change without a joint configuration")
    func nonvoters() throws {
        var member = leader()
        _ = try member.change(
            ConfigurationChange([
                .init(node(4), .learner), .init(node(5), .joining), .init(node(6), .observer),
            ]))
        #expect(!member.core.configuration.isJoint)
        #expect(member.core.progress.map(\.role).suffix(3) == [.learner, .joining, .observer])
        _ = member.persisted(3)
        for peer: UInt64 in [4, 5, 6] { _ = member.receive(matched(2), term: 1, from: peer) }
        #expect(member.core.commitIndex == index(1))
    }

    @Test("a follower adopts a configuration when it is appended, and takes it back when truncated")
    func truncationRestores() {
        var member = Member(hard: HardState(term: term(1), votedFor: nil))
        let next = joint([1, 2, 4], [1, 2, 3])
        let effects = member.receive(
            append(after: 0, 0, [noop(1, term: 1), configured(2, term: 1, next)]), term: 1, from: 2)
        #expect(effects.contains(.configurationChanged(next, index(2))))
        let after = member.receive(append(after: 1, 1, [noop(2, term: 2)]), term: 2, from: 3)
        #expect(after.contains(.configurationChanged(simple([1, 2, 3]), .zero)))
        #expect(member.core.configuration == simple([1, 2, 3]))
    }

    @Test("a configuration behind the checkpoint is in force after a restart")
    func restart() {
        let next = joint([1, 4], [1, 2, 3])
        let member = Member(log: [noop(1, term: 1), configured(2, term: 1, next)])
        #expect(member.core.configuration == next)
        #expect(member.core.configuration(at: index(1)).configuration == simple([1, 2, 3]))
    }

    @Test(
        "an election in a joint configuration needs both majorities",
        arguments: [([2, 3], 5), ([4, 5], 2)] as [([UInt64], UInt64)])
    func jointElection(half: [UInt64], missing: UInt64) {
        let next = joint([1, 4, 5], [1, 2, 3])
        var member = Member(log: [noop(1, term: 1), configured(2, term: 1, next)])
        _ = member.untilPreVote()
        for peer in half { _ = member.receive(vote(true, pre: true), term: 2, from: peer) }
        #expect(member.core.role == .preCandidate)
        _ = member.receive(vote(true, pre: true), term: 2, from: missing)
        #expect(member.core.role == .candidate)
        _ = member.persisted(1)
        for peer in half { _ = member.receive(vote(true), term: 2, from: peer) }
        #expect(member.core.role == .candidate)
        _ = member.receive(vote(true), term: 2, from: missing)
        #expect(member.core.role == .leader)
    }

    @Test("a candidate that either majority refuses has lost", arguments: [[2, 3], [4, 5]])
    func jointDefeat(half: [UInt64]) {
        let next = joint([1, 4, 5], [1, 2, 3])
        var member = Member(log: [noop(1, term: 1), configured(2, term: 1, next)])
        _ = member.untilPreVote()
        for peer: UInt64 in [2, 4] {
            _ = member.receive(vote(true, pre: true), term: 2, from: peer)
        }
        _ = member.persisted(1)
        for peer in half { _ = member.receive(vote(false), term: 2, from: peer) }
        #expect(member.core.role == .follower)
    }

    @Test("the next leader leaves a joint configuration that it inherits")
    func inheritedJoint() {
        let next = joint([1, 2], [1, 2, 3])
        var member = Member(log: [noop(1, term: 1), configured(2, term: 1, next)])
        _ = member.lead()
        _ = member.persisted(2)
        let effects = member.receive(matched(3), term: 2, from: 2)
        #expect(effects.contains(.configurationChanged(simple([1, 2]), index(4))))
    }

    @Test("a removed leader manages the cluster until its removal is committed, then goes (§4.2.2)")
    func removedLeader() throws {
        var member = leader()
        _ = try member.change(.remove(node(1)))
        _ = member.persisted(3)
        // Of the new two voters both are needed; the old three hold it already.
        #expect(member.receive(matched(2), term: 1, from: 2) == [])
        _ = member.receive(matched(2), term: 1, from: 3)
        #expect(member.core.configuration == simple([2, 3]))
        _ = member.persisted(4)
        #expect(member.core.role == .leader)
        #expect(member.receive(matched(3), term: 1, from: 2) == [])
        #expect(
            member.receive(matched(3), term: 1, from: 3) == [
                .send(to(2, term: 1, beat(0, commit: 3, 1))),
                .send(to(3, term: 1, beat(0, commit: 3, 1))), .send(to(2, term: 1, .timeoutNow)),
                .roleChanged(.follower, term(1), leader: nil), .committed(through: index(3)),
            ])
        #expect(member.tick(100) == [])
    }

    @Test(
        "a member whose removal is not committed still campaigns, without counting itself (§4.2.2)")
    func uncommittedRemoval() {
        var member = Member(
            voters: [1], log: [noop(1, term: 1), configured(2, term: 1, simple([2]))],
            committed: 1)
        _ = member.untilPreVote()
        #expect(member.core.role == .preCandidate)
        _ = member.receive(vote(true, pre: true), term: 2, from: 2)
        _ = member.persisted(1)
        #expect(member.core.role == .candidate)
        _ = member.receive(vote(true), term: 2, from: 2)
        #expect(member.core.role == .leader)
        _ = member.persisted(2)
        #expect(member.core.commitIndex == index(1))
        _ = member.receive(matched(3), term: 2, from: 2)
        #expect(member.core.role == .follower)
        #expect(member.core.commitIndex == index(3))
    }

    @Test("a configuration's bytes come back, and any other bytes are refused without a trap")
    func configurationCoding() throws {
        let value = ClusterConfiguration(
            voters: nodes([3, 1, 2]), outgoingVoters: nodes([1, 4]), learners: nodes([4]),
            joining: nodes([6]), observers: nodes([7, 8]))
        #expect(try ClusterConfiguration.decode(value.encode()) == value)
        var random = SplitMix64(seed: 5)
        for _ in 0..<2000 {
            var bytes = value.encode()
            bytes[Int(random.next(below: UInt64(bytes.count)))] = UInt8(random.next(below: 256))
            if random.next(below: 2) == 0 {
                bytes.removeLast(Int(random.next(below: UInt64(bytes.count))))
            }
            if let decoded = try? ClusterConfiguration.decode(bytes) {
                #expect(decoded.defect == nil && decoded.encode() == bytes)
            }
        }
    }
}
