internal import Foundation

/// The time of day, for stamps that people read. Nothing is decided by it, but when a token that
/// somebody has signed is over.
enum WallClock {
    /// Since 1970; zero where the clock says that it is earlier.
    static func milliseconds() -> UInt64 {
        UInt64(exactly: (Date().timeIntervalSince1970 * 1000).rounded(.down)) ?? 0
    }
}
