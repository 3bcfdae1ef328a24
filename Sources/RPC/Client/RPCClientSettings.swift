package import NIOCore

/// A client's bounds.
package struct RPCClientSettings: Sendable {
    /// The largest response message in bytes.
    package var responseBytesMax = Int(Int32.max)
    /// Calls that run or wait for the server's limit of streams; one more is refused.
    package var callsMax = 100_000
    package var streamWindowBytes = 4 * 1024 * 1024
    package var connectionWindowBytes = 64 * 1024 * 1024
    package var connectTimeout: TimeAmount = .seconds(5)
    /// Silence after which a PING is sent, and how long its answer may take. Nil: none is sent.
    package var keepaliveInterval: TimeAmount?
    package var keepaliveTimeout: TimeAmount = .seconds(10)
    package var turnBytesMax = 256 * 1024

    package init() {}
}
