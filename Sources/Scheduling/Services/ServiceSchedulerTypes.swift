package import Primitives
package import StateMachine

/// What happens to the scheduler of services. Times are in milliseconds.
package enum ServiceSchedulerInput: Sendable {
    /// - Parameters:
    ///   - now: of the node's monotonic clock.
    ///   - clusterTime: the leader's (``Store/clusterTime``, gone on from).
    ///   - level: the cluster's: what may be written.
    case tick(now: UInt64, clusterTime: UInt64, level: FeatureLevel = .newest)
    /// An entry was applied on this node.
    case applied([DatacenterChange])
    /// What came of a decision. Its changes were told before.
    case decided(DecisionID, DecisionOutcome)
    /// The master said something to the framework.
    case event(SchedulerEvent)
    /// The stream of events has ended.
    case disconnected
}

/// What the scheduler wants done, in this order.
package enum ServiceSchedulerEffect: Equatable, Sendable {
    /// To be proposed in the leader's own term, fenced, and never handed on.
    case propose(DecisionID, DatacenterCommand)
    /// To the master, like any other framework: what comes back are events.
    case subscribe(Subscription)
    case call(SchedulerCall)
}

package struct ServiceSchedulerSettings: Equatable, Sendable {
    /// For how long offers that nobody wants are not made again.
    package var refuseMilliseconds: UInt64 = 5_000
    /// A launch that nothing was heard of may be tried again, once it is certain that nothing will
    /// come of it.
    package var launchMilliseconds: UInt64 = 30_000
    /// Between a stream that ended and the next one.
    package var subscribeMilliseconds: UInt64 = 1_000
    /// A decision or a launch that was refused is made again after it.
    package var retryMilliseconds: UInt64 = 500
    /// While a deadline is on record, the cluster's time is written down so often.
    package var timeRecordMilliseconds: UInt64 = 5_000
    /// Decisions on their way.
    package var decisionsMax = 1_000
    /// What one accepting call launches.
    package var launchesMax = 200
    /// What those are told of their tasks, in bytes, but for the last one: a launch is one entry of
    /// the log, which has a limit.
    package var launchBytesMax = 1 << 20

    package init() {}
}

/// Why instances of a service do not start.
package struct ServiceExplanation: Equatable, Sendable {
    package struct Reason: Equatable, Sendable {
        package var refusal: OfferRefusal
        package var count: UInt64
    }

    /// For an offer.
    package var waiting = 0
    /// The cluster's time until which none is launched, after failures; zero: at once.
    package var delayedUntil: UInt64 = 0
    /// Offers since the first of them waits.
    package var offersSeen: UInt64 = 0
    package var offersUnused: UInt64 = 0
    /// In the order of ``OfferRefusal``, those that came.
    package var reasons: [Reason] = []

    package init() {}
}
