/// Decides which of the blocks that are written one behind the other LZ4 tries: large ones, and
/// behind blocks that did not shrink only now and then.
///
/// Cost on data that does not shrink: a sample of 4 KiB in every 64th large body.
struct CompressionGate: Sendable {
    static let sampleBytes = 4096
    static let skipsMax = 63
    /// LZ4's speed-up: a little less compression for much less time.
    static let acceleration = 4

    let bytesMin: Int
    private(set) var skipsLeft = 0
    private(set) var skips = 0
    private var sample = [UInt8](repeating: 0, count: Self.worthwhileBytes(Self.sampleBytes))

    init(bytesMin: Int) { self.bytesMin = bytesMin }

    /// Three quarters: what a body must shrink to. Heads and keys of entries alone are an eighth of
    /// one with small values, and not worth the time where the values do not shrink.
    static func worthwhileBytes(_ count: Int) -> Int { count - count / 4 }

    mutating func wants(_ body: UnsafeRawBufferPointer) -> Bool {
        guard body.count >= max(bytesMin, 64) else { return false }
        if skipsLeft > 0 {
            skipsLeft -= 1
            return false
        }
        if body.count <= 2 * Self.sampleBytes { return true }
        let start = (body.count - Self.sampleBytes) / 2
        let part = UnsafeRawBufferPointer(rebasing: body[start..<(start + Self.sampleBytes)])
        let shrank = sample.withUnsafeMutableBytes {
            LZ4.compress(part, into: $0, acceleration: Self.acceleration) != nil
        }
        if !shrank { note(succeeded: false) }
        return shrank
    }

    mutating func note(succeeded: Bool) {
        skips = succeeded ? 0 : min(skips * 2 + 1, Self.skipsMax)
        skipsLeft = skips
    }
}
