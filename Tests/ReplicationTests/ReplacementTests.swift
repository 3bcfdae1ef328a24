import Primitives
import RaftCore
import Replication
import StateMachine
import Testing

@Suite("A leader that gives places anew (decision 0010)")
struct ReplacementTests {
    private static func attributes(_ id: NodeID, started: Bool = true) -> MemberAttributes {
        MemberAttributes(
            member: id, name: "n\(id)", clientURLs: [], peerURLs: ["http://\(id)"],
            version: started ? "3.7.0" : "", boot: BootNumber(1),
            level: started ? .newest : .unannounced)
    }

    private func founded(
        _ change: (inout ReplicaSettings) -> Void = { $0.allowsRejoin = true }
    ) throws -> (trio: Trio, leader: Int, lost: Int) {
        var trio = Trio {
            $0.initialMembers = Trio.ids.map { Self.attributes($0, started: false) }
            change(&$0)
        }
        trio.elect()
        trio.tick(5)
        let leader = try #require(trio.leader)
        for id in Trio.ids {
            _ = trio.propose(leader, .memberAttributes, body: Self.attributes(id).encode())
        }
        trio.tick(10)
        #expect(trio.replicas[leader].store.members.clusterLevel == .newest)
        return (trio, leader, (leader + 2) % 3)
    }

    private func ask(_ trio: inout Trio, _ node: Int, for lost: Int) throws -> ReplicaOutcome? {
        let id = Trio.ids[lost]
        let question = JoinQuestion(
            peerURLs: ["http://\(id)"], level: .newest, replaces: id, name: "n\(id)")
        guard
            case .replace(id, let command) = trio.replicas[node].judge(
                question, peerURLs: { ["http://\($0)"] })
        else { return nil }
        let sequence = trio.propose(node, .memberRejoin, body: command)
        trio.tick(5)
        return trio.outcomes[node][sequence]
    }

    private func refusal(_ outcome: ReplicaOutcome?) -> RequestFailure? {
        if case .refused(let failure) = outcome { failure } else { nil }
    }

    @Test("a member that is gone gets another id, through whoever is asked", arguments: [0, 1])
    func replaced(distance: Int) throws {
        var (trio, leader, lost) = try founded()
        trio.cutOff = [lost]
        trio.tick(45)
        let outcome = try ask(&trio, (leader + distance) % 3, for: lost)
        guard case .applied(let applied) = outcome, case .member(let place) = applied.outcome else {
            Issue.record("\(String(describing: outcome))")
            return
        }
        trio.tick(5)
        let configuration = trio.replicas[leader].raft.configuration
        #expect(configuration.voters == Trio.ids.filter { $0 != Trio.ids[lost] })
        #expect(configuration.joining == [place] && !configuration.isJoint)
        // Asked once more, the answer is the place, with those who vote.
        let question = JoinQuestion(
            peerURLs: ["http://\(Trio.ids[lost])"], level: .newest, replaces: Trio.ids[lost],
            name: "n\(Trio.ids[lost])")
        guard
            case .answer(let said) = trio.replicas[leader].judge(question, peerURLs: { ["\($0)"] })
        else {
            Issue.record("the place is given a second time")
            return
        }
        #expect(said.verdict == .welcome && said.memberID == place)
        #expect(said.voters.map(\.id) == configuration.voters)
    }

    @Test("who does not know the one that asks yet says so, and not that somebody was here before")
    func unknownYet() throws {
        let (trio, leader, lost) = try founded()
        let id = Trio.ids[lost]
        // The server has been another member since, of which this one has not heard.
        let question = JoinQuestion(
            peerURLs: ["http://\(id)"], level: .newest, replaces: NodeID(77), name: "n\(id)")
        let step = trio.replicas[leader].judge(question) { ["http://\($0)"] }
        guard case .answer(let said) = step else {
            Issue.record("\(step)")
            return
        }
        #expect(said.verdict == .notNow)
        #expect(said.reason == "member \(NodeID(77)) is not known here yet")
    }

    @Test("a member that answers keeps its place", arguments: [0, 1])
    func answers(distance: Int) throws {
        var (trio, leader, lost) = try founded()
        let outcome = try ask(&trio, (leader + distance) % 3, for: lost)
        #expect(refusal(outcome) == .memberAnswers)
        #expect(refusal(try ask(&trio, (leader + distance) % 3, for: leader)) == .memberAnswers)
    }

    @Test("a leader whose policy is never gives no place")
    func forbidden() throws {
        var (trio, leader, lost) = try founded { _ in }
        trio.cutOff = [lost]
        trio.tick(45)
        #expect(refusal(try ask(&trio, leader, for: lost)) == .rejoinForbidden)
    }

    @Test("no place is given while another member is joining")
    func joining() throws {
        var (trio, leader, lost) = try founded()
        _ = trio.propose(
            leader, .memberAddition,
            body: MemberCommand.addition(as: .joining, peerURLs: ["http://new"]))
        trio.cutOff = [lost]
        trio.tick(45)
        #expect(refusal(try ask(&trio, leader, for: lost)) == .memberJoining)
    }

    @Test("below level 3, with another name, or at other URLs, nothing is proposed")
    func notProposed() throws {
        let (trio, leader, lost) = try founded()
        let id = Trio.ids[lost]
        func verdict(_ replica: Replica, _ name: String, _ urls: [String]) -> JoinAnswer.Verdict? {
            let question = JoinQuestion(
                peerURLs: urls, level: .newest, replaces: id, name: name)
            guard case .answer(let said) = replica.judge(question, peerURLs: { _ in [] }) else {
                return nil
            }
            return said.verdict
        }
        let replica = trio.replicas[leader]
        #expect(verdict(replica, "n\(id)", ["http://\(id)"]) == nil)
        #expect(verdict(replica, "other", ["http://\(id)"]) == .notNow)
        #expect(verdict(replica, "n\(id)", ["http://\(id)", "http://more"]) == .notNow)
        #expect(verdict(replica, "n\(id)", ["http://nobody"]) == .unknown)
        var young = Trio {
            $0.initialMembers = Trio.ids.map { Self.attributes($0, started: false) }
        }
        young.elect()
        young.tick(5)
        #expect(verdict(young.replicas[0], "n\(id)", ["http://\(id)"]) == .notNow)
    }
}

@Suite("What a server makes of the answers while it looks for its place (decision 0010)")
struct PlaceSearchTests {
    private func answer(
        _ verdict: JoinAnswer.Verdict, _ member: UInt64, of cluster: UInt64 = 1
    ) -> JoinAnswer {
        JoinAnswer(
            verdict, clusterID: ClusterID(cluster), memberID: NodeID(member), reason: "why")
    }

    @Test("whom another cluster named, which is there no more, is not asked for any longer")
    func otherCluster() {
        var places = PlaceSearch(.directory, policy: .auto)
        #expect(places.take(answer(.startedBefore, 2)) == .ask)
        // One that was restored from before that member was there.
        #expect(places.take(answer(.notNow, 7, of: 9)) == .wait("why"))
        #expect(places.replaces == .none)
        #expect(places.take(answer(.welcome, 7, of: 9)) == .take(answer(.welcome, 7, of: 9)))
    }

    @Test("an empty directory takes what is free, and asks for what was its own")
    func directory() {
        var places = PlaceSearch(.directory, policy: .auto)
        #expect(places.replaces == .none)
        #expect(places.take(answer(.unknown, 0)) == .nobody)
        #expect(places.take(answer(.startedBefore, 2)) == .ask)
        #expect(places.replaces == NodeID(2))
        // A member that has no such question yet.
        guard case .wait = places.take(answer(.startedBefore, 2)) else {
            Issue.record("it asks an older build for ever")
            return
        }
        #expect(places.take(answer(.notNow, 2)) == .wait("why"))
        #expect(places.take(answer(.welcome, 7)) == .take(answer(.welcome, 7)))
        var never = PlaceSearch(.directory, policy: .never)
        #expect(
            never.take(answer(.startedBefore, 2)) == .startedBefore(answer(.startedBefore, 2)))
    }

    @Test("an old disk asks for its own member's place only")
    func disk() {
        var places = PlaceSearch(.disk(of: NodeID(2)), policy: .auto)
        #expect(places.replaces == NodeID(2))
        guard case .wait = places.take(answer(.welcome, 2)) else {
            Issue.record("it takes the id whose disk it has lost")
            return
        }
        #expect(
            places.take(answer(.startedBefore, 3)) == .startedBefore(answer(.startedBefore, 3)))
        #expect(places.take(answer(.welcome, 7)) == .take(answer(.welcome, 7)))
    }

    @Test("a removed member takes a free place, and a started one only if that was itself")
    func membership() {
        var other = PlaceSearch(.membership(of: NodeID(2), mayFollow: false), policy: .auto)
        #expect(other.replaces == .none)
        #expect(
            other.take(answer(.startedBefore, 7)) == .startedBefore(answer(.startedBefore, 7)))
        #expect(other.take(answer(.welcome, 7)) == .take(answer(.welcome, 7)))
        var own = PlaceSearch(.membership(of: NodeID(2), mayFollow: true), policy: .auto)
        #expect(own.take(answer(.startedBefore, 7)) == .ask)
        #expect(own.replaces == NodeID(7))
        // Who was asked has yet to apply the removal.
        for mayFollow in [false, true] {
            var places = PlaceSearch(
                .membership(of: NodeID(2), mayFollow: mayFollow), policy: .auto)
            guard case .wait = places.take(answer(.startedBefore, 2)) else {
                Issue.record("it takes what it was itself for somebody else")
                return
            }
            #expect(places.take(answer(.welcome, 7)) == .take(answer(.welcome, 7)))
        }
    }

    @Test("what it cannot be part of ends the search", arguments: [3, 4] as [UInt8])
    func refused(verdict: UInt8) throws {
        let verdict = try #require(JoinAnswer.Verdict(rawValue: verdict))
        var places = PlaceSearch(.directory, policy: .auto)
        #expect(places.take(answer(verdict, 0)) == .refused(answer(verdict, 0)))
    }
}
