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

    package init() {}
}

/// A unary call that took long.
package struct SlowCall: Sendable {
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
    func noteIfSlow(sentAt: NIODeadline?, _ code: RPCCode) {
        guard let tell = core.onSlowCall, let route = head.route, route.meter.isUnary,
            let answeredAt = times.answeredAt
        else { return }
        let endedAt = max(sentAt ?? .now(), answeredAt)
        guard endedAt - beganAt >= core.slowCallTime else { return }
        tell(
            SlowCall(
                path: route.pathText, beganAt: beganAt, times: times,
                sentAt: sentAt.map { max($0, answeredAt) },
                endedAt: endedAt, code: code))
    }
}
