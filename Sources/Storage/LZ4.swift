internal import CLZ4

/// LZ4 blocks: the one Swift file that calls the C library. Total: no bytes trap, no output grows
/// past what the caller allows.
package enum LZ4 {
    /// The largest input that a block takes, in bytes (LZ4_MAX_INPUT_SIZE).
    package static let inputBytesMax = 0x7E00_0000

    /// How large the compressed form of `count` bytes can get at worst.
    package static func bound(_ count: Int) -> Int { count + count / 255 + 16 }

    /// Compresses into `destination` and returns the size, or nil when it does not fit there: with
    /// a destination smaller than the source that is the test for "it pays".
    ///
    /// `acceleration` of 1 is LZ4's default; each step up is faster and compresses less.
    package static func compress(
        _ source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer,
        acceleration: Int = 1
    ) -> Int? {
        guard source.count <= inputBytesMax, !destination.isEmpty else { return nil }
        let written = LZ4_compress_fast(
            source.baseAddress?.assumingMemoryBound(to: CChar.self),
            destination.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(source.count),
            Int32(clamping: destination.count), Int32(clamping: acceleration))
        return written > 0 ? Int(written) : nil
    }

    package static func compress(_ source: [UInt8], acceleration: Int = 1) -> [UInt8]? {
        source.withUnsafeBytes { raw in
            var size: Int?
            let bytes = [UInt8](unsafeUninitializedCapacity: bound(source.count)) {
                buffer, filled in
                size = compress(
                    raw, into: UnsafeMutableRawBufferPointer(buffer), acceleration: acceleration)
                filled = size ?? 0
            }
            return size == nil ? nil : bytes
        }
    }

    /// Decompresses into all of `destination`; false unless the source is a well-formed block of
    /// exactly that size.
    package static func decompress(
        _ source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard source.count <= Int32.max, destination.count <= inputBytesMax else { return false }
        guard let base = source.baseAddress, !source.isEmpty else { return false }
        // The C function wants an address even where nothing is to be written.
        var nothing: CChar = 0
        let written = withUnsafeMutablePointer(to: &nothing) { empty in
            LZ4_decompress_safe(
                base.assumingMemoryBound(to: CChar.self),
                destination.baseAddress?.assumingMemoryBound(to: CChar.self) ?? empty,
                Int32(source.count), Int32(destination.count))
        }
        return written >= 0 && Int(written) == destination.count
    }

    /// The `byteCount` bytes that `source` is a block of, or nil. The caller bounds `byteCount`:
    /// that much is allocated whatever the source holds.
    package static func decompress(_ source: [UInt8], byteCount: Int) -> [UInt8]? {
        guard byteCount >= 0, byteCount <= inputBytesMax else { return nil }
        var isGood = false
        let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, filled in
            let room = UnsafeMutableRawBufferPointer(
                rebasing: UnsafeMutableRawBufferPointer(buffer)[0..<byteCount])
            isGood = source.withUnsafeBytes { decompress($0, into: room) }
            filled = isGood ? byteCount : 0
        }
        return isGood ? bytes : nil
    }
}
