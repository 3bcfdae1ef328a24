internal import NIOCore

/// The client's limits, in one place.
enum ClientLimits {
    /// How long one attempt to connect may take before the next endpoint is tried.
    static let connectTimeout = TimeAmount.seconds(2)
    /// Silence after which a connection is asked whether it is alive, and how long the answer may
    /// take. Servers close connections that ask more often than every 5 s.
    static let keepaliveInterval = TimeAmount.seconds(10)
    static let keepaliveTimeout = TimeAmount.seconds(5)
    /// The longest that a lease lives, by etcd's rule; a server that says more is not believed.
    static let leaseSecondsMax: Int64 = 9_000_000_000
    /// The pause after all endpoints failed; it doubles up to `pauseMax` while they keep failing.
    static let pauseMin = TimeAmount.milliseconds(20)
    static let pauseMax = TimeAmount.milliseconds(500)
    /// A watch whose reader leaves so many events, or bytes of them, unread is not read from until
    /// half of them are gone: the server waits.
    static let unreadEventsMax = 100_000
    static let unreadBytesMax = 32 << 20
}
