import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// What a cluster went through before its run begins: leaders came and went, and left logs that
/// agree in some places and not in others (Raft §5.3, figure 7).
///
/// Drawn by the rules of Raft, one election a round, without its code: whoever is elected has a log
/// as far as a majority's, followers take any part of it, and an entry of a leader's own term that
/// a majority took is committed.
struct Prehistory {
    struct Member {
        var log: [LogEntry] = []
        var state = HardState.initial
        /// What its process made durable, in this order.
        var writes: [Write] = []

        fileprivate var last: (Term, LogIndex) {
            log.last.map { ($0.term, $0.index) } ?? (.zero, .zero)
        }
    }

    private(set) var members: [Member]
    /// What no run may lose.
    private(set) var committed: [LogEntry] = []
    private(set) var leaders: [Term: Int] = [:]
    private var random: SplitMix64
    private let settings: RunSettings
    private var term = Term.zero
    private var sequence: UInt64 = 0

    init(_ settings: RunSettings) {
        self.settings = settings
        members = Array(repeating: Member(), count: settings.nodeCount)
        random = SplitMix64(seed: settings.seed ^ 0x7072_6568_6973_7421)
        for _ in 0..<settings.prehistoryRounds { elect() }
    }

    /// Whether two of the logs hold different entries at one index.
    var hasConflict: Bool {
        members.contains { one in
            members.contains { other in
                zip(one.log, other.log).contains { $0.term != $1.term }
            }
        }
    }

    private var majority: Int { members.count / 2 + 1 }

    private mutating func elect() {
        term = Term(term.rawValue + UInt64(random.pick([1, 1, 1, 2, 5])))
        let candidate = random.draw(0...members.count - 1)
        let id = NodeID(UInt64(candidate) + 1)
        var votes = 0
        for voter in members.indices where voter == candidate || random.chance(3, in: 4) {
            let grants = members[voter].last <= members[candidate].last
            promise(HardState(term: term, votedFor: grants ? id : nil), on: voter)
            votes += grants ? 1 : 0
        }
        if votes >= majority { lead(candidate) }
    }

    private mutating func promise(_ state: HardState, on member: Int) {
        members[member].state = state
        write(Write(id: WriteID(0), hardState: state), on: member)
    }

    private mutating func write(_ write: Write, on member: Int) {
        var write = write
        write.id = WriteID(UInt64(members[member].writes.count) + 1)
        members[member].writes.append(write)
    }

    private mutating func lead(_ leader: Int) {
        leaders[term] = leader
        let next = members[leader].log.count + 1
        var news: [LogEntry] = []
        for place in next..<next + random.draw(0...6) {
            let index = LogIndex(UInt64(place))
            news.append(
                place == next
                    ? LogEntry(index: index, term: term, kind: .noop, payload: [])
                    : LogEntry(index: index, term: term, kind: .command, payload: command(leader)))
        }
        take(news, on: leader)
        var held = Array(repeating: 1, count: news.count)
        for follower in members.indices where follower != leader && random.chance(1, in: 2) {
            if members[follower].state.term < term {
                promise(HardState(term: term, votedFor: nil), on: follower)
            }
            let length = random.draw(0...members[leader].log.count)
            follow(follower, Array(members[leader].log[..<length]))
            for place in news.indices where next + place <= length { held[place] += 1 }
        }
        guard let newest = held.lastIndex(where: { $0 >= majority }) else { return }
        committed = Array(members[leader].log[..<(next + newest)])
    }

    /// Takes a leader's log as far as it came, and what it held in its place goes (§5.3).
    private mutating func follow(_ member: Int, _ log: [LogEntry]) {
        let own = members[member].log
        let same = zip(own, log).prefix { $0.term == $1.term }.count
        guard same < log.count else { return }
        take(Array(log[same...]), on: member)
    }

    private mutating func take(_ entries: [LogEntry], on member: Int) {
        guard let first = entries.first else { return }
        let kept = Int(first.index.rawValue) - 1
        let isShortened = members[member].log.count > kept
        members[member].log = members[member].log[..<kept] + entries
        write(
            Write(
                id: WriteID(0), truncateFrom: isShortened ? first.index : nil, entries: entries),
            on: member)
    }

    /// What some client of the time before asked for, and nobody will ever tell it of.
    private mutating func command(_ leader: Int) -> [UInt8] {
        sequence += 1
        while true {
            let request = Workload.draw(
                &random, settings, revision: 1, value: 1 << 40 + sequence, leases: [])
            guard case .command(let kind, let body, _) = request,
                kind == .put || kind == .deleteRange || kind == .txn
            else { continue }
            return Command.encode(
                CommandHeader(
                    kind: kind,
                    request: RequestID(
                        origin: NodeID(UInt64(leader) + 1), boot: BootNumber(1),
                        sequence: sequence)),
                body: body)
        }
    }
}
