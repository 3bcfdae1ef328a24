/// Counts the calls of one method. Confined to one event loop, hence `@unchecked Sendable`: what
/// counts takes no lock.
package final class MethodMeter: @unchecked Sendable {
    /// `etcdserverpb.KV` of `/etcdserverpb.KV/Put`.
    package let service: String
    package let method: String
    package let isUnary: Bool
    @exclusivity(unchecked) package private(set) var started: UInt64 = 0
    /// By the number of the status code.
    @exclusivity(unchecked) package private(set) var handled = [UInt64](
        repeating: 0, count: MethodMeter.codesCount)
    /// From a call's first byte to its status. Unary calls only: a stream lasts as long as its
    /// client wants.
    @exclusivity(unchecked) package private(set) var durations = DurationHistogram()

    /// gRPC has the codes 0 to 16.
    package static let codesCount = 17

    package init(path: String, isUnary: Bool) {
        let parts = path.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: true)
        service = parts.first.map(String.init) ?? ""
        method = parts.count > 1 ? String(parts[1]) : ""
        self.isUnary = isUnary
    }

    package func callStarted() { started &+= 1 }

    /// - Parameter nanoseconds: nil where it was not measured.
    package func callEnded(code: Int, nanoseconds: UInt64?) {
        if handled.indices.contains(code) { handled[code] &+= 1 }
        if isUnary, let nanoseconds { durations.record(nanoseconds: nanoseconds) }
    }

    /// Calls that are under way.
    package var open: UInt64 {
        let ended = handled.reduce(0, &+)
        return started > ended ? started - ended : 0
    }
}
