package import NIOCore

/// Every bound of a server. What a peer can make the server hold or do is bounded by one of these.
package struct RPCLimits: Sendable {
    /// Connections that are open at a time; one more is closed as soon as it is accepted.
    package var connectionsMax = 20_000
    /// Connections of one address that are in their TLS handshake or have not shown yet which
    /// protocol they speak; one more is closed as soon as it is accepted.
    package var openingsPerSourceMax = 1_000
    /// Open streams of one connection (SETTINGS_MAX_CONCURRENT_STREAMS).
    package var concurrentStreamsMax = 4096
    /// Decoded size of one request's headers in bytes, with 32 for each field (RFC 9113 §6.5.2).
    package var headerListBytesMax = 64 * 1024
    /// The largest request message in bytes, after decompression.
    package var messageBytesMax = 1536 * 1024 + 512 * 1024
    /// Bytes of unfinished or unread requests that one server holds for all connections together.
    package var heldBytesMax = 256 * 1024 * 1024
    /// What a client may send on one stream before the handler has taken it, in bytes.
    package var streamWindowBytes = 1024 * 1024
    /// What a client may send on one connection ahead of the server, in bytes.
    package var connectionWindowBytes = 16 * 1024 * 1024
    /// A call is writable again when less than this many bytes are buffered.
    package var outputLowWaterBytes = 256 * 1024
    /// A call is not writable while this many bytes are buffered.
    package var outputHighWaterBytes = 1024 * 1024
    /// What one connection writes in one turn of the event loop before the others have theirs.
    package var turnBytesMax = 64 * 1024

    /// From accepting a connection to its first complete request or HTTP/2 preface with SETTINGS,
    /// and from a header block's start to its end.
    package var handshakeTime: TimeAmount = .seconds(10)
    /// From the head of a unary call to its last byte, and from the first byte of a stream's
    /// message to its last.
    package var requestTime: TimeAmount = .seconds(30)
    /// A connection without a call is closed after this time; nil keeps it.
    package var idleTime: TimeAmount?
    /// How long buffered output may make no progress at all before the connection is cut.
    package var stalledOutputTime: TimeAmount = .seconds(120)
    /// Silence after which the server sends a PING, and the time in which it must be answered.
    package var keepaliveInterval: TimeAmount = .hours(2)
    package var keepaliveTimeout: TimeAmount = .seconds(20)
    /// Clients that send PINGs more often than this collect strikes; answers of ours forgive them.
    package var pingIntervalMin: TimeAmount = .seconds(5)
    package var pingStrikesMax = 2

    /// Streams that a client may reset: a burst, and so many a second after that.
    package var resetBurstMax: UInt64 = 10_000
    package var resetsPerSecondMax: UInt64 = 1_000
    /// Frames that cost work and move nothing (SETTINGS, PRIORITY, PING answers, empty DATA, frames
    /// of unknown types) and stream errors that the client provoked.
    package var idleFramesBurstMax = 1_000
    package var idleFramesPerSecondMax = 100
    package var streamErrorsBurstMax = 200
    package var streamErrorsPerSecondMax = 20

    /// The largest body of an HTTP/1.1 request, in bytes.
    package var http1BodyBytesMax = 4 * 1024 * 1024

    package init() {}
}
