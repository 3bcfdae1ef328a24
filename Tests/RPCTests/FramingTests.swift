import NIOCore
import Primitives
import RPC
import Testing

@Suite("gRPC's framing and header forms (PROTOCOL-HTTP2)")
struct FramingTests {
    private func cut(_ bytes: [UInt8], pieces: [Int], limit: Int = 1000) throws -> [[UInt8]] {
        var assembler = MessageAssembler()
        var messages: [[UInt8]] = []
        var start = 0
        for piece in pieces + [bytes.count] {
            let end = min(bytes.count, start + piece)
            try bytes[start..<end].withUnsafeBytes { raw in
                var rest = raw
                while let message = try assembler.next(&rest, byteCountMax: limit) {
                    messages.append(message.bytes)
                }
            }
            start = end
        }
        #expect(!assembler.isMidMessage)
        return messages
    }

    @Test("messages are the same wherever the bytes are cut")
    func everyCut() throws {
        let messages: [[UInt8]] = [[], [1], [2, 3, 4, 5, 6, 7], [], [8, 9]]
        let bytes = messages.flatMap { RawPeer.prefixed($0) }
        for first in 0...bytes.count {
            for second in 0...(bytes.count - first) {
                #expect(try cut(bytes, pieces: [first, second]) == messages)
            }
        }
    }

    @Test("a prefix over the limit is refused with its size, before any byte of the message")
    func tooLarge() {
        #expect(throws: MessageAssembler.Refusal.tooLarge(byteCount: 1001)) {
            try cut(RawPeer.prefixed([], length: 1001), pieces: [])
        }
        #expect(throws: MessageAssembler.Refusal.tooLarge(byteCount: 0xFFFF_FFFF)) {
            try cut([0, 255, 255, 255, 255], pieces: [])
        }
    }

    @Test("flags other than compressed are refused")
    func flags() {
        #expect(throws: MessageAssembler.Refusal.unknownFlags(2)) {
            try cut([2, 0, 0, 0, 0], pieces: [])
        }
    }

    @Test("a queue gives the same bytes in pieces of any size", arguments: [1, 2, 3, 4, 5, 7, 100])
    func outputQueue(size: Int) throws {
        var queue = OutputQueue()
        queue.append([1, 2, 3])
        queue.append(SharedMessage([4, 5]))
        var pieces: [[UInt8]] = [[6], [], [7, 8, 9], [10]]
        queue.append(OutputQueue.Pull(byteCount: 5) { pieces.isEmpty ? nil : pieces.removeFirst() })
        queue.append([])
        #expect(queue.bufferedBytes == 8 + 7 + 5)
        var taken: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: size)
        while !queue.isEmpty {
            if let pull = queue.starvingPull { #expect(pull.fetch()) }
            let count = buffer.withUnsafeMutableBytes { queue.copy(into: $0) }
            taken += buffer[..<count]
        }
        let expected: [[UInt8]] = [[1, 2, 3], [4, 5], [6, 7, 8, 9, 10], []]
        #expect(taken == expected.flatMap { RawPeer.prefixed($0) })
        #expect(queue.bufferedBytes == 0)
        #expect(queue.takenBytes == taken.count)
    }

    @Test("ten thousand waiting messages leave in order")
    func longQueue() {
        var queue = OutputQueue()
        for number in 0..<10_000 { queue.append([UInt8(number & 255), UInt8(number >> 8)]) }
        var taken: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while !queue.isEmpty {
            let count = buffer.withUnsafeMutableBytes { queue.copy(into: $0) }
            taken += buffer[..<count]
        }
        let isInOrder = (0..<10_000).allSatisfy {
            Int(taken[7 * $0 + 5]) + Int(taken[7 * $0 + 6]) << 8 == $0
        }
        #expect(taken.count == 70_000 && isInOrder)
    }

    @Test("timeouts are read in every unit, and nothing else is")
    func timeouts() {
        func decode(_ text: String) -> TimeAmount? {
            Array(text.utf8).withUnsafeBytes { TimeoutHeader.decode($0) }
        }
        #expect(decode("1H") == .hours(1))
        #expect(decode("2M") == .minutes(2))
        #expect(decode("3S") == .seconds(3))
        #expect(decode("4m") == .milliseconds(4))
        #expect(decode("5u") == .microseconds(5))
        #expect(decode("6n") == .nanoseconds(6))
        #expect(decode("99999999H") == .hours(99_999_999))
        for text in ["", "S", "1", "-1S", "1x", "123456789S", "1 S", "1.5S"] {
            #expect(decode(text) == nil, "\(text)")
        }
    }

    @Test("a timeout that is sent is never shorter than what was asked for")
    func timeoutsRoundUp() throws {
        for nanoseconds: Int64 in [0, 1, 999, 1001, 123_456_789_012, 86_400_000_000_001, .max] {
            let sent = TimeoutHeader.encode(.nanoseconds(nanoseconds))
            let read = try #require(sent.withUnsafeBytes { TimeoutHeader.decode($0) })
            #expect(read.nanoseconds >= nanoseconds)
        }
        #expect(TimeoutHeader.encode(.seconds(5)) == Array("5000000u".utf8))
    }

    @Test("a status message survives its encoding, and only printable ASCII is on the wire")
    func statusMessages() {
        for text in ["", "plain", "100%", " spaces at the ends ", "größer\n\u{1F409}", "%41"] {
            let wire = StatusMessage.encode(text)
            #expect(wire.allSatisfy { $0 >= 0x20 && $0 <= 0x7E })
            #expect(wire.first != 0x20 && wire.last != 0x20)
            #expect(wire.withUnsafeBytes { StatusMessage.decode($0) } == text)
        }
        let broken = Array("%4 %zz %".utf8)
        #expect(broken.withUnsafeBytes { StatusMessage.decode($0) } == "%4 %zz %")
    }

    @Test("base64 is read with and without padding (RFC 4648 §10)")
    func base64() {
        let vectors = [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ]
        for (plain, text) in vectors {
            #expect(Base64.encode(Array(plain.utf8)) == Array(text.utf8))
            #expect(Base64.decode(Array(text.utf8)) == Array(plain.utf8))
            let bare = Array(text.utf8.filter { $0 != UInt8(ascii: "=") })
            #expect(Base64.decode(bare) == Array(plain.utf8))
        }
        for text in ["A", "Zg===", "Z===", "Zm9v!", "Zm 9v"] {
            #expect(Base64.decode(Array(text.utf8)) == nil, "\(text)")
        }
    }

    @Test("a route is found by its whole path only")
    func routes() {
        var routes = RPCRoutes()
        for number in 0..<100 { routes.unary("/a.B/Method\(number)") { _, _ in } }
        routes.unary("/x") { _, _ in }
        let table = RouteTable(routes)
        func find(_ path: String) -> String? {
            Array(path.utf8).withUnsafeBytes { table.find($0)?.pathText }
        }
        for number in 0..<100 {
            #expect(find("/a.B/Method\(number)") == "/a.B/Method\(number)")
            #expect(find("/a.C/Method\(number)") == nil)
        }
        #expect(find("/x") == "/x")
        for path in ["", "/", "/y", "/a.B/Method", "/a.B/Method100", "a.B/Method1"] {
            #expect(find(path) == nil, "\(path)")
        }
    }

    @Test("a bucket gives its burst at once and its rate after that")
    func tokenBucket() {
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var bucket = TokenBucket(burst: 3, perSecond: 2, now: start)
        #expect((0..<4).map { _ in bucket.take(now: start) } == [true, true, true, false])
        let later = start + .milliseconds(1500)
        #expect((0..<3).map { _ in bucket.take(now: later) } == [true, true, false])
        let muchLater = later + .seconds(100)
        #expect((0..<4).map { _ in bucket.take(now: muchLater) } == [true, true, true, false])
    }
}

/// Notes when it was told.
private final class Target: DeadlineTarget {
    let wheel: DeadlineWheel
    let onExpired: (Target) -> Void
    var entry: DeadlineWheel.Entry?

    init(_ wheel: DeadlineWheel, _ onExpired: @escaping (Target) -> Void) {
        self.wheel = wheel
        self.onExpired = onExpired
    }

    func deadlineExpired() {
        if let entry { wheel.remove(entry) }
        onExpired(self)
    }
}

@Suite("Deadlines")
struct DeadlineWheelTests {
    @Test("a deadline is told once, never early; one that was removed is not told")
    func wheel() async throws {
        let loop = TestLoop.loop
        let early = try await loop.flatSubmit {
            let wheel = DeadlineWheel(eventLoop: loop)
            let promise = loop.makePromise(of: Int.self)
            let now = NIODeadline.now()
            var told = 0
            var early = 0
            for number in 0..<300 {
                let deadline = now + .milliseconds(Int64(number))
                let target = Target(wheel) { _ in
                    told += 1
                    if NIODeadline.now() < deadline { early += 1 }
                    if number % 3 == 0 { early += 1000 }
                    if told == 200 { promise.succeed(early) }
                }
                target.entry = wheel.add(target, deadline: deadline)
                if number % 3 == 0, let entry = target.entry { wheel.remove(entry) }
            }
            #expect(wheel.count == 200)
            return promise.futureResult.map { early in
                #expect(wheel.count == 0)
                return early
            }
        }.get()
        #expect(early == 0)
    }
}
