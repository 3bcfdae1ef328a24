package import Primitives
import RaftCore
import Storage

/// One byte of kind and then the fields, little-endian. Frames around it carry length and checksum.
extension PeerMessage {
    /// Elements of one message; a sender splits above this, a receiver refuses.
    package static let elementsMax = 65_536
    /// Bytes of the commands in one forward; a larger command goes alone.
    package static let forwardBytesMax = 4 << 20
    /// Bytes of one forwarded command.
    package static let commandBytesMax = 64 << 20

    private enum Kind: UInt8 {
        case raft = 1
        case forward, forwardRefused, readRequest, readResponse, readRefused
        case leaseRenew, leaseRemaining, leaseAnswers, digest
        case snapshotRequest, snapshotFloor, entriesRequest, entriesResponse
    }

    package func encode(into writer: inout ByteWriter) {
        switch self {
        case .raft(let message):
            writer.write(Kind.raft.rawValue)
            message.encode(into: &writer)
        case .forward(let term, let commands):
            writer.write(Kind.forward.rawValue)
            writer.write(term.rawValue)
            writer.write(UInt32(commands.count))
            for command in commands { writer.writeLengthPrefixed(command) }
        case .forwardRefused(let sequences, let reason):
            writer.write(Kind.forwardRefused.rawValue)
            writer.write(reason.rawValue)
            writer.write(UInt32(sequences.count))
            for sequence in sequences { writer.write(sequence) }
        case .readRequest(let id):
            writer.write(Kind.readRequest.rawValue)
            writer.write(id)
        case .readResponse(let id, let index):
            writer.write(Kind.readResponse.rawValue)
            writer.write(id)
            writer.write(index.rawValue)
        case .readRefused(let id):
            writer.write(Kind.readRefused.rawValue)
            writer.write(id)
        case .leaseRenew(let questions): Self.encode(questions, .leaseRenew, into: &writer)
        case .leaseRemaining(let questions): Self.encode(questions, .leaseRemaining, into: &writer)
        case .leaseAnswers(let replies): Self.encode(replies, into: &writer)
        case .digest(let index, let digest):
            writer.write(Kind.digest.rawValue)
            writer.write(index.rawValue)
            writer.write(digest)
        case .snapshotRequest(let boot, let term):
            writer.write(Kind.snapshotRequest.rawValue)
            writer.write(boot.rawValue)
            writer.write(term.rawValue)
        case .snapshotFloor(let boot, let index):
            writer.write(Kind.snapshotFloor.rawValue)
            writer.write(boot.rawValue)
            writer.write(index.rawValue)
        case .entriesRequest(let boot, let hole):
            writer.write(Kind.entriesRequest.rawValue)
            writer.write(boot.rawValue)
            writer.write(hole.first.rawValue)
            writer.write(hole.last.rawValue)
            writer.write(hole.nextTerm.rawValue)
        case .entriesResponse(let boot, let entries):
            writer.write(Kind.entriesResponse.rawValue)
            writer.write(boot.rawValue)
            Message.carrying(entries).encode(into: &writer)
        }
    }

    private static func encode(
        _ questions: [LeaseQuestion], _ kind: Kind, into writer: inout ByteWriter
    ) {
        writer.write(kind.rawValue)
        writer.write(UInt32(questions.count))
        for question in questions {
            writer.write(question.sequence)
            writer.write(question.leaseID)
        }
    }

    private static func encode(_ replies: [LeaseReply], into writer: inout ByteWriter) {
        writer.write(Kind.leaseAnswers.rawValue)
        writer.write(UInt32(replies.count))
        for reply in replies {
            writer.write(reply.sequence)
            switch reply.answer {
            case .alive(let granted, let remaining):
                writer.write(UInt8(0))
                writer.write(granted)
                writer.write(remaining)
            case .notFound: writer.write(UInt8(1))
            case .failed: writer.write(UInt8(2))
            }
        }
    }

    package static func decode(from reader: inout ByteReader) throws(DecodingError) -> PeerMessage {
        let start = reader.offset
        guard let kind = Kind(rawValue: try reader.read(UInt8.self)) else {
            throw .invalid(field: "peer message kind", offset: start)
        }
        switch kind {
        case .raft: return .raft(try Message.decode(&reader))
        case .forward: return try decodeForward(from: &reader)
        case .forwardRefused:
            guard let reason = ForwardRefusal(rawValue: try reader.read()) else {
                throw .invalid(field: "forward refusal", offset: reader.offset - 1)
            }
            var sequences: [UInt64] = []
            for _ in 0..<(try count(from: &reader)) { sequences.append(try reader.read()) }
            return .forwardRefused(sequences: sequences, reason)
        case .readRequest: return .readRequest(id: try reader.read())
        case .readResponse:
            return .readResponse(id: try reader.read(), index: try index(from: &reader))
        case .readRefused: return .readRefused(id: try reader.read())
        case .leaseRenew: return .leaseRenew(try decodeQuestions(from: &reader))
        case .leaseRemaining: return .leaseRemaining(try decodeQuestions(from: &reader))
        case .leaseAnswers: return .leaseAnswers(try decodeReplies(from: &reader))
        case .digest:
            return .digest(index: try index(from: &reader), try reader.read())
        case .snapshotRequest:
            return .snapshotRequest(
                boot: BootNumber(try reader.read()), Term(try reader.read()))
        case .entriesRequest:
            let boot = BootNumber(try reader.read())
            let (first, last) = (try index(from: &reader), try index(from: &reader))
            return .entriesRequest(
                boot: boot,
                LogHole(first: first, last: last, nextTerm: Term(try reader.read())))
        case .entriesResponse:
            let boot = BootNumber(try reader.read())
            return .entriesResponse(boot: boot, try Message.decode(&reader).entries)
        case .snapshotFloor:
            return .snapshotFloor(
                boot: BootNumber(try reader.read()), try index(from: &reader))
        }
    }

    private static func count(from reader: inout ByteReader) throws(DecodingError) -> Int {
        let start = reader.offset
        let count = Int(try reader.read(UInt32.self))
        guard count <= elementsMax else { throw .invalid(field: "element count", offset: start) }
        return count
    }

    private static func index(
        from reader: inout ByteReader
    ) throws(DecodingError) -> LogIndex {
        let start = reader.offset
        let index = try reader.read(UInt64.self)
        guard index < Message.numberMax else { throw .invalid(field: "index", offset: start) }
        return LogIndex(index)
    }

    private static func decodeForward(
        from reader: inout ByteReader
    ) throws(DecodingError) -> PeerMessage {
        let term = Term(try reader.read())
        let count = try count(from: &reader)
        var commands: [[UInt8]] = []
        for _ in 0..<count {
            commands.append(try reader.readLengthPrefixed(limit: commandBytesMax))
        }
        return .forward(term, commands)
    }

    private static func decodeQuestions(
        from reader: inout ByteReader
    ) throws(DecodingError) -> [LeaseQuestion] {
        var questions: [LeaseQuestion] = []
        for _ in 0..<(try count(from: &reader)) {
            questions.append(
                LeaseQuestion(sequence: try reader.read(), leaseID: try reader.read()))
        }
        return questions
    }

    private static func decodeReplies(
        from reader: inout ByteReader
    ) throws(DecodingError) -> [LeaseReply] {
        var replies: [LeaseReply] = []
        for _ in 0..<(try count(from: &reader)) {
            let sequence: UInt64 = try reader.read()
            let start = reader.offset
            let answer: LeaseAnswer
            switch try reader.read(UInt8.self) {
            case 0:
                answer = .alive(
                    grantedSeconds: try reader.read(), remainingSeconds: try reader.read())
            case 1: answer = .notFound
            case 2: answer = .failed(.leaderChanged)
            case _: throw .invalid(field: "lease answer", offset: start)
            }
            replies.append(LeaseReply(sequence: sequence, answer: answer))
        }
        return replies
    }
}
