/// What goes wrong in a run. Each seed enables some of them.
package enum FaultKind: String, CaseIterable, Sendable {
    // Processes and machines.
    case kill
    case powerLoss
    case powerLossOfAll
    case crashAtOperation
    case crashInRecovery
    case crashLoop
    case pause
    case gracefulStop
    case wipe
    // Clocks.
    case clockDrift
    case wallClockJump
    case clockStop
    case clockLeap
    // The network.
    case cut
    case oneWayCut
    case isolation
    case flapping
    case bridge
    case delay
    case reset
    case loss
    case duplication
    case reordering
    case longHold
    case largeFrameLoss
    case refusedDials
    // Disks.
    case slowDisk
    case diskStall
    case syncError
    case writeError
    case readError
    case diskFull
    case misdirectedWrite
    case bitFlip
    case rot
    // What operators do.
    case transfer
    case clientCompaction
    case quota
    /// A disk is replaced by an image of it that was taken some starts ago.
    case oldImage
    /// Members are added, removed, replaced or promoted.
    case membership
    /// Users, roles and permissions change, and whether they count.
    case users
    /// Owners of locks, and those who wait for them, fall silent, and go on later as if nothing had
    /// happened.
    case locks
    /// At the end every log and checkpoint of every disk is damaged, more than any promise covers:
    /// what is lost then must not be lost in silence.
    case ruin
    /// Servers that have lost their disks come back under other ids by themselves.
    case rejoin
    /// Agents end, are paused, cut off or lose their disks, frameworks go away, masters change.
    case datacenter
    /// Masters end or stand still in the middle of deployments, instances die.
    case services

    /// Whether a run has it is drawn from a generator of its own.
    var isDrawnApart: Bool {
        self == .membership || self == .users || self == .ruin || self == .locks || self == .rejoin
            || self == .datacenter || self == .services
    }
}

/// How often something was done to the cluster, or something rare was seen in it.
package struct Counters: Sendable {
    package private(set) var faults = [Int](repeating: 0, count: FaultKind.allCases.count)
    package private(set) var marks = [Int](repeating: 0, count: CoverageMark.allCases.count)

    static let faultPlaces: [FaultKind: Int] = Dictionary(
        uniqueKeysWithValues: FaultKind.allCases.enumerated().map { ($1, $0) })
    static let markPlaces: [CoverageMark: Int] = Dictionary(
        uniqueKeysWithValues: CoverageMark.allCases.enumerated().map { ($1, $0) })

    package init() {}

    mutating func count(_ fault: FaultKind) { faults[Self.faultPlaces[fault] ?? 0] += 1 }
    mutating func count(_ mark: CoverageMark) { marks[Self.markPlaces[mark] ?? 0] += 1 }

    package func times(_ fault: FaultKind) -> Int { faults[Self.faultPlaces[fault] ?? 0] }
    package func times(_ mark: CoverageMark) -> Int { marks[Self.markPlaces[mark] ?? 0] }

    package var faultCount: Int { faults.reduce(0, +) }

    package mutating func add(_ other: Counters) {
        for index in faults.indices { faults[index] += other.faults[index] }
        for index in marks.indices { marks[index] += other.marks[index] }
    }
}

/// Places in the product that a campaign has to reach.
package enum CoverageMark: String, CaseIterable, Sendable {
    case logsDifferAtFirst
    case electionWon
    case fastElection
    case leadershipTransferred
    case checkpointWritten
    case checkpointLoaded
    case logReleased
    case logTruncated
    case entriesLoaded
    case snapshotSent
    case snapshotFailed
    case snapshotInstalled
    case recoveryFailed
    case tornTailCut
    case rotFound
    case rotHealed
    case diskBehind
    case nodeHalted
    case writeAcknowledged
    case writeRefused
    case writeUnknown
    case readServed
    case serializableRead
    case historicRead
    case readFailed
    case transactionSucceeded
    case transactionFailed
    case historyCompacted
    case leaseGranted
    case leaseRenewed
    case leaseRevoked
    case leaseExpired
    case leaseCheckpointed
    case spaceAlarm
    case spaceAgain
    case watchDelivered
    case watchResumed
    case watchOvertaken
    case watchHeld
    case diskFull
    case connectionRefused
    case connectionBroken
    case forwardRefused
    case memberAdded
    case memberPromoted
    case memberRemoved
    case jointConfiguration
    case memberCameBack
    case usersChanged
    case servedAfterRuin
    case haltedAfterRuin
    case permissionRefused
    case lockAcquired
    case lockPassedOn
    case lockRefused
    case lockGivenUp
    case placeLost
    case fencedWriteDone
    case fencedWriteRefused
    case leaderObserved
    case buildUpgraded
    case levelRaised
    case masterTookOffice
    case recordsCompacted
    case agentRegistered
    case agentUnreachable
    case taskLaunched
    case taskStarted
    case statusCommitted
    case frameworkLeft
    case frameworkEnded
    case serviceChanged
    case serviceRefused
    case serviceUnknown
    case deploymentBegan
    case deploymentAdvanced
    case deploymentDone
    case deploymentCancelled
    /// A master took office while deployments were under way.
    case deploymentTakenOver
    case instanceBegun
    case instanceLaunched
    case instanceStopped
    case instanceForgotten
    case instanceUnwell
    case constraintJudged
    case upgradeJudged
    case servicesConverged
}
