import Foundation
import Primitives
import RaftCore
import Testing

/// A small cluster that runs a script: messages arrive in the order in which they were sent, and
/// all that happens is written down in words.
struct Transcript {
    private(set) var text = ""
    private var members: [Member] = []
    private var writes: [[Write]] = []
    private var network: [(from: NodeID, envelope: Envelope)] = []
    /// Members that receive and send nothing.
    var silent: [UInt64] = []
    /// Members whose disks do not complete.
    var stalled: [UInt64] = []

    init(
        _ count: UInt64, voters: [UInt64]? = nil, _ change: (inout RaftSettings) -> Void = { _ in }
    ) {
        for id in 1...count {
            let all = voters ?? Array(1...count)
            members.append(Member(id, voters: all.contains(id) ? all : [], change: change))
            writes.append([])
        }
    }

    mutating func say(_ line: String) { text += "# \(line)\n" }

    mutating func step(_ id: UInt64, _ input: Input, quietly: Bool = false) {
        perform(members[Int(id) - 1].step(input), of: id)
    }

    /// Ticks one member until it campaigns.
    mutating func campaign(_ id: UInt64) {
        for _ in 0..<100 where members[Int(id) - 1].core.role == .follower { step(id, .tick) }
    }

    mutating func tick(_ id: UInt64, _ count: Int = 1) {
        for _ in 0..<count { step(id, .tick) }
    }

    mutating func propose(_ id: UInt64, _ value: String) throws {
        text += "\(id) proposes \(value)\n"
        perform(try members[Int(id) - 1].propose(value), of: id)
    }

    mutating func read(_ id: UInt64, _ read: UInt64) throws {
        text += "\(id) is asked for read \(read)\n"
        perform(try members[Int(id) - 1].read(read), of: id)
    }

    mutating func change(_ id: UInt64, _ change: ConfigurationChange) throws {
        perform(try members[Int(id) - 1].change(change), of: id)
    }

    /// Delivers messages and completes writes until nothing is left to do.
    mutating func settle() {
        for _ in 0..<1000 {
            if network.isEmpty && !completeWrites() { return }
            if network.isEmpty { continue }
            let (from, envelope) = network.removeFirst()
            let isLost = silent.contains(from.rawValue) || silent.contains(envelope.to.rawValue)
            if isLost || envelope.to.rawValue > UInt64(members.count) { continue }
            text += "\(from)→\(envelope.to) \(words(envelope.message))\n"
            step(envelope.to.rawValue, .received(envelope.message, from: from))
        }
    }

    private mutating func completeWrites() -> Bool {
        var didComplete = false
        for position in writes.indices where !stalled.contains(UInt64(position) + 1) {
            for write in writes[position] {
                didComplete = true
                let from = NodeID(UInt64(position) + 1)
                network += write.thenSend.map { (from, $0) }
            }
            if let last = writes[position].last {
                writes[position] = []
                text += "\(position + 1)  durable: write \(last.id)\n"
                step(UInt64(position) + 1, .persisted(last.id))
            }
        }
        return didComplete
    }

    private mutating func perform(_ effects: [Effect], of id: UInt64) {
        for effect in effects {
            switch effect {
            case .send(let envelope): network.append((NodeID(id), envelope))
            case .persist(let write):
                writes[Int(id) - 1].append(write)
                text += "\(id)  writes \(words(write))\n"
            case .committed(let index): text += "\(id)  committed \(index)\n"
            case .load(let first, let last, _): text += "\(id)  loads \(first)...\(last)\n"
            case .readReady(let ids, let index):
                text += "\(id)  reads \(ids.map(\.rawValue)) ready at \(index)\n"
            case .readAborted(let ids): text += "\(id)  reads \(ids.map(\.rawValue)) aborted\n"
            case .sendSnapshot(let to, let index):
                text += "\(id)  sends a snapshot of \(index) or later to \(to)\n"
            case .roleChanged(let role, let term, let leader):
                text += "\(id)  is \(role) in term \(term), leader \(name(leader))\n"
            case .configurationChanged(let value, let index):
                text += "\(id)  configuration of \(index): \(words(value))\n"
            }
        }
    }

    // MARK: Words

    private func name(_ id: NodeID?) -> String { id?.description ?? "unknown" }

    private func words(_ value: ClusterConfiguration) -> String {
        var words = "voters \(value.voters)"
        if value.isJoint { words += " outgoing \(value.outgoingVoters)" }
        if !value.learners.isEmpty { words += " learners \(value.learners)" }
        return words
    }

    private func words(_ entry: LogEntry) -> String {
        switch entry.kind {
        case .noop: return "\(entry.index):\(entry.term) empty"
        case .command:
            return "\(entry.index):\(entry.term) \(String(decoding: entry.payload, as: UTF8.self))"
        case .configuration:
            let value = configuration(in: entry)
            return "\(entry.index):\(entry.term) \(words(value))"
        }
    }

    private func words(_ write: Write) -> String {
        var parts = ["\(write.id):"]
        if let hard = write.hardState {
            parts.append("term \(hard.term) vote \(hard.votedFor?.description ?? "none");")
        }
        if let start = write.startAfter {
            parts.append("log starts behind \(start.index):\(start.term);")
        }
        if let first = write.truncateFrom { parts.append("truncate from \(first);") }
        if !write.entries.isEmpty {
            parts.append("append \(write.entries.map(words).joined(separator: ", "));")
        }
        if !write.thenSend.isEmpty {
            let sends = write.thenSend.map { "\(words($0.message)) to \($0.to)" }
            parts.append("then send \(sends.joined(separator: ", "))")
        }
        return parts.joined(separator: " ")
    }

    private func words(_ message: Message) -> String {
        let term = message.term
        switch message.body {
        case .requestVote(let request):
            let kind = request.isPreVote ? "preVote" : "requestVote"
            let marks = (request.isFast ? " fast" : "") + (request.isTransfer ? " transfer" : "")
            return
                "\(kind) term \(term) last \(request.lastLogIndex):\(request.lastLogTerm)\(marks)"
        case .requestVoteResponse(let response):
            let kind = response.isPreVote ? "preVote" : "vote"
            return "\(kind) \(response.voteGranted ? "granted" : "refused") term \(term)"
        case .appendEntries(let append):
            let entries = append.entries.map(words).joined(separator: ", ")
            return "appendEntries term \(term) after \(append.prevLogIndex):\(append.prevLogTerm) "
                + "commit \(append.leaderCommit) [\(entries)]"
        case .appendEntriesResponse(.matched(let index)): return "matched \(index) term \(term)"
        case .appendEntriesResponse(.received(let index)): return "received \(index) term \(term)"
        case .appendEntriesResponse(.rejected(let previous, let hint)):
            return "rejected \(previous) hint \(hint.index):\(hint.term) term \(term)"
        case .heartbeat(let heartbeat):
            return "heartbeat \(heartbeat.context) term \(term) commit \(heartbeat.leaderCommit):"
                + "\(heartbeat.leaderCommitTerm)"
        case .heartbeatResponse(let response):
            return "heartbeatResponse \(response.context) term \(term)"
        case .timeoutNow: return "timeoutNow term \(term)"
        }
    }

    // MARK: Files

    /// Compares with `Transcripts/name.txt`; with `KEELSON_REWRITE=1` in the environment it is
    /// written instead, and the diff is what is to be reviewed.
    func check(_ name: String, file: String = #filePath) throws {
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent()
        let path = folder.appendingPathComponent("Transcripts/\(name).txt")
        if ProcessInfo.processInfo.environment["KEELSON_REWRITE"] == "1" {
            try text.write(to: path, atomically: true, encoding: .utf8)
            return
        }
        let expected = try String(contentsOf: path, encoding: .utf8)
        let lines = zip(
            expected.split(separator: "\n", omittingEmptySubsequences: false),
            text.split(separator: "\n", omittingEmptySubsequences: false))
        for (number, (left, right)) in lines.enumerated() where left != right {
            Issue.record(
                "\(name).txt line \(number + 1) says \(left), not \(right); KEELSON_REWRITE=1"
            )
            return
        }
        #expect(expected == text, "\(name).txt has another length; KEELSON_REWRITE=1 rewrites it")
    }
}
