package import Monitoring
package import NIOCore
internal import Primitives

/// Decides which calls are traced: those whose caller asks for it, none whose caller asks for none,
/// and so many in a million of those whose caller says nothing. (OpenTelemetry calls that
/// `ParentBased` over a ratio.)
package struct TraceSampler {
    private let perMillion: UInt64
    private var random: SplitMix64
    private var budget: TokenBucket
    /// Calls that were to be traced while so many were already.
    package private(set) var suppressed: UInt64 = 0

    /// Whatever callers ask for.
    package static let tracesPerSecondMax = 1_000

    /// - Parameter seed: another one for each process, for the ids come from it.
    package init(perMillion: Int, seed: UInt64, now: NIODeadline) {
        self.perMillion = UInt64(clamping: perMillion)
        random = SplitMix64(seed: seed)
        budget = TokenBucket(
            burst: Self.tracesPerSecondMax, perSecond: Self.tracesPerSecondMax, now: now)
    }

    /// Nil where the call is not traced.
    package mutating func context(parent: TraceParent?, now: NIODeadline) -> TraceContext? {
        guard parent?.isSampled ?? isDrawn() else { return nil }
        guard budget.take(now: now) else {
            suppressed += 1
            return nil
        }
        guard let spanID = SpanID(random.next()),
            let traceID = parent?.traceID ?? TraceID(high: random.next(), low: random.next())
        else { return nil }
        return TraceContext(traceID: traceID, spanID: spanID, parentSpanID: parent?.spanID)
    }

    private mutating func isDrawn() -> Bool {
        perMillion > 0 && random.next(below: 1_000_000) < perMillion
    }
}
