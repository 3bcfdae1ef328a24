import Primitives
import Testing

@Suite("Checksums (CRC-32C, RFC 3720 appendix B.4)")
struct ChecksumTests {
    @Test("the RFC's vectors come out")
    func vectors() {
        #expect(Checksum.crc32c([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(Checksum.crc32c([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(Checksum.crc32c(Array(0..<32)) == 0x46DD_794E)
    }

    @Test("the instruction and the table agree at every length and seed")
    func portableAgrees() {
        var random = SplitMix64(seed: 7)
        for length in 0..<300 {
            let bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let seed = UInt32(truncatingIfNeeded: random.next())
            #expect(
                Checksum.crc32c(bytes, seed: seed) == Checksum.crc32cPortable(bytes, seed: seed))
        }
    }

    @Test(
        "a checksum continues: of the whole it is that of the second half seeded with the first's")
    func continues() {
        let bytes = Array("the beam along a ship's keel".utf8)
        let first = Checksum.crc32c(Array(bytes[..<11]))
        #expect(Checksum.crc32c(Array(bytes[11...]), seed: first) == Checksum.crc32c(bytes))
    }
}
