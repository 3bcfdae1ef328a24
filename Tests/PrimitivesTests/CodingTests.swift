import Primitives
import Testing

@Suite("Byte and protobuf coding")
struct CodingTests {
    @Test("what is written is read back")
    func roundTrip() throws {
        var writer = ByteWriter()
        writer.write(UInt16(0xBEEF))
        writer.write(Int64.min)
        writer.writeLengthPrefixed("keel")
        writer.writeLengthPrefixed([1, 2, 3])
        var reader = ByteReader(writer.bytes)
        #expect(try reader.read(UInt16.self) == 0xBEEF)
        #expect(try reader.read(Int64.self) == .min)
        #expect(try reader.readString() == "keel")
        #expect(try reader.readLengthPrefixed() == [1, 2, 3])
        #expect(reader.isAtEnd)
    }

    @Test("no prefix of a message is read as the whole, and none traps")
    func truncated() {
        var writer = ByteWriter()
        writer.write(UInt64(1))
        writer.writeLengthPrefixed([UInt8](repeating: 9, count: 40))
        for length in 0..<writer.bytes.count {
            var reader = ByteReader(Array(writer.bytes[..<length]))
            #expect(throws: DecodingError.self) {
                _ = try reader.read(UInt64.self)
                _ = try reader.readLengthPrefixed()
            }
        }
    }

    @Test("a length above the limit is refused before anything is allocated")
    func lyingLength() {
        var reader = ByteReader([0xFF, 0xFF, 0xFF, 0xFF, 1])
        #expect(throws: DecodingError.invalid(field: "length", offset: 0)) {
            _ = try reader.readLengthPrefixed(limit: 100)
        }
    }

    @Test("varints have the size that is announced, at every power of two")
    func varintSizes() {
        for shift in 0..<64 {
            for value in [UInt64(1) << shift, (UInt64(1) << shift) - 1, (UInt64(1) << shift) + 1] {
                var writer = ProtobufWriter()
                writer.varint(value)
                #expect(writer.bytes.count == ProtobufWriter.varintByteCount(value))
                let read = try? writer.bytes.withUnsafeBytes { raw throws in
                    var reader = ProtobufReader(raw)
                    return try reader.varint()
                }
                #expect(read == value)
            }
        }
    }

    @Test("random bytes give fields or an error, never a trap")
    func noise() {
        var random = SplitMix64(seed: 42)
        for _ in 0..<20_000 {
            let count = Int(random.next(below: 64))
            let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            bytes.withUnsafeBytes { raw in
                var reader = ProtobufReader(raw)
                var steps = 0
                while let field = try? reader.nextField(), steps < 100 {
                    guard (try? reader.skip(field.type)) != nil else { break }
                    steps += 1
                }
                #expect(steps <= 64)
            }
        }
    }

    @Test("a bounded draw stays below its bound and reaches every value")
    func boundedDraw() {
        var random = SplitMix64(seed: 1)
        var seen = [Int](repeating: 0, count: 7)
        for _ in 0..<7000 { seen[Int(random.next(below: 7))] += 1 }
        #expect(seen.allSatisfy { $0 > 700 })
    }
}
