import Primitives
import Storage

/// A computer: a disk that outlives processes, a clock, and the process that runs, if one does.
final class SimulatedMachine {
    let index: Int
    /// The member that it is; none while it is not one.
    var id: NodeID
    /// Who voted when it became a member: its log begins with them.
    var initialVoters: [NodeID] = []
    /// How often it has been offered to the cluster: part of its address.
    var offers = 0
    var disk: MemoryFileSystem
    var process: SimulatedProcess?
    /// Grows with each start and each end of a process. Events are meant for one life.
    var life: UInt32 = 1
    /// Off: nobody answers. On without a process: connections are refused.
    var isPowered = true
    var isPaused = false
    /// What happened to a process while it was paused, in order.
    var deferred: [EventQueue.Event] = []
    /// The disk stops after so many operations, or the process with it.
    var isDoomed = false
    /// Where a power loss comes from such a count, rather than the process's end.
    var losesPower = false
    /// Ends of the process in the next starts, one each: a crash loop.
    var shortLives = 0
    var isRestarting = false
    /// What the build knows that is installed on it.
    var known = FeatureLevel.newest
    /// Its build is older than the cluster's level: it is right not to run, and nobody starts it.
    var isOutdated = false

    // The clock.
    /// Local microseconds for a million of real ones.
    var clockRate = 1_000_000
    var localAtRateChange: Micros = 0
    var realAtRateChange: Micros = 0
    var wallOffsetMillis = 0

    // What the disk went through.
    /// Errors that this disk is made to return: a process that stops because of one is right to.
    var hasDiskFaults = false
    /// Reads fail now and then: what cannot be read when a process starts counts as damaged.
    var hasReadFaults = false
    /// What it once acknowledged, as the member that it is now, it may not have: under this id it
    /// must never vote again.
    var isSacrificed: Bool {
        get { sacrificed.contains(id) }
        set {
            if newValue { sacrificed.insert(id) } else { sacrificed.remove(id) }
        }
    }
    private var sacrificed: Set<NodeID> = []
    /// It has come back under another id, and does not vote yet.
    var isReturning = false
    /// It has been a member's disk once: its operator knows that the cluster is not new.
    var hasFounded = false
    /// Its log or checkpoints are damaged: it may refuse to start, or not vote.
    var isRotten = false
    /// Its last start asked for an operator, rightly: nobody waits for it.
    var awaitsOperator = false
    /// What the disk once held, and the boot number of the process that had just ended then.
    var image: (disk: MemoryDiskImage, boot: BootNumber)?
    var syncPenalty: Micros = 0
    var stalledUntil: Micros = 0

    init(index: Int, seed: UInt64, isMember: Bool) {
        self.index = index
        id = isMember ? NodeID(UInt64(index) + 1) : .none
        disk = MemoryFileSystem(seed: seed)
    }

    var isMember: Bool { id != .none }
    /// Where its peers find it.
    var peerURL: String { "n\(index + 1).\(offers)" }

    /// It was a member, and is a fresh machine now.
    func retire(seed: UInt64) {
        id = .none
        initialVoters = []
        offers += 1
        disk = MemoryFileSystem(seed: seed)
        shortLives = 0
        known = .newest
        hasDiskFaults = false
        hasReadFaults = false
        isReturning = false
        isRotten = false
        awaitsOperator = false
        image = nil
        syncPenalty = 0
    }

    /// The member that its process is from now on.
    func become(_ member: NodeID, met voters: [NodeID]) {
        if id != member {
            id = member
            image = nil
        }
        initialVoters = voters
    }

    func localTime(_ now: Micros) -> Micros {
        localAtRateChange + (now - realAtRateChange) * clockRate / 1_000_000
    }

    /// How long this much of local time takes.
    func real(_ local: Micros) -> Micros {
        clockRate == 0 ? local : max(1, local * 1_000_000 / clockRate)
    }

    func setClockRate(_ rate: Int, at now: Micros) {
        localAtRateChange = localTime(now)
        realAtRateChange = now
        clockRate = rate
    }

    func leapClock(by micros: Micros, at now: Micros) {
        localAtRateChange = localTime(now) + micros
        realAtRateChange = now
    }

    func wallMillis(_ now: Micros) -> UInt64 {
        UInt64(max(0, 1_700_000_000_000 + wallOffsetMillis + now / 1000))
    }
}
