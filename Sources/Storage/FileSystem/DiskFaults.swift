/// What a power loss does to what was not synced. Everything synced survives all of them.
package enum CrashKind: CaseIterable, Equatable, Sendable {
    /// Nothing unsynced reached the disk.
    case drop
    /// Everything unsynced happened to reach the disk.
    case keep
    /// A prefix of the unsynced changes of each file and directory, the last write cut at a sector.
    case torn
    /// Any of the unsynced changes, writes by sector, in any combination.
    case reorder
}

/// How often an operation goes wrong, in parts of 65,536, drawn from the disk's seed.
package struct FaultRates: Equatable, Sendable {
    /// A read fails with EIO; the next may succeed.
    package var readError = 0
    /// A write fails with EIO; a prefix by sectors may have been written.
    package var writeError = 0
    /// A sync fails. What it should have made durable is lost at the next crash, and readable till
    /// then.
    package var syncError = 0
    /// A write lands a sector further on or back in the same file.
    package var misdirectedWrite = 0
    /// A write is acknowledged, even by a sync, and lost at the next crash.
    package var lostWrite = 0
    /// A bit of what a write brings is flipped on its way.
    package var bitFlip = 0
    /// An operation takes long; it is counted, nobody waits.
    package var stall = 0

    package init() {}
}

/// A fault for one coming operation on one file.
package enum PlannedFault: Equatable, Sendable {
    case readError
    case writeError
    case syncError
    case misdirectedWrite(by: Int)
    case lostWrite
    case noSpace
    case directorySyncError
}
