/// A message as it came: its bytes, and whether its sender said that they are compressed.
package struct ReceivedMessage {
    package var bytes: [UInt8]
    package var isCompressed: Bool
}

/// Cuts the bytes of a stream into messages.
///
/// Memory is taken as bytes arrive, never because a prefix announces them.
package struct MessageAssembler {
    private var prefix: UInt64 = 0
    private var prefixCount = 0
    private var remaining = 0
    private var isCompressed = false
    private var body: [UInt8] = []

    package init() {}

    /// Why a message is refused.
    package enum Refusal: Error, Equatable {
        case tooLarge(byteCount: Int)
        case unknownFlags(UInt8)
    }

    /// Bytes held for a message that is not complete.
    package var heldByteCount: Int { body.count }

    /// True between the first byte of a prefix and the last byte of its message.
    package var isMidMessage: Bool { prefixCount > 0 }

    /// Takes bytes from the front of `input` until a message is complete, which it returns, or
    /// until `input` is empty.
    package mutating func next(
        _ input: inout UnsafeRawBufferPointer, byteCountMax: Int
    ) throws(Refusal) -> ReceivedMessage? {
        while prefixCount < GRPCFraming.prefixByteCount {
            guard let byte = input.first else { return nil }
            input = UnsafeRawBufferPointer(rebasing: input.dropFirst())
            prefix = prefix << 8 | UInt64(byte)
            prefixCount += 1
            if prefixCount == GRPCFraming.prefixByteCount { try begin(byteCountMax: byteCountMax) }
        }
        let taken = min(remaining, input.count)
        if taken == remaining, body.isEmpty {
            let whole = [UInt8](UnsafeRawBufferPointer(rebasing: input[..<taken]))
            input = UnsafeRawBufferPointer(rebasing: input[taken...])
            return finish(whole)
        }
        body.append(contentsOf: UnsafeRawBufferPointer(rebasing: input[..<taken]))
        input = UnsafeRawBufferPointer(rebasing: input[taken...])
        remaining -= taken
        if remaining > 0 { return nil }
        let whole = body
        body = []
        return finish(whole)
    }

    private mutating func begin(byteCountMax: Int) throws(Refusal) {
        let flags = UInt8(truncatingIfNeeded: prefix >> 32)
        let byteCount = Int(prefix & 0xFFFF_FFFF)
        guard flags <= 1 else { throw .unknownFlags(flags) }
        guard byteCount <= byteCountMax else { throw .tooLarge(byteCount: byteCount) }
        isCompressed = flags == 1
        remaining = byteCount
    }

    private mutating func finish(_ bytes: [UInt8]) -> ReceivedMessage {
        prefix = 0
        prefixCount = 0
        remaining = 0
        return ReceivedMessage(bytes: bytes, isCompressed: isCompressed)
    }
}
