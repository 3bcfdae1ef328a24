import Primitives
import RaftCore
import Replication
import StateMachine
import Storage
import Testing

/// One member's gate, and what its disk keeps of it.
private struct Node {
    static let cluster = ClusterID(1)
    let id: UInt64
    let voters: [NodeID]
    var gate: PeerGate
    var raft: RaftCore
    var boot: BootNumber
    let nonce: UInt64

    init(
        _ id: UInt64, disk: UInt32 = 1, start: UInt64 = 1, of count: UInt64 = 3,
        remembering peers: [PeerMemory] = [], hasHoles: Bool = false,
        log entries: [LogEntry] = [], term: UInt64? = nil,
        inForce: [UInt64]? = nil
    ) {
        self.id = id
        voters = (1...count).map { NodeID($0) }
        boot = BootNumber(BootNumber(disk: disk).rawValue + start)
        nonce = UInt64(disk) * 1000 + id * 100 + start
        let memory = PeerRecollection(peers, self: NodeID(id))
        gate = PeerGate(
            identity: PeerIdentity(
                clusterID: Self.cluster, memberID: NodeID(id), boot: boot, nonce: nonce),
            memory: memory,
            admission: Admission(
                members: voters, self: NodeID(id), isFresh: !memory.wasAdmitted,
                hasHoles: hasHoles))
        var restored = RestoredLog.fresh(
            ClusterConfiguration(voters: inForce?.map { NodeID($0) } ?? voters))
        restored.recentEntries = entries
        restored.lastIndex = entries.last?.index ?? .zero
        for entry in entries where restored.termRuns.last?.term != entry.term {
            restored.termRuns.append(TermRun(first: entry.index, term: entry.term))
        }
        restored.hardState.term = term.map { Term($0) } ?? entries.last?.term ?? .zero
        raft = RaftCore(
            settings: RaftSettings(
                id: NodeID(id), seed: id, electionTicks: 10, heartbeatTicks: 2),
            restored: restored)
    }

    func hello(to peer: Node) -> PeerHello {
        PeerHello(
            from: gate.identity, to: NodeID(peer.id), currentTerm: raft.term,
            lastTerm: raft.lastTerm, lastIndex: raft.lastIndex, channel: .bulk)
    }

    /// Says hello to a peer and hears its answer, once what each is to remember is durable.
    mutating func greet(_ peer: inout Node) -> PeerGate.Change {
        let change = hear(from: &peer)
        return change == .nothing && remember() ? .admitted : change
    }

    /// Says hello to a peer and hears its answer, once what the peer is to remember is durable.
    mutating func hear(from peer: inout Node) -> PeerGate.Change {
        let judged = peer.gate.judge(hello(to: peer), peers: voters, peer.raft)
        if judged.mustRememberFirst { _ = peer.remember() }
        return gate.welcomed(by: NodeID(peer.id), judged.welcome)
    }

    /// What it knows is durable. True where that lets it take part.
    mutating func remember() -> Bool { gate.remembered(gate.memory.takeRecords().ticket) }

    mutating func records() -> [PeerMemory] { gate.memory.takeRecords().records }
}

private func noop(_ index: UInt64, term: UInt64) -> LogEntry {
    LogEntry(index: LogIndex(index), term: Term(term), kind: .noop, payload: [])
}

@Suite("Who may take part (DESIGN §5, amnesia; §9)")
struct PeerGateTests {
    @Test("a removed member is told so, by its id, once it is out of the configuration")
    func removed() {
        var a = Node(1)
        let b = Node(2)
        let store = Store()
        let attributes = MemberAttributes(
            member: NodeID(2), name: "n2", clientURLs: [], peerURLs: [], version: "")
        var other = attributes
        other.member = NodeID(1)
        var index: UInt64 = 0
        for (kind, body) in [
            (CommandKind.memberAttributes, attributes.encode()),
            (.memberAttributes, other.encode()),
            (.memberRemoval, MemberCommand.removal(NodeID(1))),
        ] {
            index += 1
            let header = CommandHeader(
                kind: kind,
                request: RequestID(origin: NodeID(2), boot: BootNumber(1), sequence: index))
            _ = store.apply(
                LogEntry(
                    index: LogIndex(index), term: Term(1), kind: .command,
                    payload: Command.encode(header, body: body)))
        }
        var gate = b.gate
        // Its vote may still be needed.
        let early = gate.judge(a.hello(to: b), peers: a.voters, b.raft, members: store.members)
        #expect(early.welcome.verdict == .neverHeard)
        let later = Node(2, inForce: [2, 3])
        // Whomever it looks for there: those whom it knows may all have gone, and nobody calls it.
        for sought in [later, Node(3)] {
            let judged = gate.judge(
                a.hello(to: sought), peers: a.voters, later.raft, members: store.members)
            #expect(judged.welcome.verdict == .removedMember)
            #expect(judged.welcome.reason.contains("was removed from this cluster"))
            #expect(a.gate.welcomed(by: NodeID(2), judged.welcome) == .removed)
        }
    }

    @Test("who does not vote needs a majority of those who do")
    func nonvoter() {
        var admission = Admission(members: (1...3).map { NodeID($0) }, self: NodeID(9))
        let first = admission.accept(NodeID(1))
        let second = admission.accept(NodeID(2))
        #expect(!first && second)
        var voter = Admission(members: (1...3).map { NodeID($0) }, self: NodeID(3))
        let one = voter.accept(NodeID(1))
        #expect(one)
    }

    @Test("who was admitted before counts those who vote by the newest log that it heard of")
    func votersOfLaterLogs() {
        let five = (1...5).map { NodeID($0) }
        let three = [NodeID(1), NodeID(2), NodeID(5)]
        // Two of five were removed while it was off, and one of the three that are left is gone.
        var known = Admission(members: five, self: NodeID(5), at: LogIndex(10))
        let isAdmitted = known.accept(NodeID(1), voters: three, at: LogIndex(20))
        #expect(isAdmitted)
        // Whom it had met before is enough by what it hears from another.
        var met = Admission(
            members: (1...7).map { NodeID($0) }, self: NodeID(5), at: LogIndex(10))
        let first = met.accept(NodeID(2))
        let second = met.accept(NodeID(4), voters: three, at: LogIndex(20))
        #expect(!first && second)
        var late = Admission(members: five, self: NodeID(5), at: LogIndex(30))
        let isOutdated = late.accept(NodeID(1), voters: three, at: LogIndex(20))
        #expect(!isOutdated)
        var fresh = Admission(members: five, self: NodeID(5), at: LogIndex(10), isFresh: true)
        let isFresh = fresh.accept(NodeID(1), voters: three, at: LogIndex(20))
        #expect(!isFresh)
    }

    @Test("a member learns from a peer's answer that it votes by now")
    func hearsThatItVotes() {
        let itself = PeerMemory(member: NodeID(3), boot: .zero, term: .zero, index: .zero)
        var joined = Node(3, remembering: [itself], inForce: [1, 2])
        joined.gate = PeerGate(
            identity: joined.gate.identity, memory: joined.gate.memory,
            admission: Admission(members: [NodeID(1), NodeID(2)], self: NodeID(3)))
        var peer = Node(1)
        var welcome = peer.gate.judge(joined.hello(to: peer), peers: peer.voters, peer.raft).welcome
        #expect(welcome.voters == peer.voters)
        var unaware = joined
        welcome.voters = []
        #expect(unaware.gate.welcomed(by: NodeID(1), welcome) == .nothing)
        welcome.voters = peer.voters
        welcome.configurationIndex = LogIndex(7)
        #expect(joined.gate.welcomed(by: NodeID(1), welcome) == .admitted)
    }

    @Test("who began a cluster alone is no stranger to its own disk once others vote")
    func founderAlone() {
        var founder = Node(1, of: 1)
        #expect(founder.gate.isAdmitted)
        let due = founder.gate.memory.tick()
        #expect(due?.records.contains { $0.member == NodeID(1) } == true)
        var grown = Node(1, start: 2, remembering: due?.records ?? [])
        var peer = Node(2)
        #expect(grown.greet(&peer) == .admitted)
    }

    @Test("an answer names the sender's voters; one of an earlier build does not")
    func welcomeBytes() throws {
        var welcome = Node(1).gate.refusal("why")
        let earlier = try PeerWelcome.decode(Array(welcome.encode().dropLast(10)))
        #expect(earlier == welcome)
        welcome.voters = (1...7).map { NodeID($0) }
        welcome.configurationIndex = LogIndex(9)
        #expect(try PeerWelcome.decode(welcome.encode()) == welcome)
        for count in 0..<welcome.encode().count {
            _ = try? PeerWelcome.decode(Array(welcome.encode()[..<count]))
        }
        welcome.voters = (1...1024).map { NodeID($0) }
        #expect(welcome.encode().count <= PeerProtocol.handshakeBytesMax)
        #expect(try PeerWelcome.decode(welcome.encode()).voters.isEmpty)
    }

    @Test("a fresh member takes part only once its disk says for good that it was admitted")
    func admissionIsKeptFirst() {
        var (a, b, c) = (Node(1), Node(2), Node(3))
        #expect(a.hear(from: &b) == .nothing)
        #expect(a.hear(from: &c) == .nothing)
        #expect(!a.gate.isAdmitted)
        let takesPart = a.remember()
        #expect(takesPart && a.gate.isAdmitted)
        // Those who counted on it may be gone: whoever is left is enough.
        a = Node(1, start: 2, remembering: a.records())
        #expect(a.greet(&b) == .admitted)
    }

    @Test("what was on its way to the disk before a member was admitted keeps nothing of that")
    func earlierRecordsKeepNothing() {
        var (a, b, c) = (Node(1), Node(2), Node(3))
        _ = a.hear(from: &b)
        let earlier = a.gate.memory.takeRecords().ticket
        _ = a.hear(from: &c)
        let isTooEarly = a.gate.remembered(earlier)
        #expect(!isTooEarly && !a.gate.isAdmitted)
    }

    @Test("a disk that turns out to be the wrong one while that is written takes no part")
    func rejectedMeanwhile() {
        var (a, b) = (Node(1), Node(2))
        _ = a.hear(from: &b)
        var c = Node(
            3,
            remembering: [
                PeerMemory(
                    member: NodeID(1), boot: BootNumber(BootNumber(disk: 7).rawValue + 1),
                    nonce: 7, term: .zero, index: .zero)
            ])
        var d = Node(2)
        #expect(a.hear(from: &d) == .nothing)
        #expect(a.hear(from: &c) == .rejected)
        let takesPart = a.remember()
        #expect(!takesPart && !a.gate.isAdmitted)
    }

    @Test("a change of the voters can admit a member, and says so once")
    func admittedByChange() {
        var node = Node(
            1, of: 5,
            remembering: [
                PeerMemory(member: NodeID(1), boot: .zero, term: .zero, index: .zero)
            ])
        var peer = Node(2, of: 5)
        let change = node.greet(&peer)
        #expect(change == .nothing)
        let three = ClusterConfiguration(voters: (1...3).map { NodeID($0) })
        let isAdmitted = node.gate.follow(three)
        #expect(isAdmitted && node.gate.admission.isAdmitted)
        let again = node.gate.follow(three)
        #expect(!again)
    }

    @Test("who joined later knows from the records which disk of a member is the right one")
    func onRecord() {
        let old = Node(1, start: 3)
        var joined = Node(4)
        let store = Store()
        let attributes = MemberAttributes(
            member: NodeID(1), name: "n1", clientURLs: [], peerURLs: [], version: "3.7.0",
            boot: old.boot.next.next, nonce: 99)
        let header = CommandHeader(
            kind: .memberAttributes,
            request: RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: 1))
        _ = store.apply(
            LogEntry(
                index: LogIndex(1), term: Term(1), kind: .command,
                payload: Command.encode(header, body: attributes.encode())))
        let judged = joined.gate.judge(
            old.hello(to: joined), peers: old.voters, joined.raft, members: store.members)
        #expect(judged.welcome.verdict == .behind)
        #expect(judged.welcome.reason.contains("this one is"))
    }

    @Test("a node that knows no leader listens to members that it does not know yet")
    func unknown() {
        let a = Node(9)
        var b = Node(2)
        let judged = b.gate.judge(a.hello(to: b), peers: b.voters, b.raft)
        #expect(judged.welcome.verdict == .neverHeard)
        var effects: [Effect] = []
        let heartbeat = Heartbeat(context: 0, leaderCommit: .zero, leaderCommitTerm: .zero)
        b.raft.step(
            .received(Message(term: Term(1), body: .heartbeat(heartbeat)), from: NodeID(1)),
            into: &effects)
        #expect(b.raft.leader == NodeID(1))
        let later = b.gate.judge(Node(8).hello(to: b), peers: b.voters, b.raft)
        #expect(later.welcome.verdict == .unknownMember)
    }

    @Test("questions and answers about joining come back as they were; damaged ones never trap")
    func joining() throws {
        let question = JoinQuestion(peerURLs: ["http://a:1", "http://b:2"], level: .newest)
        #expect(JoinQuestion.isOne(question.encode()))
        #expect(try JoinQuestion.decode(question.encode()) == question)
        let lost = JoinQuestion(
            peerURLs: ["http://a:1"], level: .newest, replaces: NodeID(5), name: "n5")
        #expect(try JoinQuestion.decode(lost.encode()) == lost)
        // What a build of level 2 asks ends behind the level.
        let older = try JoinQuestion.decode(Array(question.encode().dropLast(12)))
        #expect(older == question)
        var answer = JoinAnswer(
            .welcome, clusterID: ClusterID(7), memberID: NodeID(8), reason: "why")
        answer.voters = [JoinAnswer.Voter(id: NodeID(1), peerURL: "http://c:3")]
        #expect(try JoinAnswer.decode(answer.encode()) == answer)
        for bytes in [question.encode(), lost.encode(), answer.encode()] {
            for count in 0..<bytes.count {
                _ = try? JoinQuestion.decode(Array(bytes[..<count]))
                _ = try? JoinAnswer.decode(Array(bytes[..<count]))
            }
        }
        answer.voters = (1...200).map {
            JoinAnswer.Voter(id: NodeID($0), peerURL: "http://a-rather-long-name-\($0):2380")
        }
        #expect(answer.encode().count <= PeerProtocol.handshakeBytesMax)
        #expect(try JoinAnswer.decode(answer.encode()).voters.count > 50)
    }

    @Test("three fresh members that start at once admit each other")
    func freshCluster() {
        var (a, b, c) = (Node(1), Node(2), Node(3))
        #expect(a.greet(&b) == .nothing)
        #expect(b.greet(&a) == .nothing)
        #expect(c.greet(&a) == .nothing)
        #expect(a.greet(&c) == .admitted)
        #expect(b.greet(&c) == .admitted)
        #expect(c.greet(&b) == .admitted)
    }

    @Test("a fresh member that starts again before it was admitted is still fresh, and admitted")
    func freshRestart() {
        var (a, b, c) = (Node(1), Node(2), Node(3))
        _ = a.greet(&b)
        a = Node(1, start: 2, remembering: a.records())
        #expect(a.gate.admission.isFresh)
        #expect(a.greet(&b) == .nothing)
        #expect(a.greet(&c) == .admitted)
        // From here on one peer is enough, after any restart.
        a = Node(1, start: 3, remembering: a.records())
        #expect(!a.gate.admission.isFresh)
        #expect(a.greet(&b) == .admitted)
    }

    @Test("a member whose disk was emptied never takes part again, however often it starts")
    func wiped() {
        var (a, b, c) = (Node(1), Node(2), Node(3))
        for _ in 0..<2 {
            _ = a.greet(&b)
            _ = a.greet(&c)
        }
        for start in 1...6 as ClosedRange<UInt64> {
            a = Node(1, disk: 9, start: start)
            #expect(a.greet(&b) == .rejected)
            #expect(a.greet(&c) == .nothing)
            #expect(!a.gate.admission.isAdmitted)
        }
    }

    @Test(
        "an emptied disk is not admitted by a member that never knew it, while the others are down")
    func wipedBesideNewcomer() {
        // The cluster of 1 and 2 took writes before 3 had ever started, and 2 is down now.
        var (a, c) = (Node(1, disk: 9), Node(3))
        #expect(a.greet(&c) == .nothing)
        #expect(!a.gate.admission.isAdmitted)
        for _ in 0..<3 { #expect(a.greet(&c) == .nothing) }
    }

    @Test("of five members a fresh one needs three others, an admitted one two")
    func five() {
        var a = Node(1, of: 5)
        var peers = (2...4).map { Node($0, of: 5) }
        #expect(a.greet(&peers[0]) == .nothing)
        #expect(a.greet(&peers[1]) == .nothing)
        #expect(a.greet(&peers[2]) == .admitted)
        a = Node(1, start: 2, of: 5, remembering: a.records())
        #expect(a.greet(&peers[0]) == .nothing)
        #expect(a.greet(&peers[1]) == .admitted)
    }

    @Test("a single member takes part at once")
    func single() { #expect(Node(1, of: 1).gate.admission.isAdmitted) }

    @Test("an older image of the disk is behind by its start, or by the term that it spoke in")
    func olderImage() {
        var b = Node(2)
        let start = BootNumber(BootNumber(disk: 1).rawValue + 5)
        let memory = PeerMemory(
            member: NodeID(1), boot: start, nonce: 3, term: Term(2), index: LogIndex(2),
            spokenTerm: Term(4))
        func verdict(start: UInt64, _ term: UInt64, _ last: UInt64) -> PeerVerdict {
            b = Node(2, remembering: [memory])
            let log = (1...last).map { noop($0, term: 2) }
            let a = Node(1, start: start, log: log, term: term)
            return b.gate.judge(a.hello(to: b), peers: a.voters, b.raft).welcome.verdict
        }
        #expect(verdict(start: 6, 4, 2) == .known)
        #expect(verdict(start: 5, 4, 2) == .behind)
        #expect(verdict(start: 6, 3, 2) == .behind)
        #expect(verdict(start: 6, 4, 1) == .behind)
    }

    @Test("an older image that was started often enough to be past the known number is behind")
    func olderImageStartedOften() {
        let known = PeerMemory(
            member: NodeID(1), boot: BootNumber(BootNumber(disk: 1).rawValue + 5), nonce: 55,
            term: .zero, index: .zero)
        func verdict(start: UInt64, earlier: [UInt64]) -> PeerVerdict {
            var b = Node(2, remembering: [known])
            var a = Node(1, start: start)
            a.gate = PeerGate(
                identity: PeerIdentity(
                    clusterID: Node.cluster, memberID: NodeID(1), boot: a.boot, nonce: a.nonce,
                    earlierNonces: earlier),
                memory: a.gate.memory, admission: a.gate.admission)
            return b.gate.judge(a.hello(to: b), peers: a.voters, b.raft).welcome.verdict
        }
        #expect(verdict(start: 6, earlier: [55, 44]) == .known)
        #expect(verdict(start: 8, earlier: [77, 66, 55, 44]) == .known)
        #expect(verdict(start: 6, earlier: [56, 44]) == .behind)
        #expect(verdict(start: 8, earlier: [77, 66, 56, 44]) == .behind)
        // Too long ago to be told.
        #expect(verdict(start: 8, earlier: [77, 66]) == .known)
    }

    @Test("a position that this node's own log shows superseded is not asked for any more")
    func supersededMark() {
        let memory = PeerMemory(
            member: NodeID(1), boot: BootNumber(disk: 1), nonce: 3, term: Term(2),
            index: LogIndex(2))
        for (own, verdict) in [(2, .behind), (3, .known)] as [(UInt64, PeerVerdict)] {
            var b = Node(
                2, remembering: [memory], log: [noop(1, term: 1), noop(2, term: own)])
            let a = Node(1, start: 2, log: [noop(1, term: 1)], term: 3)
            #expect(
                b.gate.judge(a.hello(to: b), peers: a.voters, b.raft).welcome.verdict == verdict)
        }
    }

    @Test("only its leader notes what a member acknowledged")
    func notes() {
        var b = Node(2, log: [noop(1, term: 1), noop(2, term: 3)])
        var a = Node(1)
        _ = a.greet(&b)
        let old = Message(
            term: Term(1), body: .appendEntriesResponse(.matched(LogIndex(2))))
        b.gate.note(old, from: NodeID(1), ReplicaView(b.raft, self: NodeID(2)), b.raft.log)
        #expect(b.records().first?.index == .zero)
        #expect(b.records().first?.spokenTerm == Term(1))
    }

    @Test("a pre-vote says nothing of the sender's term")
    func preVotes() {
        var b = Node(2)
        var a = Node(1)
        _ = a.greet(&b)
        let ask = RequestVote(isPreVote: true, lastLogIndex: .zero, lastLogTerm: .zero)
        b.gate.note(
            Message(term: Term(9), body: .requestVote(ask)), from: NodeID(1),
            ReplicaView(b.raft, self: NodeID(2)), b.raft.log)
        let grant = RequestVoteResponse(isPreVote: true, voteGranted: true)
        b.gate.note(
            Message(term: Term(9), body: .requestVoteResponse(grant)), from: NodeID(1),
            ReplicaView(b.raft, self: NodeID(2)), b.raft.log)
        #expect(b.records().first?.spokenTerm == .zero)
    }

    @Test("a hello comes back as it was")
    func helloRoundTrip() throws {
        let a = Node(1, disk: 0xFFFF_FFFF, log: [noop(1, term: 3), noop(2, term: 4)], term: 9)
        let hello = a.hello(to: Node(2))
        #expect(try PeerHello.decode(hello.encode()) == hello)
        #expect(hello.currentTerm == Term(9) && hello.boot.disk == 0xFFFF_FFFF)
    }

    @Test("no connection of a new start is answered before that start is remembered durably")
    func secondConnectionWaits() {
        let a = Node(1)
        var b = Node(2)
        for _ in 0..<2 {
            let judged = b.gate.judge(a.hello(to: b), peers: a.voters, b.raft)
            #expect(judged.mustRememberFirst)
        }
        _ = b.remember()
        #expect(!b.gate.judge(a.hello(to: b), peers: a.voters, b.raft).mustRememberFirst)
    }

    @Test("a member with holes in its log is admitted once it healed and was judged anew")
    func healed() {
        let admitted = PeerMemory(member: NodeID(1), boot: .zero, term: .zero, index: .zero)
        var a = Node(1, remembering: [admitted], hasHoles: true)
        var b = Node(2)
        #expect(a.greet(&b) == .nothing)
        a.gate.admission.healed()
        #expect(!a.gate.admission.isAdmitted)
        #expect(a.greet(&b) == .admitted)
    }
}
