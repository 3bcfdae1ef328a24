package import NIOCore

/// So many at once, and so many a second after that.
package struct TokenBucket {
    private let burst: Int
    private let perSecond: Int
    private var tokens: Int
    private var filledAt: NIODeadline

    package init(burst: Int, perSecond: Int, now: NIODeadline) {
        self.burst = burst
        self.perSecond = perSecond
        tokens = burst
        filledAt = now
    }

    /// False when there is none left.
    package mutating func take(now: NIODeadline) -> Bool {
        if tokens == 0 {
            let seconds = (now - filledAt).nanoseconds / 1_000_000_000
            guard seconds > 0 else { return false }
            tokens = Int(
                min(
                    Int64(burst),
                    seconds.multipliedReportingOverflow(by: Int64(perSecond)).partialValue))
            filledAt = now
            if tokens <= 0 { return false }
        }
        tokens -= 1
        return true
    }
}
