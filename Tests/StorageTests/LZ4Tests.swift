import Primitives
import Storage
import Testing

@Suite("LZ4 blocks")
struct LZ4Tests {
    @Test("what was compressed expands to itself, at every size around the edges")
    func roundTrip() throws {
        var random = SplitMix64(seed: 1)
        for count in [0, 1, 2, 12, 13, 64, 255, 4096, 70_000] {
            for isRandom in [false, true] {
                let bytes = (0..<count).map { _ in
                    isRandom ? UInt8(truncatingIfNeeded: random.next()) : 7
                }
                let packed = try #require(LZ4.compress(bytes))
                #expect(packed.count <= LZ4.bound(count))
                #expect(LZ4.decompress(packed, byteCount: count) == bytes)
            }
        }
    }

    @Test("a wrong size, a cut block and an empty one are refused")
    func wrongSize() throws {
        let bytes = [UInt8](repeating: 3, count: 1000)
        let packed = try #require(LZ4.compress(bytes))
        #expect(LZ4.decompress(packed, byteCount: 999) == nil)
        #expect(LZ4.decompress(packed, byteCount: 1001) == nil)
        #expect(LZ4.decompress(packed, byteCount: -1) == nil)
        #expect(LZ4.decompress(packed, byteCount: Int.max) == nil)
        #expect(LZ4.decompress(Array(packed.dropLast()), byteCount: 1000) == nil)
        #expect(LZ4.decompress([], byteCount: 0) == nil)
    }

    @Test("random bytes never trap and never write past the end")
    func fuzz() {
        var random = SplitMix64(seed: 2)
        for _ in 0..<20_000 {
            let count = Int(random.next(below: 64))
            let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let size = Int(random.next(below: 300))
            if let found = LZ4.decompress(bytes, byteCount: size) { #expect(found.count == size) }
        }
    }
}
