import Primitives

/// A 64-bit hash that is the same on every machine and version: FNV-1a with a final mix. It names
/// things (bootstrap ids); it guards nothing.
enum StableHash {
    static func hash(_ parts: [String]) -> UInt64 {
        var state: UInt64 = 0xCBF2_9CE4_8422_2325
        for part in parts {
            for byte in part.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
            // Parts are kept apart: ("ab", "c") is not ("a", "bc").
            state = (state ^ 0xFF) &* 0x100_0000_01B3
        }
        var mix = SplitMix64(seed: state)
        let hash = mix.next()
        return hash == 0 ? 1 : hash
    }
}
