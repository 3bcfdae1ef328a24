internal import ControlPlane
internal import Monitoring
internal import NIOCore
internal import Primitives
internal import RaftCore
internal import Replication

extension FuzzTarget {
    /// The stream of a peer's connection, cut at the first byte's distance. With an odd second byte
    /// the rest is the payload of one sound frame, which is then read as any frame's.
    static let peerFrames = FuzzTarget("peer-frames") { bytes in
        var input = FuzzInput(bytes)
        let pieceBytes = Int(input.byte()) + 1
        let isSealed = input.byte() & 1 == 1
        var stream = input.takeAll()
        if isSealed { stream = Array(PeerFrameDecoder.frame(stream).readableBytesView) }
        var decoder = PeerFrameDecoder()
        var rest = stream[...]
        while !rest.isEmpty {
            var piece = ByteBuffer(bytes: rest.prefix(pieceBytes))
            rest = rest.dropFirst(pieceBytes)
            decoder.append(&piece)
            do {
                while let payload = try decoder.next() { readPayload(payload) }
            } catch { return }
        }
    } seeds: {
        let frame = Array(PeerFrameDecoder.frame([1, 2, 3]).readableBytesView)
        return try [[4, 0] + frame + frame, [0, 0] + frame]
            + (greetings() + messages()).map { [100, 1] + $0 }
    }

    private static func readPayload(_ payload: [UInt8]) {
        _ = try? PeerHello.decode(payload)
        _ = try? PeerWelcome.decode(payload)
        if TraceNote.isFrame(payload) { _ = try? TraceNote.decode(payload) }
        var reader = ByteReader(payload)
        _ = try? PeerMessage.decode(from: &reader)
    }

    /// What is decoded is encoded and decoded again, to the same.
    static let peerMessages = FuzzTarget("peer-messages") { bytes in
        if let hello = try? PeerHello.decode(bytes) {
            invariant((try? PeerHello.decode(hello.encode())) == hello, "a hello goes both ways")
        }
        if let welcome = try? PeerWelcome.decode(bytes) {
            let again = try? PeerWelcome.decode(welcome.encode())
            invariant(again == welcome, "a welcome goes both ways")
        }
        if let notes = try? TraceNote.decode(bytes) {
            let again = try? TraceNote.decode(TraceNote.encode(notes))
            invariant(again == notes, "notes of traces go both ways")
        }
        var reader = ByteReader(bytes)
        while !reader.isAtEnd, let message = try? PeerMessage.decode(from: &reader) {
            var writer = ByteWriter()
            message.encode(into: &writer)
            var copy = ByteReader(writer.bytes)
            invariant(
                (try? PeerMessage.decode(from: &copy)) == message, "a message goes both ways")
        }
    } seeds: {
        try greetings() + messages() + [notes()]
    }

    private static func notes() -> [UInt8] {
        guard let traceID = TraceID(high: 1, low: 2), let spanID = SpanID(3) else { return [] }
        return TraceNote.encode([TraceNote(traceID: traceID, spanID: spanID, index: 4)])
    }

    private static func greetings() -> [[UInt8]] {
        let identity = PeerIdentity(
            clusterID: ClusterID(1), memberID: NodeID(2), boot: BootNumber(3), nonce: 4,
            earlierNonces: [5, 6])
        return PeerChannelKind.allCases.map { channel in
            PeerHello(
                from: identity, to: NodeID(3), currentTerm: Term(4), lastTerm: Term(3),
                lastIndex: LogIndex(9), channel: channel, peerURL: "http://a:2380"
            ).encode()
        }
    }

    private static func messages() throws -> [[UInt8]] {
        let entries = (5..<8).map { index in
            LogEntry(
                index: LogIndex(UInt64(index)), term: Term(2), kind: .command,
                payload: [UInt8](repeating: 1, count: index))
        }
        let bodies: [Message.Body] = [
            .timeoutNow, .heartbeatResponse(HeartbeatResponse(context: 3)),
            .requestVoteResponse(RequestVoteResponse(isPreVote: true, voteGranted: true)),
            .requestVote(
                RequestVote(isPreVote: false, lastLogIndex: LogIndex(3), lastLogTerm: Term(2))),
            .heartbeat(
                Heartbeat(context: 2, leaderCommit: LogIndex(3), leaderCommitTerm: Term(2))),
            .appendEntriesResponse(.matched(LogIndex(7))),
            .appendEntries(
                AppendEntries(
                    prevLogIndex: LogIndex(4), prevLogTerm: Term(2), leaderCommit: LogIndex(3),
                    entries: entries)),
        ]
        var all: [PeerMessage] = bodies.map { .raft(Message(term: Term(3), body: $0)) }
        all += [
            .forward(Term(7), [[1, 2, 3], []]), .readRequest(id: 9), .readRefused(id: 9),
            .readResponse(id: 9, index: LogIndex(12)), .digest(index: LogIndex(8192), 0xFEED),
            .leaseRenew([LeaseQuestion(sequence: 4, leaseID: -5)]),
            .leaseAnswers([
                LeaseReply(sequence: 1, answer: .alive(grantedSeconds: 60, remainingSeconds: 7)),
                LeaseReply(sequence: 2, answer: .notFound),
            ]),
            .snapshotRequest(boot: BootNumber(3), Term(2)),
            .snapshotFloor(boot: BootNumber(3), LogIndex(9)),
            .entriesResponse(boot: BootNumber(3), entries),
        ]
        return all.map { message in
            var writer = ByteWriter()
            message.encode(into: &writer)
            return writer.bytes
        }
    }
}
