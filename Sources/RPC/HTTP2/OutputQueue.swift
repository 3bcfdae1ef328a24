/// What waits to be sent on one stream, in gRPC's framing. Flow control pulls it.
package struct OutputQueue {
    package init() {}

    /// One message that is pulled piece by piece.
    package final class Pull {
        let byteCount: Int
        private let next: () -> [UInt8]?
        private var piece: [UInt8] = []
        private var pieceOffset = 0
        private var pulled = 0

        package init(byteCount: Int, next: @escaping () -> [UInt8]?) {
            self.byteCount = byteCount
            self.next = next
        }

        var needsPiece: Bool { pieceOffset == piece.count && pulled < byteCount }

        /// Asks for the next piece. False when the pieces do not sum to the size that was
        /// announced.
        package func fetch() -> Bool {
            while needsPiece {
                guard let more = next(), more.count <= byteCount - pulled else { return false }
                piece = more
                pieceOffset = 0
            }
            return true
        }

        /// Copies up to `target.count` bytes of the piece that is there.
        func copy(into target: UnsafeMutableRawBufferPointer) -> Int {
            var copied = 0
            while copied < target.count, pieceOffset < piece.count {
                let count = min(target.count - copied, piece.count - pieceOffset)
                piece.withUnsafeBytes { source in
                    UnsafeMutableRawBufferPointer(rebasing: target[copied...]).copyMemory(
                        from: UnsafeRawBufferPointer(
                            rebasing: source[pieceOffset..<(pieceOffset + count)]))
                }
                pieceOffset += count
                pulled += count
                copied += count
            }
            return copied
        }
    }

    private enum Item {
        case nothing
        case message([UInt8])
        case shared(SharedMessage)
        case pull(Pull)
    }

    private var current = Item.nothing
    /// Bytes of `current` that were taken, its prefix included.
    private var offset = 0
    private var waiting: [Item] = []
    private var waitingHead = 0

    /// Bytes in memory that were not taken. A pulled message counts as nothing: it is not in
    /// memory.
    package private(set) var bufferedBytes = 0
    /// Bytes that were ever taken.
    package private(set) var takenBytes = 0
    /// A message is half taken: nothing but the rest of it may follow.
    package var isMidMessage: Bool { offset > 0 }

    package var isEmpty: Bool {
        if case .nothing = current { return true }
        return false
    }

    package mutating func append(_ message: [UInt8]) {
        bufferedBytes += message.count + GRPCFraming.prefixByteCount
        enqueue(.message(message))
    }

    package mutating func append(_ message: SharedMessage) {
        bufferedBytes += message.framed.count
        enqueue(.shared(message))
    }

    package mutating func append(_ pull: Pull) { enqueue(.pull(pull)) }

    private mutating func enqueue(_ item: Item) {
        if isEmpty { current = item } else { waiting.append(item) }
    }

    package mutating func removeAll() { self = OutputQueue() }

    /// The pulled message that is next, if it has to be asked for a piece before `copy` can go on.
    /// It is asked from outside, because its answer may come back to this queue.
    package var starvingPull: Pull? {
        if case .pull(let pull) = current, pull.needsPiece { return pull }
        return nil
    }

    /// Copies as much as there is and fits, up to the end of a pulled message's piece.
    package mutating func copy(into target: UnsafeMutableRawBufferPointer) -> Int {
        var copied = 0
        while copied < target.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: target[copied...])
            let count: Int
            let total: Int
            switch current {
            case .nothing: return copied
            case .message(let bytes):
                total = bytes.count + GRPCFraming.prefixByteCount
                count = bytes.withUnsafeBytes { copyFramed($0, into: rest) }
                bufferedBytes -= count
            case .shared(let message):
                total = message.framed.count
                count = min(rest.count, total - offset)
                message.framed.withUnsafeBytes {
                    rest.copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: $0[offset..<(offset + count)]))
                }
                bufferedBytes -= count
            case .pull(let pull):
                total = pull.byteCount + GRPCFraming.prefixByteCount
                count = copyPulled(pull, into: rest)
            }
            copied += count
            offset += count
            takenBytes += count
            if offset == total {
                advance()
            } else if count == 0 {
                return copied
            }
        }
        return copied
    }

    private mutating func advance() {
        offset = 0
        if waitingHead < waiting.count {
            current = waiting[waitingHead]
            waiting[waitingHead] = .nothing
            waitingHead += 1
            if waitingHead == waiting.count || waitingHead >= 1024 {
                waiting.removeFirst(waitingHead)
                waitingHead = 0
            }
        } else {
            current = .nothing
        }
    }

    /// The prefix of a message, as far as it was not taken.
    private func copyPrefix(byteCount: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
        var copied = 0
        while offset + copied < GRPCFraming.prefixByteCount, copied < target.count {
            target[copied] = GRPCFraming.prefixByte(at: offset + copied, byteCount: byteCount)
            copied += 1
        }
        return copied
    }

    private func copyFramed(
        _ bytes: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) -> Int {
        let head = copyPrefix(byteCount: bytes.count, into: target)
        let start = offset + head - GRPCFraming.prefixByteCount
        let count = min(target.count - head, bytes.count - start)
        guard start >= 0, count > 0 else { return head }
        UnsafeMutableRawBufferPointer(rebasing: target[head...]).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + count)]))
        return head + count
    }

    private func copyPulled(_ pull: Pull, into target: UnsafeMutableRawBufferPointer) -> Int {
        let head = copyPrefix(byteCount: pull.byteCount, into: target)
        return head + pull.copy(into: UnsafeMutableRawBufferPointer(rebasing: target[head...]))
    }
}
