import Primitives

/// Checksums and digests of rows and streams of rows: they guard against accident, not malice.
package enum RowDigest {
    /// CRC-32C over table, key length, key and value, so that bytes cannot move between the parts.
    static func crc(table: UInt8, key: [UInt8], value: UnsafeRawBufferPointer) -> UInt32 {
        let head = (UInt64(key.count) << 8 | UInt64(table)).littleEndian
        let seed = withUnsafeBytes(of: head) { Checksum.crc32c($0) }
        return Checksum.crc32c(value, seed: Checksum.crc32c(key, seed: seed))
    }

    /// A row's share of a checkpoint's digest. The digest is the sum of all shares modulo 2^64: it
    /// does not depend on order, so that replacing a row costs one subtraction and one addition,
    /// and a row that is lost, doubled or left over from an earlier checkpoint changes it.
    static func share(table: UInt8, crc: UInt32, valueByteCount: Int) -> UInt64 {
        mix(mix(UInt64(crc) << 8 | UInt64(table)) ^ UInt64(valueByteCount))
    }

    /// Continues the digest of a stream with the next chunk of it: depends on the order of chunks.
    package static func chain(_ digest: UInt64, crc: UInt32, byteCount: Int) -> UInt64 {
        mix(digest &* 0x9FB2_1C65_1E98_DF25 ^ mix(UInt64(crc) << 32 | UInt64(UInt32(byteCount))))
    }

    /// A bijection that spreads every input bit over the whole word.
    private static func mix(_ word: UInt64) -> UInt64 {
        var generator = SplitMix64(seed: word)
        return generator.next()
    }
}
