internal import Monitoring
package import NIOCore

/// When what happened to a call, and where in the log it is. What is not known is nil.
package struct CallTimes: Sendable {
    /// When its status was given.
    package var answeredAt: NIODeadline?
    /// When what it reads was known to be new enough.
    package var readableAt: NIODeadline?
    /// Where in the log its request is; zero: nowhere, or nobody knows.
    package var logIndex: UInt64 = 0
    /// The store's revision behind it; zero as with ``logIndex``.
    package var revision: Int64 = 0
    /// Of a unary call's message.
    package var requestBytes = 0

    package init() {}
}

/// A unary call that is over.
package struct EndedCall: Sendable {
    package var path: String
    /// When its first byte came, to a turn of the event loop.
    package var beganAt: NIODeadline
    package var times: CallTimes
    /// When the last of the answer left for the socket; nil where it never did.
    package var sentAt: NIODeadline?
    package var endedAt: NIODeadline
    package var code: RPCCode

    package init(
        path: String, beganAt: NIODeadline, times: CallTimes, sentAt: NIODeadline?,
        endedAt: NIODeadline, code: RPCCode
    ) {
        self.path = path
        self.beganAt = beganAt
        self.times = times
        self.sentAt = sentAt
        self.endedAt = endedAt
        self.code = code
    }
}

extension ServerCall {
    /// The status is known, or the call was lost.
    func noteEnd(_ code: RPCCode) {
        guard !isHeadUnfinished, let meter = head.route?.meter else { return }
        guard meter.isUnary else { return meter.callEnded(code: code.rawValue, nanoseconds: nil) }
        let now = NIODeadline.now()
        times.answeredAt = now
        meter.callEnded(
            code: code.rawValue, nanoseconds: UInt64(clamping: (now - beganAt).nanoseconds))
    }

    /// - Parameter sentAt: nil where the client never got the whole answer.
    func noteOver(sentAt: NIODeadline?, _ code: RPCCode) {
        if let tell = core.onSlowCall { noteIfSlow(sentAt: sentAt, code, tell) }
        if let tracing = core.tracing { noteIfTraced(sentAt: sentAt, code, tracing) }
    }

    private func noteIfSlow(
        sentAt: NIODeadline?, _ code: RPCCode, _ tell: (EndedCall) -> Void
    ) {
        guard let route = head.route, route.meter.isUnary, let answeredAt = times.answeredAt
        else { return }
        let endedAt = max(sentAt ?? .now(), answeredAt)
        guard endedAt - beganAt >= core.slowCallTime else { return }
        tell(ended(route, sentAt: sentAt, answeredAt: answeredAt, endedAt: endedAt, code))
    }

    /// Whether a call is traced is asked when it is over: all that a trace needs was taken anyway.
    private func noteIfTraced(sentAt: NIODeadline?, _ code: RPCCode, _ tracing: CallTracing) {
        guard let route = head.route, route.meter.isUnary, let answeredAt = times.answeredAt,
            let context = tracing.sampler.context(parent: head.traceParent, now: answeredAt)
        else { return }
        let endedAt = max(sentAt ?? .now(), answeredAt)
        tracing.tell(
            ended(route, sentAt: sentAt, answeredAt: answeredAt, endedAt: endedAt, code), context)
    }

    private func ended(
        _ route: RPCRoutes.Route, sentAt: NIODeadline?, answeredAt: NIODeadline,
        endedAt: NIODeadline, _ code: RPCCode
    ) -> EndedCall {
        EndedCall(
            path: route.pathText, beganAt: beganAt, times: times,
            sentAt: sentAt.map { max($0, answeredAt) }, endedAt: endedAt, code: code)
    }
}

/// Which calls of a server are traced, and who is told. Confined to its event loop.
final class CallTracing {
    var sampler: TraceSampler
    let tell: (EndedCall, TraceContext) -> Void

    init(_ sampler: TraceSampler, _ tell: @escaping (EndedCall, TraceContext) -> Void) {
        self.sampler = sampler
        self.tell = tell
    }
}
