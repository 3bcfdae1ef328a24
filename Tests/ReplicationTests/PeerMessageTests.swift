import Primitives
import RaftCore
import Replication
import Testing

@Suite("Peer messages (DESIGN §9)")
struct PeerMessageTests {
    static let samples: [PeerMessage] = [
        .raft(Message(term: Term(3), body: .timeoutNow)),
        .forward(Term(7), [[1, 2, 3], []]),
        .forwardRefused(sequences: [1, .max], .tooManyRequests),
        .readRequest(id: 9), .readResponse(id: 9, index: LogIndex(12)), .readRefused(id: 9),
        .leaseRenew([LeaseQuestion(sequence: 4, leaseID: -5)]),
        .leaseRemaining([LeaseQuestion(sequence: 4, leaseID: .max)]),
        .leaseAnswers([
            LeaseReply(sequence: 1, answer: .alive(grantedSeconds: 60, remainingSeconds: 7)),
            LeaseReply(sequence: 2, answer: .notFound),
            LeaseReply(sequence: 3, answer: .failed(.leaderChanged)),
        ]),
        .digest(index: LogIndex(8192), 0xFEED),
    ]

    @Test("every kind comes back as it was", arguments: samples.indices)
    func roundTrip(_ number: Int) throws {
        var writer = ByteWriter()
        Self.samples[number].encode(into: &writer)
        var reader = ByteReader(writer.bytes)
        #expect(try PeerMessage.decode(from: &reader) == Self.samples[number])
        #expect(reader.isAtEnd)
    }

    @Test("A32 damaged messages are refused or are other messages, and never trap")
    func damaged() {
        var random = SplitMix64(seed: 5)
        for sample in Self.samples {
            var writer = ByteWriter()
            sample.encode(into: &writer)
            for _ in 0..<2000 {
                var bytes = writer.bytes
                let position = Int(random.next(below: UInt64(bytes.count)))
                bytes[position] = UInt8(truncatingIfNeeded: random.next())
                bytes.removeLast(Int(random.next(below: UInt64(bytes.count))))
                var reader = ByteReader(bytes)
                _ = try? PeerMessage.decode(from: &reader)
            }
        }
    }
}
