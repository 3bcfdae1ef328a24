internal import NIOCore

/// One HTTP/2 stream as the session sees it: a server's call or a client's.
///
/// Confined to its connection's event loop, hence `@unchecked Sendable`. The connection owns it
/// while the stream is open.
///
/// What every call touches is `@exclusivity(unchecked)` here and in the subclasses: the check
/// costs a twentieth of a call. No handler is called from within an access, so none can overlap.
package class HTTP2Stream: @unchecked Sendable {
    /// What follows when the output queue is empty.
    enum Ending {
        /// More may be appended.
        case open
        /// The stream's last DATA frame.
        case endOfStream
        /// Trailers, which `submitTrailers` hands over.
        case trailers
    }

    final let connection: HTTP2Connection
    final let streamID: Int32
    /// Where the connection keeps it; -1 when it is closed.
    @exclusivity(unchecked) final var slot = -1
    @exclusivity(unchecked) final var output = OutputQueue()
    @exclusivity(unchecked) final var ending = Ending.open
    /// The session asked for output and there was none: it must be told when there is.
    @exclusivity(unchecked) final var isDeferred = false
    @exclusivity(unchecked) final var isRemoteClosed = false
    /// The session has taken body bytes: what precedes them is on its way.
    @exclusivity(unchecked) final var hasWrittenBody = false

    init(connection: HTTP2Connection, streamID: Int32) {
        self.connection = connection
        self.streamID = streamID
    }

    /// How much was taken when the connection last looked, to see whether a reader reads at all.
    final var takenAtLastTick = 0
    final var stalledSince: NIODeadline?

    final var isAttached: Bool { slot >= 0 }

    /// Nil: a pulled message's pieces do not sum to the size that was announced.
    @inline(__always)
    final func copyOutput(into target: UnsafeMutableRawBufferPointer) -> Int? {
        var copied = 0
        while true {
            copied += output.copy(into: UnsafeMutableRawBufferPointer(rebasing: target[copied...]))
            guard copied < target.count, let pull = output.starvingPull else { return copied }
            if !pull.fetch() { return nil }
        }
    }

    /// Since when output waits although nobody takes any; nil when it moves.
    final func stalled(now: NIODeadline) -> NIODeadline? {
        if output.isEmpty {
            stalledSince = nil
        } else if stalledSince == nil || output.takenBytes != takenAtLastTick {
            takenAtLastTick = output.takenBytes
            stalledSince = now
        }
        return stalledSince
    }

    // What the session tells. The defaults do nothing.

    /// One field of the header block that is being received. The buffers live during the call only.
    func headerReceived(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {}
    func headersReceived(endOfStream: Bool) {}
    func dataReceived(_ bytes: UnsafeRawBufferPointer) {}
    func remoteClosed() {}
    /// The last call that a stream gets. `errorCode` is HTTP/2's; 0 when nothing went wrong.
    func streamClosed(errorCode: UInt32) {}
    func submitTrailers() {}
    /// Output was taken, `before` bytes were buffered until then.
    func outputTaken(bufferedBefore before: Int) {}
    /// Asked for with `notifyDrained`.
    func outputDrained() {}
}
