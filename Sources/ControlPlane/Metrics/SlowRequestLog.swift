package import Logging
package import Monitoring
internal import NIOCore
package import RPC

/// Logs requests that took long, each as one line that says where the time went.
///
/// The line's text is `slow request`, its field `event` is `slow_request`, and the names of its
/// other fields stay what they are: people search for them. Confined to the event loop.
package final class SlowRequestLog {
    private let logger: Logger
    private let timesOfEntry: (UInt64) -> LogMilestones.Times
    private var lines: TokenBucket
    private var suppressed: UInt64 = 0
    package private(set) var total: UInt64 = 0

    package static let linesPerSecondMax = 10

    package init(
        logger: Logger, timesOfEntry: @escaping (UInt64) -> LogMilestones.Times
    ) {
        self.logger = logger
        self.timesOfEntry = timesOfEntry
        lines = TokenBucket(
            burst: Self.linesPerSecondMax, perSecond: Self.linesPerSecondMax, now: .now())
    }

    package func note(_ call: EndedCall) {
        total += 1
        guard lines.take(now: call.endedAt) else {
            suppressed += 1
            return
        }
        let index = call.times.logIndex
        let answered = call.times.answeredAt ?? call.endedAt
        let stages = RequestStages(
            began: call.beganAt.uptimeNanoseconds,
            entry: index > 0 ? timesOfEntry(index) : nil,
            readable: call.times.readableAt?.uptimeNanoseconds,
            answered: answered.uptimeNanoseconds,
            sent: call.sentAt?.uptimeNanoseconds)
        var metadata: Logger.Metadata = [
            "event": "slow_request", "method": "\(call.path)", "code": "\(call.code.goName)",
            "took_ms": "\(Self.milliseconds(UInt64((call.endedAt - call.beganAt).nanoseconds)))",
        ]
        for stage in stages.stages {
            metadata["\(stage.name.rawValue)_ms"] = "\(Self.milliseconds(stage.nanoseconds))"
        }
        if let longest = stages.longest { metadata["longest"] = "\(longest.rawValue)" }
        if index > 0 { metadata["index"] = "\(index)" }
        if suppressed > 0 { metadata["suppressed"] = "\(suppressed)" }
        suppressed = 0
        logger.warning("slow request", metadata: metadata)
    }

    private static func milliseconds(_ nanoseconds: UInt64) -> Double {
        (Double(nanoseconds) / 1e5).rounded() / 10
    }
}
