/// gRPC's length-prefixed messages: one byte of flags (1 = compressed), four of length, big-endian.
///
/// Source: gRPC's `PROTOCOL-HTTP2.md`, "Length-Prefixed-Message".
enum GRPCFraming {
    static let prefixByteCount = 5

    static func appendPrefix(byteCount: Int, to bytes: inout [UInt8]) {
        let length = UInt32(truncatingIfNeeded: byteCount)
        bytes.append(0)
        bytes.append(UInt8(truncatingIfNeeded: length >> 24))
        bytes.append(UInt8(truncatingIfNeeded: length >> 16))
        bytes.append(UInt8(truncatingIfNeeded: length >> 8))
        bytes.append(UInt8(truncatingIfNeeded: length))
    }

    /// The byte at `offset` (0 to 4) of the prefix of a message of `byteCount` bytes.
    static func prefixByte(at offset: Int, byteCount: Int) -> UInt8 {
        offset == 0
            ? 0
            : UInt8(
                truncatingIfNeeded: UInt32(truncatingIfNeeded: byteCount) >> UInt32(32 - 8 * offset)
            )
    }
}
