internal import CChecksum

/// CRC-32C (Castagnoli), the checksum of everything that Keelson writes to disk or sends to a peer.
package enum Checksum {
    /// The checksum of `bytes`, continuing from `seed`. Cost: about 0.06 ns a byte.
    package static func crc32c(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
        keelson_crc32c(seed, bytes.baseAddress, bytes.count)
    }

    package static func crc32c(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { crc32c($0, seed: seed) }
    }

    /// The table-driven form, for machines without the instruction and for tests.
    package static func crc32cPortable(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { keelson_crc32c_portable(seed, $0.baseAddress, $0.count) }
    }
}
