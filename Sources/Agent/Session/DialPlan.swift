package import KeelsonClient
internal import Primitives

/// Which endpoint an agent dials next, and after how long, as a value.
///
/// Every endpoint is tried once before there is a pause, which doubles from round to round; where
/// one knows the leader, the leader comes next. Pauses are drawn, so that the agents of a cluster
/// that lost its leader do not come back all at once.
package struct DialPlan: Sendable {
    package struct Settings: Equatable, Sendable {
        /// Milliseconds: the first pause, of which the second half is drawn, and the longest.
        package var pauseMin: UInt64 = 100
        package var pauseMax: UInt64 = 5_000
        /// An agent that lost its session waits for at most so many milliseconds.
        package var spreadMax: UInt64 = 500
        package init() {}
    }

    /// Redirections in one round, and endpoints that one of them may name.
    static let redirectsMax = 4
    static let targetsMax = 16

    private let endpoints: [Endpoint]
    private let settings: Settings
    private var random: SplitMix64
    private var place: Int
    private var triedInRound = 0
    private var targets: [Endpoint] = []
    private var redirectsLeft = Self.redirectsMax
    private var pause: UInt64
    private var wait: UInt64 = 0

    /// - Parameter endpoints: at least one.
    package init(endpoints: [Endpoint], settings: Settings = Settings(), seed: UInt64) {
        invariant(!endpoints.isEmpty, "an agent needs an endpoint")
        self.endpoints = endpoints
        self.settings = settings
        random = SplitMix64(seed: seed)
        pause = settings.pauseMin
        place = Int(random.next(below: UInt64(endpoints.count)))
    }

    /// The next endpoint, and the milliseconds until it is to be dialled.
    package mutating func next() -> (endpoint: Endpoint, afterMillis: UInt64) {
        defer { wait = 0 }
        if !targets.isEmpty { return (targets.removeFirst(), wait) }
        if triedInRound >= endpoints.count {
            triedInRound = 0
            redirectsLeft = Self.redirectsMax
            wait += pause / 2 + random.next(below: pause / 2 + 1)
            pause = min(pause * 2, settings.pauseMax)
        }
        let endpoint = endpoints[place]
        place = (place + 1) % endpoints.count
        triedInRound += 1
        return (endpoint, wait)
    }

    /// A node that is not the master named whom it takes for it.
    package mutating func redirected(to leaders: [Endpoint]) {
        guard redirectsLeft > 0 else { return }
        redirectsLeft -= 1
        targets = Array(leaders.prefix(Self.targetsMax))
    }

    /// The master itself asked for patience.
    package mutating func refused() {
        targets = []
        triedInRound = endpoints.count
    }

    package mutating func registered() {
        targets = []
        triedInRound = 0
        redirectsLeft = Self.redirectsMax
        pause = settings.pauseMin
    }

    /// A session that stood is lost.
    package mutating func lost() { wait = random.next(below: settings.spreadMax + 1) }
}
