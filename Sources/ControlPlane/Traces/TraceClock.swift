#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The time of day at a time of the clock that everything is measured by.
package struct TraceClock: Sendable {
    /// Nanoseconds from the one clock's zero to 1970; what is added to a time of the other.
    package var offset: Int64

    package init(offset: Int64) { self.offset = offset }

    /// Of now: whoever sets the time of day moves it. Of a few readings the one that was disturbed
    /// least.
    package static func now() -> TraceClock {
        var best = (gap: Int64.max, offset: Int64(0))
        for _ in 0..<4 {
            let before = nanoseconds(CLOCK_MONOTONIC)
            let day = nanoseconds(CLOCK_REALTIME)
            let gap = nanoseconds(CLOCK_MONOTONIC) - before
            if gap < best.gap { best = (gap, day - before - gap / 2) }
        }
        return TraceClock(offset: best.offset)
    }

    private static func nanoseconds(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Nanoseconds since 1970.
    package func timeOfDay(_ uptime: UInt64) -> UInt64 {
        UInt64(max(0, Int64(clamping: uptime) + offset))
    }
}
