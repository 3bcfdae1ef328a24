import Primitives
import RaftCore
import Replication
import StateMachine
import Testing

@Suite("Peers of several builds greet each other (decision 0009)")
struct PeerLevelTests {
    private func gate(_ id: UInt64, _ level: FeatureLevel) -> PeerGate {
        PeerGate(
            identity: PeerIdentity(
                clusterID: ClusterID(1), memberID: NodeID(id), boot: BootNumber(disk: 1), nonce: 7,
                level: level),
            memory: PeerRecollection([], self: NodeID(id)),
            admission: Admission(
                members: [NodeID(1), NodeID(2)], self: NodeID(id), isFresh: false,
                hasHoles: false))
    }

    private var raft: RaftCore {
        RaftCore(
            settings: RaftSettings(id: NodeID(2), seed: 1, electionTicks: 10, heartbeatTicks: 2),
            restored: .fresh(ClusterConfiguration(voters: [NodeID(1), NodeID(2)])))
    }

    /// The members of a cluster at a level.
    private func members(_ level: FeatureLevel) -> MemberTable {
        let store = Store()
        func apply(_ kind: CommandKind, _ body: [UInt8]) {
            let request = RequestID(origin: .none, boot: .zero, sequence: 0)
            _ = store.apply(
                LogEntry(
                    index: store.appliedIndex.next, term: Term(1), kind: .command,
                    payload: Command.encode(
                        CommandHeader(kind: kind, request: request), body: body)))
        }
        for id in 1...2 {
            apply(
                .memberAttributes,
                MemberAttributes(
                    member: NodeID(UInt64(id)), name: "n", clientURLs: [], peerURLs: [],
                    version: "1", level: level
                ).encode())
        }
        apply(.clusterLevel, ClusterLevelCommand.encode(level))
        return store.members
    }

    private func greet(
        _ caller: FeatureLevel, clusterAtCaller: FeatureLevel, _ callee: FeatureLevel,
        clusterAtCallee: FeatureLevel
    ) throws -> (welcome: PeerWelcome, change: PeerGate.Change) {
        var one = gate(1, caller)
        var two = gate(2, callee)
        let hello = PeerHello(
            from: one.identity, to: NodeID(2), currentTerm: Term(1), lastTerm: Term(1),
            lastIndex: LogIndex(1), channel: .snapshot, clusterLevel: clusterAtCaller)
        let heard = try PeerHello.decode(hello.encode())
        #expect(heard == hello)
        let welcome = two.judge(
            heard, peers: [NodeID(1)], raft, members: members(clusterAtCallee)
        ).welcome
        let answer = try PeerWelcome.decode(welcome.encode())
        return (answer, one.welcomed(by: NodeID(2), answer))
    }

    @Test("an answer says whether notes of traces are taken, where earlier builds read nothing")
    func takesTraces() throws {
        var welcome = gate(2, .newest).refusal("why")
        welcome.voters = [NodeID(1), NodeID(2)]
        let silent = welcome.encode()
        #expect(try PeerWelcome.decode(silent) == welcome && !welcome.takesTraces)
        welcome.takesTraces = true
        #expect(welcome.encode() == silent + [1])
        #expect(try PeerWelcome.decode(silent + [1]).takesTraces)
        // What a build to come may say there.
        #expect(try !PeerWelcome.decode(silent + [2, 9]).takesTraces)
    }

    @Test("an older build is told that it is too old, and stops")
    func callerTooOld() throws {
        let found = try greet(.first, clusterAtCaller: .first, .newest, clusterAtCallee: .newest)
        #expect(found.welcome.verdict == .levelTooLow && found.change == .outdated)
        let reason = found.welcome.reason
        #expect(reason.contains("level \(FeatureLevel.newest)") && reason.contains("level 1"))
    }

    @Test("an older build takes nothing from a cluster that is ahead of it, snapshots neither")
    func calleeTooOld() throws {
        let found = try greet(.newest, clusterAtCaller: .newest, .first, clusterAtCallee: .first)
        #expect(found.welcome.verdict == .levelTooHigh && found.change == .refused)
    }

    @Test("before the rise builds of both levels speak, and after it all that know it")
    func both() throws {
        for (caller, callee) in [(FeatureLevel.first, FeatureLevel.newest), (.newest, .first)] {
            let found = try greet(caller, clusterAtCaller: .first, callee, clusterAtCallee: .first)
            #expect(found.welcome.verdict.isWelcome)
        }
        // One that was down during the rise has not applied it yet, and knows it.
        let late = try greet(.newest, clusterAtCaller: .first, .newest, clusterAtCallee: .newest)
        #expect(late.welcome.verdict.isWelcome)
    }

    @Test("a question that joins names the level, and one cut short is no question")
    func joining() throws {
        let question = JoinQuestion(peerURLs: ["http://a:1"], level: .first)
        let bytes = question.encode()
        #expect(try JoinQuestion.decode(bytes) == question)
        #expect(throws: DecodingError.self) { try JoinQuestion.decode(Array(bytes.dropLast())) }
        let answer = JoinAnswer(
            .levelTooLow, clusterID: ClusterID(1), memberID: .none, reason: "too old")
        #expect(try JoinAnswer.decode(answer.encode()) == answer)
    }
}
