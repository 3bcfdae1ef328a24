import API
import Testing

@Suite("RecordIO")
struct RecordIOTests {
    private func decode(
        _ pieces: [[UInt8]], max: Int = 100
    ) -> (records: [[UInt8]], fault: RecordIO.Fault?, isBetween: Bool) {
        var decoder = RecordIO.Decoder(recordBytesMax: max)
        var records: [[UInt8]] = []
        for piece in pieces {
            do throws(RecordIO.Fault) {
                try decoder.decode(piece, into: &records)
            } catch {
                return (records, error, decoder.isBetweenRecords)
            }
        }
        return (records, nil, decoder.isBetweenRecords)
    }

    @Test("a record is its length in decimal digits, a line feed and its bytes")
    func encode() {
        #expect(RecordIO.encode(Array("{}\n".utf8)) == Array("3\n{}\n".utf8))
        #expect(RecordIO.encode([]) == Array("0\n".utf8))
        #expect(RecordIO.header(count: 1_234) == Array("1234\n".utf8))
    }

    @Test("records come out whole however the stream is cut")
    func everySplit() {
        let expected: [[UInt8]] = [Array("a\n12\n".utf8), [], Array(repeating: 0x30, count: 12)]
        let stream = expected.flatMap(RecordIO.encode)
        for first in 0...stream.count {
            for second in first...stream.count {
                let pieces = [stream[..<first], stream[first..<second], stream[second...]]
                let result = decode(pieces.map(Array.init))
                #expect(result.records == expected)
                #expect(result.fault == nil && result.isBetween)
            }
        }
        #expect(decode(stream.map { [$0] }).records == expected)
    }

    @Test("a stream that ends within a length or a record is known to")
    func unfinished() {
        #expect(decode([]).isBetween)
        #expect(!decode([Array("1".utf8)]).isBetween)
        #expect(!decode([Array("1\n".utf8)]).isBetween)
        #expect(decode([Array("1\nx".utf8)]).isBetween)
    }

    @Test(
        "what is no length is a fault, and the records before it come out",
        arguments: [
            ("x", RecordIO.Fault.notADigit(0x78)), ("-1\n", .notADigit(0x2D)),
            ("+1\n", .notADigit(0x2B)), (" 1\n", .notADigit(0x20)), ("1\r\n", .notADigit(0x0D)),
            ("0x1\n", .notADigit(0x78)), ("\n", .lengthMissing),
            ("101\n", .recordTooLarge(bytes: 101, max: 100)),
            ("0001", .lengthTooLong(digitsMax: 3)),
            ("99999999999999999999999", .lengthTooLong(digitsMax: 3)),
        ])
    func faults(text: String, fault: RecordIO.Fault) {
        let result = decode([Array("2\nab\(text)".utf8)])
        #expect(result.records == [Array("ab".utf8)])
        #expect(result.fault == fault)
    }

    @Test("a fault is final")
    func final() {
        var decoder = RecordIO.Decoder(recordBytesMax: 10)
        var records: [[UInt8]] = []
        #expect(throws: RecordIO.Fault.lengthMissing) { try decoder.decode([0x0A], into: &records) }
        #expect(throws: RecordIO.Fault.lengthMissing) {
            try decoder.decode(Array("1\na".utf8), into: &records)
        }
        #expect(throws: RecordIO.Fault.lengthMissing) { try decoder.decode([], into: &records) }
        #expect(records == [] && !decoder.isBetweenRecords)
    }

    @Test("the largest record fits, and a bound near Int.max does not overflow")
    func bounds() {
        #expect(decode([Array("3\nabc".utf8)], max: 3).records == [Array("abc".utf8)])
        #expect(decode([Array("0\n0\n".utf8)], max: 0).records == [[], []])
        let nines = Array("9999999999999999999\n".utf8)
        #expect(decode([nines], max: .max).fault == .lengthTooLong(digitsMax: 19))
    }

    @Test("garbage in pieces of any size never traps, and holds no more than one record")
    func garbage() {
        var random = RandomBytes(seed: 7)
        let alphabet = Array("0123456789\n\n x-".utf8)
        for _ in 0..<20_000 {
            var decoder = RecordIO.Decoder(recordBytesMax: 12)
            var records: [[UInt8]] = []
            for _ in 0..<random.below(5) {
                let piece = (0..<random.below(20)).map { _ in alphabet[random.below(alphabet.count)]
                }
                try? decoder.decode(piece, into: &records)
            }
            #expect(records.allSatisfy { $0.count <= 12 })
        }
    }
}

/// A repeatable source (SplitMix64).
struct RandomBytes {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// 0 where `bound` is 0.
    mutating func below(_ bound: Int) -> Int { bound == 0 ? 0 : Int(next() % UInt64(bound)) }
}
