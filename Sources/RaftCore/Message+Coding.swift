package import Primitives

/// The bytes of a message: tag (1), term (8), then by tag, all integers little-endian:
///
/// | tag | message | fields |
/// |---|---|---|
/// | 1 | requestVote | flags (1): pre-vote 1, transfer 2, fast 4; last index (8), last term (8) |
/// | 2 | requestVoteResponse | flags (1): pre-vote 1, granted 2 |
/// | 3 | appendEntries | prev index (8), prev term (8), commit (8), count (4), entries |
/// | 4 | appendEntriesResponse, matched | index (8) |
/// | 5 | appendEntriesResponse, rejected | prev index (8), hint index (8), hint term (8) |
/// | 6 | heartbeat | context (8), commit (8), commit term (8) |
/// | 7 | heartbeatResponse | context (8) |
/// | 8 | timeoutNow | |
/// | 9 | appendEntriesResponse, received | index (8) |
///
/// An entry is its kind (1), plus 128 where its term is not that of the entry before it (the first:
/// not prev term) and follows (8); then a length (4) and the payload. Indexes are consecutive and
/// not sent.
extension Message {
    /// Terms and indexes from the network are below this, so that no sum of theirs overflows.
    package static let numberMax: UInt64 = 1 << 62

    private static let termFollows: UInt8 = 128
    /// Kind and length: no entry takes less.
    private static let entryBytesMin = 5

    // MARK: Writing

    package func encode(into writer: inout ByteWriter) {
        switch body {
        case .requestVote(let request):
            begin(1, &writer)
            writer.write(
                UInt8(request.isPreVote ? 1 : 0) | UInt8(request.isTransfer ? 2 : 0)
                    | UInt8(request.isFast ? 4 : 0))
            writer.write(request.lastLogIndex.rawValue)
            writer.write(request.lastLogTerm.rawValue)
        case .requestVoteResponse(let response):
            begin(2, &writer)
            writer.write(
                UInt8(response.isPreVote ? 1 : 0) | UInt8(response.voteGranted ? 2 : 0))
        case .appendEntries(let append):
            begin(3, &writer)
            Self.encode(append, into: &writer)
        case .appendEntriesResponse(.matched(let index)):
            begin(4, &writer)
            writer.write(index.rawValue)
        case .appendEntriesResponse(.rejected(let previous, let hint)):
            begin(5, &writer)
            writer.write(previous.rawValue)
            writer.write(hint.index.rawValue)
            writer.write(hint.term.rawValue)
        case .appendEntriesResponse(.received(let index)):
            begin(9, &writer)
            writer.write(index.rawValue)
        case .heartbeat(let heartbeat):
            begin(6, &writer)
            writer.write(heartbeat.context)
            writer.write(heartbeat.leaderCommit.rawValue)
            writer.write(heartbeat.leaderCommitTerm.rawValue)
        case .heartbeatResponse(let response):
            begin(7, &writer)
            writer.write(response.context)
        case .timeoutNow:
            begin(8, &writer)
        }
    }

    private func begin(_ tag: UInt8, _ writer: inout ByteWriter) {
        writer.write(tag)
        writer.write(term.rawValue)
    }

    private static func encode(_ append: AppendEntries, into writer: inout ByteWriter) {
        writer.write(append.prevLogIndex.rawValue)
        writer.write(append.prevLogTerm.rawValue)
        writer.write(append.leaderCommit.rawValue)
        writer.write(UInt32(append.entries.count))
        var term = append.prevLogTerm
        for entry in append.entries {
            if entry.term == term {
                writer.write(entry.kind.rawValue)
            } else {
                term = entry.term
                writer.write(entry.kind.rawValue | termFollows)
                writer.write(term.rawValue)
            }
            writer.writeLengthPrefixed(entry.payload)
        }
    }

    // MARK: Reading

    /// Reads one message; what follows it stays in the reader. Never traps, and takes memory in
    /// proportion to the bytes that are there, whatever counts they claim.
    package static func decode(
        _ reader: inout ByteReader
    ) throws(DecodingError) -> Message {
        let start = reader.offset
        let tag = try reader.read(UInt8.self)
        let term = Term(try number("term", &reader))
        let body: Body
        switch tag {
        case 1: body = .requestVote(try requestVote(&reader))
        case 2:
            let flags = try flags(below: 4, &reader)
            body = .requestVoteResponse(
                RequestVoteResponse(isPreVote: flags & 1 != 0, voteGranted: flags & 2 != 0))
        case 3: body = .appendEntries(try appendEntries(term: term, &reader))
        case 4:
            body = .appendEntriesResponse(.matched(LogIndex(try number("match index", &reader))))
        case 5:
            let previous = LogIndex(try number("prev index", &reader))
            let index = LogIndex(try number("hint index", &reader))
            let hint = LogPosition(index: index, term: Term(try number("hint term", &reader)))
            body = .appendEntriesResponse(.rejected(prevLogIndex: previous, hint: hint))
        case 6:
            let context = try reader.read(UInt64.self)
            let commit = LogIndex(try number("commit", &reader))
            let commitTerm = Term(try number("commit term", &reader))
            body = .heartbeat(
                Heartbeat(context: context, leaderCommit: commit, leaderCommitTerm: commitTerm))
        case 7: body = .heartbeatResponse(HeartbeatResponse(context: try reader.read(UInt64.self)))
        case 8: body = .timeoutNow
        case 9:
            body = .appendEntriesResponse(
                .received(LogIndex(try number("received index", &reader))))
        default:
            throw .invalid(field: "message tag", offset: start)
        }
        return Message(term: term, body: body)
    }

    private static func requestVote(
        _ reader: inout ByteReader
    ) throws(DecodingError) -> RequestVote {
        let flags = try flags(below: 8, &reader)
        let index = LogIndex(try number("last index", &reader))
        let term = Term(try number("last term", &reader))
        return RequestVote(
            isPreVote: flags & 1 != 0, lastLogIndex: index, lastLogTerm: term,
            isTransfer: flags & 2 != 0, isFast: flags & 4 != 0)
    }

    private static func appendEntries(
        term: Term, _ reader: inout ByteReader
    ) throws(DecodingError) -> AppendEntries {
        let previous = LogIndex(try number("prev index", &reader))
        let previousTerm = Term(try number("prev term", &reader))
        let commit = LogIndex(try number("commit", &reader))
        let count = Int(try reader.read(UInt32.self))
        guard count <= reader.remaining / entryBytesMin else {
            throw .truncated(
                offset: reader.offset, needed: count * entryBytesMin, available: reader.remaining)
        }
        var entries: [LogEntry] = []
        entries.reserveCapacity(count)
        var index = previous
        var entryTerm = previousTerm
        for _ in 0..<count {
            let start = reader.offset
            index = index.next
            let entry = try entry(at: index, after: entryTerm, &reader)
            guard entry.term >= entryTerm else {
                throw .invalid(field: "entry term", offset: start)
            }
            entryTerm = entry.term
            entries.append(entry)
        }
        guard entryTerm <= term else { throw .invalid(field: "entry term", offset: reader.offset) }
        return AppendEntries(
            prevLogIndex: previous, prevLogTerm: previousTerm, leaderCommit: commit,
            entries: entries)
    }

    private static func entry(
        at index: LogIndex, after previousTerm: Term, _ reader: inout ByteReader
    ) throws(DecodingError) -> LogEntry {
        let start = reader.offset
        let head = try reader.read(UInt8.self)
        guard let kind = EntryKind(rawValue: head & ~termFollows) else {
            throw .invalid(field: "entry kind", offset: start)
        }
        var term = previousTerm
        if head & termFollows != 0 { term = Term(try number("entry term", &reader)) }
        let payload = try reader.readLengthPrefixed()
        if kind == .configuration { _ = try ClusterConfiguration.decode(payload) }
        return LogEntry(index: index, term: term, kind: kind, payload: payload)
    }

    private static func number(
        _ field: StaticStringBox, _ reader: inout ByteReader
    ) throws(DecodingError) -> UInt64 {
        let start = reader.offset
        let value = try reader.read(UInt64.self)
        guard value < numberMax else { throw .invalid(field: field, offset: start) }
        return value
    }

    private static func flags(
        below limit: UInt8, _ reader: inout ByteReader
    ) throws(DecodingError) -> UInt8 {
        let start = reader.offset
        let value = try reader.read(UInt8.self)
        guard value < limit else { throw .invalid(field: "flags", offset: start) }
        return value
    }
}
