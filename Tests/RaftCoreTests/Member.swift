import Primitives
import RaftCore

func node(_ raw: UInt64) -> NodeID { NodeID(raw) }
func term(_ raw: UInt64) -> Term { Term(raw) }
func index(_ raw: UInt64) -> LogIndex { LogIndex(raw) }
func nodes(_ raw: [UInt64]) -> [NodeID] { raw.map { NodeID($0) } }

func command(_ at: UInt64, term: UInt64, _ text: String = "x") -> LogEntry {
    LogEntry(
        index: LogIndex(at), term: Term(term), kind: .command, payload: Array(text.utf8))
}

func noop(_ at: UInt64, term: UInt64) -> LogEntry {
    LogEntry(index: LogIndex(at), term: Term(term), kind: .noop, payload: [])
}

/// The configuration that an entry of the tests' own making holds.
func configuration(in entry: LogEntry) -> ClusterConfiguration {
    do {
        return try ClusterConfiguration.decode(entry.payload)
    } catch {
        fatalError("entry \(entry.index): \(error)")
    }
}

func configured(_ at: UInt64, term: UInt64, _ value: ClusterConfiguration) -> LogEntry {
    LogEntry(
        index: LogIndex(at), term: Term(term), kind: .configuration, payload: value.encode())
}

func append(
    after previous: UInt64, _ previousTerm: UInt64, commit: UInt64 = 0, _ entries: [LogEntry] = []
) -> Message.Body {
    .appendEntries(
        AppendEntries(
            prevLogIndex: LogIndex(previous), prevLogTerm: Term(previousTerm),
            leaderCommit: LogIndex(commit), entries: entries))
}

func beat(_ context: UInt64, commit: UInt64 = 0, _ commitTerm: UInt64 = 0) -> Message.Body {
    .heartbeat(
        Heartbeat(
            context: context, leaderCommit: LogIndex(commit), leaderCommitTerm: Term(commitTerm)))
}

func answer(_ context: UInt64) -> Message.Body {
    .heartbeatResponse(HeartbeatResponse(context: context))
}

func matched(_ at: UInt64) -> Message.Body { .appendEntriesResponse(.matched(LogIndex(at))) }

func received(_ at: UInt64) -> Message.Body { .appendEntriesResponse(.received(LogIndex(at))) }

func rejected(_ previous: UInt64, hint: UInt64, _ hintTerm: UInt64) -> Message.Body {
    .appendEntriesResponse(
        .rejected(
            prevLogIndex: LogIndex(previous),
            hint: LogPosition(index: LogIndex(hint), term: Term(hintTerm))))
}

func ask(
    pre: Bool = false, last: UInt64, _ lastTerm: UInt64, transfer: Bool = false, fast: Bool = false
) -> Message.Body {
    .requestVote(
        RequestVote(
            isPreVote: pre, lastLogIndex: LogIndex(last), lastLogTerm: Term(lastTerm),
            isTransfer: transfer, isFast: fast))
}

func vote(_ granted: Bool, pre: Bool = false) -> Message.Body {
    .requestVoteResponse(RequestVoteResponse(isPreVote: pre, voteGranted: granted))
}

func to(_ peer: UInt64, term: UInt64, _ body: Message.Body) -> Envelope {
    Envelope(to: NodeID(peer), message: Message(term: Term(term), body: body))
}

/// One core under test, with small timings: an election after 10 to 19 ticks, heartbeats every 2.
struct Member {
    var core: RaftCore
    let id: NodeID

    init(
        _ id: UInt64 = 1, voters: [UInt64] = [1, 2, 3], learners: [UInt64] = [],
        hard: HardState = .initial, log entries: [LogEntry] = [], committed: UInt64 = 0,
        inMemory: Int? = nil, change: (inout RaftSettings) -> Void = { _ in }
    ) {
        var settings = RaftSettings(
            id: NodeID(id), seed: id, electionTicks: 10, heartbeatTicks: 2)
        change(&settings)
        var runs: [TermRun] = []
        for entry in entries where runs.last?.term != entry.term {
            runs.append(TermRun(first: entry.index, term: entry.term))
        }
        var hardState = hard
        if let last = entries.last, hardState.term < last.term { hardState.term = last.term }
        let later = entries.filter { $0.kind == .configuration }.map { entry in
            PlacedConfiguration(
                index: entry.index, configuration: configuration(in: entry))
        }
        self.id = NodeID(id)
        core = RaftCore(
            settings: settings,
            restored: RestoredLog(
                hardState: hardState, snapshotIndex: .zero, snapshotTerm: .zero,
                configuration: ClusterConfiguration(
                    voters: nodes(voters), learners: nodes(learners)),
                configurationIndex: .zero, laterConfigurations: later, termRuns: runs,
                lastIndex: entries.last?.index ?? .zero,
                recentEntries: Array(entries.suffix(inMemory ?? entries.count)),
                committed: LogIndex(committed)))
    }

    mutating func step(_ input: Input) -> [Effect] {
        var effects: [Effect] = []
        core.step(input, into: &effects)
        return effects
    }

    mutating func receive(
        _ body: Message.Body, term: UInt64, from sender: UInt64
    ) -> [Effect] {
        step(.received(Message(term: Term(term), body: body), from: NodeID(sender)))
    }

    mutating func tick(_ count: Int = 1) -> [Effect] {
        var effects: [Effect] = []
        for _ in 0..<count { core.step(.tick, into: &effects) }
        return effects
    }

    mutating func persisted(_ id: UInt64) -> [Effect] { step(.persisted(WriteID(id))) }

    mutating func propose(_ texts: String...) throws -> [Effect] {
        var effects: [Effect] = []
        let payloads = texts.map { (EntryKind.command, Array($0.utf8)) }
        _ = try core.propose(payloads, into: &effects)
        return effects
    }

    mutating func read(_ id: UInt64) throws -> [Effect] {
        var effects: [Effect] = []
        try core.requestRead(ReadID(id), into: &effects)
        return effects
    }

    mutating func change(_ change: ConfigurationChange) throws -> [Effect] {
        var effects: [Effect] = []
        _ = try core.proposeConfiguration(change, into: &effects)
        return effects
    }

    /// Ticks until it asks for pre-votes. Returns the effects of that tick.
    mutating func untilPreVote() -> [Effect] {
        for _ in 0..<100 {
            let effects = tick()
            if core.role != .follower { return effects }
        }
        return []
    }

    /// Wins an election with the votes of `peers`. The last write issued is the one of the empty
    /// entry, with id 2; it is not durable yet. Returns the effects of the step that made it
    /// leader.
    mutating func lead(votes peers: [UInt64] = [2]) -> [Effect] {
        _ = untilPreVote()
        for peer in peers {
            _ = receive(vote(true, pre: true), term: core.term.rawValue + 1, from: peer)
        }
        var effects = persisted(1)
        for peer in peers where core.role == .candidate {
            effects = receive(vote(true), term: core.term.rawValue, from: peer)
        }
        return effects
    }

    /// Leads, with the empty entry committed by this member and the first peer.
    mutating func leadAndCommit(votes peers: [UInt64] = [2]) {
        _ = lead(votes: peers)
        _ = persisted(2)
        for peer in peers {
            _ = receive(
                matched(core.lastIndex.rawValue), term: core.term.rawValue, from: peer)
        }
    }
}
