/// LZ4 for a checkpoint's values and a snapshot's chunks, where it pays.
enum BlockCompression {
    /// Shorter blocks are left alone: they fit into what a page or a frame costs anyway.
    static let byteCountMin = 64

    /// The LZ4 block of `bytes` when it saves what ``CompressionGate`` wants saved, else nil.
    static func compress(_ bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count >= byteCountMin else { return nil }
        let worthwhile = CompressionGate.worthwhileBytes(bytes.count)
        var written: Int?
        let block = [UInt8](unsafeUninitializedCapacity: worthwhile) { buffer, filled in
            let room = UnsafeMutableRawBufferPointer(
                rebasing: UnsafeMutableRawBufferPointer(buffer)[..<worthwhile])
            written = bytes.withUnsafeBytes { LZ4.compress($0, into: room) }
            filled = written ?? 0
        }
        return written == nil ? nil : block
    }

    /// The `byteCount` bytes of which `block` is the compressed form, or nil. Allocates
    /// `byteCount`, unless that is more than LZ4 can make of the block.
    static func decompress(_ block: UnsafeRawBufferPointer, byteCount: Int) -> [UInt8]? {
        guard byteCount > 0, byteCount / 256 <= block.count else { return nil }
        var isGood = false
        let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, filled in
            let room = UnsafeMutableRawBufferPointer(
                rebasing: UnsafeMutableRawBufferPointer(buffer)[..<byteCount])
            isGood = LZ4.decompress(block, into: room)
            filled = isGood ? byteCount : 0
        }
        return isGood ? bytes : nil
    }

    static func decompress(_ block: [UInt8], byteCount: Int) -> [UInt8]? {
        block.withUnsafeBytes { decompress($0, byteCount: byteCount) }
    }
}
