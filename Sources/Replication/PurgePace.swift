import Primitives
import StateMachine

/// How fast a node frees what compactions made unreachable: in slices that hold up its loop for a
/// fraction of a millisecond, with other work between them.
///
/// One slice a tick; one more every ``pauseMilliseconds`` while the node has nothing else to do, or
/// while so many records are written that it would fall behind. At 100 ticks a second a million
/// records take 78 s beside other work, and 7 s without.
package struct PurgePace: Sendable {
    /// Records that are looked at in a slice, at one to three microseconds each.
    package static let recordsMax = 128
    package static let pauseMilliseconds = 1

    /// The log's end behind the last slice.
    private var lastIndex = LogIndex.zero
    /// Records behind the last slice, if that left something to free.
    private var recordCount: Int?
    /// Twice what was written since there is something to free, less what was looked at.
    private var debt = 0

    package init() {}

    /// Frees a slice. True when another one is to follow before the next tick's.
    package mutating func slice(of replica: inout Replica) -> Bool {
        let isIdle = replica.pendingRequests == 0 && replica.view.lastIndex == lastIndex
        if let recordCount { debt += 2 * max(0, replica.store.recordCount - recordCount) }
        let isMore = replica.purge(budget: PurgePace.recordsMax)
        debt = isMore ? max(0, debt - PurgePace.recordsMax) : 0
        lastIndex = replica.view.lastIndex
        recordCount = isMore ? replica.store.recordCount : nil
        return isMore && (isIdle || debt > 0)
    }
}
