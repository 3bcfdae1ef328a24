import Glibc

/// Waiting for something that another process does: looked at again and again, up to a limit.
package enum Patience {
    /// Returns what `look` found, or nil when `limit` has passed. `look` runs every
    /// `pauseMilliseconds`.
    package static func wait<T>(
        _ limit: Duration, pauseMilliseconds: Int32 = 2, until look: () throws -> T?
    ) rethrows -> T? {
        let deadline = ContinuousClock.now + limit
        while true {
            if let found = try look() { return found }
            if ContinuousClock.now >= deadline { return nil }
            _ = poll(nil, 0, pauseMilliseconds)
        }
    }
}

extension Duration {
    package var milliseconds: Double {
        Double(components.seconds) * 1e3 + Double(components.attoseconds) / 1e15
    }
}
