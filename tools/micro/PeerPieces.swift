internal import Primitives
internal import RaftCore
internal import Replication

/// Appends on their way between peers, one entry an operation, a hundred of them a message.
enum PeerPieces {
    static var all: [Piece] {
        [
            Piece("peer-encode", "an entry of an append into a peer's frame, with its checksum") {
                _ in encoding()
            },
            Piece("peer-decode", "an entry of an append out of a peer's frame, checked") { _ in
                try decoding()
            },
        ]
    }

    private static var message: PeerMessage {
        let entries = RaftPieces.payloads(RaftPieces.batch).enumerated().map { number, payload in
            LogEntry(
                index: LogIndex(UInt64(number + 1)), term: Term(1), kind: .command,
                payload: payload)
        }
        return .raft(.carrying(entries))
    }

    private static func encode(_ message: PeerMessage) -> [UInt8] {
        var writer = ByteWriter(capacity: message.encodedByteCountHint)
        message.encode(into: &writer)
        return writer.bytes
    }

    private static func volume(of bytes: [UInt8]) -> Volume {
        Volume(items: 1, noun: "entries", bytes: Double(bytes.count) / Double(RaftPieces.batch))
    }

    private static func encoding() -> Work {
        let message = message
        let volume = volume(of: encode(message))
        return Work(
            step: RaftPieces.batch,
            run: { operations in
                var sum: UInt32 = 0
                for _ in 0..<(operations / RaftPieces.batch) {
                    sum &+= Checksum.crc32c(encode(message))
                }
                keep(sum)
            }, volume: { volume })
    }

    private static func decoding() throws -> Work {
        let bytes = encode(message)
        let volume = volume(of: bytes)
        let checksum = Checksum.crc32c(bytes)
        return Work(
            step: RaftPieces.batch,
            run: { operations in
                for _ in 0..<(operations / RaftPieces.batch) {
                    invariant(Checksum.crc32c(bytes) == checksum, "the same bytes, the same sum")
                    var reader = ByteReader(bytes)
                    keep(try PeerMessage.decode(from: &reader))
                }
            }, volume: { volume })
    }
}
