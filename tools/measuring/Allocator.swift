internal import CJemalloc

/// The memory allocator of this binary, linked in the C library's place as the server's is
/// (decision 0003).
package enum Allocator {
    /// MALLCTL_ARENAS_ALL, which is an expression that Swift does not import.
    private static let allArenas = 4096

    /// Its name and version, as it says itself: proof that it is the one in use.
    package static var version: String {
        var text: UnsafePointer<CChar>?
        var size = MemoryLayout<UnsafePointer<CChar>?>.size
        guard mallctl("version", &text, &size, nil, 0) == 0, let text else { return "unknown" }
        return "jemalloc " + String(cString: text).prefix { $0 != "-" }
    }

    /// What was allocated since the start.
    package struct Counts: Sendable {
        /// By all threads, as far as they have handed their figures on; by the caller, exactly.
        package var requests: UInt64
        /// By the calling thread.
        package var bytes: UInt64
    }

    /// Nil where the allocator was built without statistics. Cost: some microseconds, and the
    /// calling thread's cache, whose figures count only once it is given back.
    package static func counts() -> Counts? {
        guard mallctl("thread.tcache.flush", nil, nil, nil, 0) == 0 else { return nil }
        var epoch: UInt64 = 1
        guard mallctl("epoch", nil, nil, &epoch, MemoryLayout<UInt64>.size) == 0,
            let small = number("stats.arenas.\(allArenas).small.nrequests"),
            let large = number("stats.arenas.\(allArenas).large.nrequests"),
            let bytes = number("thread.allocated")
        else { return nil }
        return Counts(requests: small + large, bytes: bytes)
    }

    private static func number(_ name: String) -> UInt64? {
        var value: UInt64 = 0
        var size = MemoryLayout<UInt64>.size
        return mallctl(name, &value, &size, nil, 0) == 0 ? value : nil
    }
}
