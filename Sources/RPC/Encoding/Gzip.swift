package import Primitives

/// Reads gzip files of one member (RFC 1952) as gRPC clients send them.
package enum Gzip {
    package enum Failure: Error, Equatable {
        /// What is wrong with the bytes.
        case corrupt(StaticStringBox)
        /// More would come out than the limit.
        case tooLarge
    }

    private static let headByteCount = 10
    private static let tailByteCount = 8

    /// Cost: about 5 ns a byte of output; never more than `byteCountMax` bytes are made.
    package static func decompress(_ file: [UInt8], byteCountMax: Int) throws(Failure) -> [UInt8] {
        guard file.count >= headByteCount + tailByteCount, file[0] == 0x1F, file[1] == 0x8B,
            file[2] == 8
        else { throw .corrupt("not a gzip file") }
        let start = try bodyStart(file)
        var inflater = Inflater(file, from: start, to: file.count - tailByteCount, byteCountMax)
        try inflater.run()
        let tail = file.count - tailByteCount
        guard inflater.position == tail else { throw .corrupt("bytes behind the end") }
        let output = inflater.output
        guard littleEndian(file, tail) == CRC32.checksum(output),
            littleEndian(file, tail + 4) == UInt32(truncatingIfNeeded: output.count)
        else { throw .corrupt("the checksum does not match") }
        return output
    }

    private static func littleEndian(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    /// Skips the optional fields of the head.
    private static func bodyStart(_ file: [UInt8]) throws(Failure) -> Int {
        let flags = file[3]
        guard flags & 0xE0 == 0 else { throw .corrupt("reserved flags are set") }
        var offset = headByteCount
        if flags & 4 != 0 {
            guard offset + 2 <= file.count else { throw .corrupt("truncated head") }
            offset += 2 + Int(file[offset]) + Int(file[offset + 1]) << 8
        }
        for flag: UInt8 in [8, 16] where flags & flag != 0 {
            while offset < file.count, file[offset] != 0 { offset += 1 }
            offset += 1
        }
        if flags & 2 != 0 { offset += 2 }
        guard offset <= file.count - tailByteCount else { throw .corrupt("truncated head") }
        return offset
    }
}
