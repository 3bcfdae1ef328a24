import Primitives
import RaftCore
import Testing

@Suite("The bytes of messages")
struct MessageCodingTests {
    static let samples: [Message] = [
        Message(term: term(4), body: ask(pre: true, last: 7, 3, transfer: true, fast: true)),
        Message(term: term(4), body: ask(last: 0, 0)),
        Message(term: term(4), body: vote(true, pre: true)),
        Message(term: term(4), body: vote(false)),
        Message(term: term(9), body: append(after: 3, 2, commit: 3)),
        Message(
            term: term(9),
            body: append(
                after: 3, 2, commit: 3,
                [
                    command(4, term: 2, "abc"), command(5, term: 2, ""), noop(6, term: 5),
                    configured(
                        7, term: 5, ClusterConfiguration(voters: nodes([1, 2, 3]))),
                    command(8, term: 9, String(repeating: "z", count: 300)),
                ])),
        Message(term: term(4), body: matched(17)),
        Message(term: term(4), body: received(17)),
        Message(term: term(4), body: rejected(17, hint: 12, 3)),
        Message(term: term(4), body: beat(.max, commit: 5, 4)),
        Message(term: term(4), body: answer(77)),
        Message(term: term(4), body: .timeoutNow),
    ]

    func encode(_ message: Message) -> [UInt8] {
        var writer = ByteWriter()
        message.encode(into: &writer)
        return writer.bytes
    }

    @Test("every message comes back as it was, and leaves what follows it", arguments: samples)
    func roundTrip(message: Message) throws {
        var reader = ByteReader(encode(message) + [1, 2, 3])
        #expect(try Message.decode(&reader) == message)
        #expect(reader.remaining == 3)
    }

    @Test("a message that is cut anywhere is refused", arguments: samples)
    func truncated(message: Message) {
        let bytes = encode(message)
        for count in bytes.indices {
            var reader = ByteReader(Array(bytes[..<count]))
            #expect(throws: DecodingError.self) { try Message.decode(&reader) }
        }
    }

    @Test("altered and random bytes give a message or an error, never a trap")
    func fuzz() {
        var random = SplitMix64(seed: 3)
        var accepted = 0
        for round in 0..<30_000 {
            var bytes = encode(Self.samples[round % Self.samples.count])
            for _ in 0...random.next(below: 3) {
                bytes[Int(random.next(below: UInt64(bytes.count)))] = UInt8(random.next(below: 256))
            }
            if random.next(below: 8) == 0 { bytes[0] = UInt8(random.next(below: 10)) }
            var reader = ByteReader(bytes)
            guard let message = try? Message.decode(&reader) else { continue }
            accepted += 1
            // What is accepted is well formed: it comes back, and a core takes it without a trap.
            var again = ByteReader(encode(message))
            #expect((try? Message.decode(&again)) == message)
            #expect(message.term < Term(Message.numberMax))
            var member = Member(log: [command(1, term: 1), command(2, term: 1)])
            _ = member.step(.received(message, from: node(2)))
        }
        #expect(accepted > 1000)
    }

    @Test("a count that promises more entries than there are bytes takes no memory")
    func lyingCount() {
        var bytes = encode(Message(term: term(9), body: append(after: 3, 2)))
        bytes.replaceSubrange((bytes.count - 4)..., with: [255, 255, 255, 255])
        var reader = ByteReader(bytes)
        #expect(throws: DecodingError.self) { try Message.decode(&reader) }
    }

    @Test("entries of terms that fall, or pass the message's, are refused")
    func impossibleTerms() {
        for entries in [[command(4, term: 1)], [command(4, term: 3), command(5, term: 2)]] {
            var reader = ByteReader(
                encode(Message(term: term(9), body: append(after: 3, 2, entries))))
            #expect(throws: DecodingError.self) { try Message.decode(&reader) }
        }
        var reader = ByteReader(
            encode(Message(term: term(2), body: append(after: 3, 2, [command(4, term: 3)]))))
        #expect(throws: DecodingError.self) { try Message.decode(&reader) }
    }

    @Test("terms and indexes that could overflow are refused")
    func hugeNumbers() {
        for message in [
            Message(term: Term(.max), body: .timeoutNow),
            Message(term: term(4), body: matched(Message.numberMax)),
            Message(term: term(4), body: append(after: .max, 1)),
        ] {
            var reader = ByteReader(encode(message))
            #expect(throws: DecodingError.self) { try Message.decode(&reader) }
        }
    }

    @Test("votes, heartbeats and timeoutNow do not queue behind appends")
    func urgency() {
        #expect(Self.samples.filter { !$0.isUrgent }.count == 5)
    }
}
