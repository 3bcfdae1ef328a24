internal import NIOCore

/// Gives large answers their share of an event loop: all that is free, and an eighth while others
/// have something to say.
///
/// A connection that has written much in one turn waits here for its next turn. All connections of
/// one loop wait in the same line, so that ten large answers take no more of the loop than one.
/// Who writes little never waits.
struct BulkPacer {
    private var othersUntil = NIODeadline.uptimeNanoseconds(0)
    private var lineEnd = NIODeadline.uptimeNanoseconds(0)

    /// What is written in one turn is much from here on, in bytes.
    static let bulkBytesMin = 32 * 1024
    /// For so long after a small answer the loop counts as shared.
    static let othersTime = TimeAmount.milliseconds(50)
    /// An event loop runs tasks that are due before it looks at its sockets, so a task without a
    /// delay would shut the other connections out.
    static let pauseMin = TimeAmount.microseconds(20)
    static let pauseMax = TimeAmount.milliseconds(5)
    /// Pause for each unit of work while others are there.
    static let pauseFactor: Int64 = 7

    /// Somebody else has work on this loop.
    mutating func isShared(now: NIODeadline) { othersUntil = now + Self.othersTime }

    /// When a connection that has just written so many bytes, beginning at `start`, may write
    /// again.
    mutating func wrote(_ byteCount: Int, since start: NIODeadline) -> NIODeadline {
        if byteCount < Self.bulkBytesMin {
            isShared(now: start)
            return start
        }
        let now = NIODeadline.now()
        guard now < othersUntil else { return now + Self.pauseMin }
        let pause = TimeAmount.nanoseconds(Self.pauseFactor * (now - start).nanoseconds)
        lineEnd = max(now, lineEnd) + min(Self.pauseMax, max(Self.pauseMin, pause))
        return lineEnd
    }
}
