package import NIOCore
import Primitives
import Replication

// Frames between peers; the hello and its answer are the first ones.
//
//     frame  := length u32 | crc32c(payload) u32 | payload      (little-endian)

extension PeerProtocol {
    static let frameBytesMax = 80 << 20
    static let headerBytes = 8
}

/// Cuts a byte stream into checked frames. Bounded: a frame above the limit is an error at once.
package struct PeerFrameDecoder {
    package enum Failure: Error, Equatable {
        case tooLarge(bytes: Int, limit: Int)
        case badChecksum(bytes: Int)
    }

    private var buffer = ByteBuffer()
    /// Until the handshake is done only small frames are taken.
    package var limit = PeerProtocol.handshakeBytesMax

    package init() {}

    package mutating func append(_ bytes: inout ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.writeBuffer(&bytes)
        }
    }

    /// The next whole frame's payload, or nil when more bytes are needed.
    package mutating func next() throws(Failure) -> [UInt8]? {
        guard
            let length = buffer.getInteger(
                at: buffer.readerIndex, endianness: .little, as: UInt32.self)
        else { return nil }
        guard length <= limit else { throw .tooLarge(bytes: Int(length), limit: limit) }
        guard buffer.readableBytes >= PeerProtocol.headerBytes + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 4)
        let checksum = buffer.readInteger(endianness: .little, as: UInt32.self) ?? 0
        guard let payload = buffer.readBytes(length: Int(length)),
            Checksum.crc32c(payload) == checksum
        else { throw .badChecksum(bytes: Int(length)) }
        if buffer.readerIndex > 1 << 20 { buffer.discardReadBytes() }
        return payload
    }

    package static func frame(_ payload: [UInt8]) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(
            capacity: payload.count + PeerProtocol.headerBytes)
        buffer.writeInteger(UInt32(payload.count), endianness: .little)
        buffer.writeInteger(Checksum.crc32c(payload), endianness: .little)
        buffer.writeBytes(payload)
        return buffer
    }
}
