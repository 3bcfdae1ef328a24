internal import NIOCore

/// What a leader sends to its followers, and what comes back.
///
///     frame           := length u32 | number of its last put u64 | so many bytes
///     acknowledgement := number of the last durable put u64
///
/// All little-endian. No checksum, no term: nothing here has to be believed.
enum PeerFrame {
    private static let headBytes = 12

    static func encode(_ puts: [UInt8], through last: UInt64) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: headBytes + puts.count)
        buffer.writeInteger(UInt32(puts.count), endianness: .little)
        buffer.writeInteger(last, endianness: .little)
        buffer.writeBytes(puts)
        return buffer
    }

    /// Takes the next whole frame out of what was received, or nothing.
    static func next(in received: inout ByteBuffer) -> (puts: [UInt8], last: UInt64)? {
        let start = received.readerIndex
        guard
            let length = received.getInteger(at: start, endianness: .little, as: UInt32.self),
            received.readableBytes >= headBytes + Int(length)
        else { return nil }
        received.moveReaderIndex(forwardBy: MemoryLayout<UInt32>.size)
        guard let last = received.readInteger(endianness: .little, as: UInt64.self),
            let puts = received.readBytes(length: Int(length))
        else { return nil }
        return (puts, last)
    }

    /// The newest acknowledgement that is there: those before it say less.
    static func lastAcknowledgement(in received: inout ByteBuffer) -> UInt64? {
        var last: UInt64?
        while let next = received.readInteger(endianness: .little, as: UInt64.self) { last = next }
        return last
    }
}
