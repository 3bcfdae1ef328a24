import Primitives
import Scheduling

/// What one seed draws before anything happens: sizes, timings, and which faults strike how often.
package struct RunSettings: Sendable {
    package var seed: UInt64
    /// Simulated time of the safety phase.
    package var safetyMicros: Micros
    /// How many lines of the trace are kept.
    package var traceLinesMax = Trace.linesMaxDefault
    package var nodeCount = 3
    /// Machines that can become members later.
    package var spareCount = 0
    var machineCount: Int { nodeCount + spareCount }
    var tickMicros: Micros = 10_000
    package var electionMicros: Micros = 1_000_000
    package var snapshotCount = 200
    package var catchUpEntries = 50
    package var checkpointPauseMin: Micros = 1_000_000
    package var segmentBytes = 64 << 10
    package var batchBytesMax = 64 << 10
    package var chunkBytesMax = 4096
    package var digestInterval: UInt64 = 64
    var windowBytes = 1 << 20
    package var messageBytesMax = 64 << 10
    var inflightMessagesMax = 64
    var uncommittedBytesMax = 1 << 20
    var applyEntriesMax = 4096
    package var leaseCheckpointSeconds = 5
    package var quotaBytes: Int64 = 0

    /// Elections before the run begins, which leave logs behind; 0: all begin empty.
    package var prehistoryRounds = 0

    // The network, each way.
    var delayMicros: Micros = 100
    var delaySpread = 4
    // The disks.
    package var writeMicros: Micros = 50
    package var syncMicros: Micros = 500
    var checkpointMicros: Micros = 20_000
    package var restartMicros: Micros = 500_000

    // What clients do.
    package var clientCount = 4
    package var thinkMicros: Micros = 20_000
    package var keyCount = 8
    package var valueBytesMax = 64
    package var watcherCount = 2
    package var leaseSecondsMax = 12
    /// Users whom clients may be, besides root; 0: clients are nobody, and nothing is asked.
    package var userCount = 0
    /// Clients that take locks and write under them.
    package var lockerCount = 0
    /// Machines that begin with a build of the first feature level.
    package var olderCount = 0
    /// Whether they get the newest build at one of their restarts.
    package var upgradesAtRestart = false
    /// Whether servers that have lost their disks come back under other ids by themselves.
    package var rejoins = false
    /// Seconds after which a learner votes in the stead of a voter that is silent; 0: never.
    package var succeedDeadSeconds = 0
    /// Agents of a datacenter, on machines of their own; 0: there is none.
    package var agentCount = 0
    /// Frameworks that launch tasks on them.
    package var frameworkCount = 0
    /// Frameworks have executors of their own run some of their tasks.
    package var bringsExecutors = false
    /// Names of services that users keep on the datacenter; 0: nobody makes use of services.
    package var serviceCount = 0
    /// After which an agent that is silent is unreachable, in milliseconds.
    var agentTimeoutMilliseconds: UInt64 = 10_000
    var changesMembers: Bool { spareCount > 0 || rejoins }
    /// Whether the members say who they are, as the real ones do: only then are they state.
    var keepsRecords: Bool { changesMembers || olderCount > 0 || agentCount > 0 }

    // What goes wrong.
    package var faults: [(kind: FaultKind, weight: Int)] = []
    package var strikeMicros: Micros = 3_000_000
    /// Every disk acknowledges syncs that it does not make, now and then: more than any promise
    /// covers, to see whether the loss is noticed.
    package var disksLie = false
    var faultMicros: Micros = 2_000_000

    package static let safetyMicrosDefault: Micros = .seconds(180)

    package init(seed: UInt64, safetyMicros: Micros = RunSettings.safetyMicrosDefault) {
        self.seed = seed
        self.safetyMicros = safetyMicros
        var random = SplitMix64(seed: seed ^ 0x7365_7474_696E_6773)
        drawSizes(&random)
        drawTimes(&random)
        drawLoad(&random)
        drawFaults(&random)
        drawMembers()
        drawUsers()
        drawRuin()
        drawPrehistory()
        drawLocks()
        drawLevels()
        drawRejoins()
        drawDatacenter()
        drawServices()
    }

    /// In a part of the runs members come and go; from a generator of its own, so that the other
    /// runs are what they are.
    private mutating func drawMembers() {
        var random = SplitMix64(seed: seed ^ 0x6D65_6D62_6572_7321)
        guard random.chance(1, in: 4), !faults.isEmpty else { return }
        spareCount = random.draw(1...3)
        faults.append((.membership, random.pick([2, 4, 8])))
    }

    /// In a part of the runs clients are users.
    private mutating func drawUsers() {
        var random = SplitMix64(seed: seed ^ 0x7573_6572_7321_7573)
        guard random.chance(1, in: 4), !faults.isEmpty else { return }
        userCount = random.draw(1...3)
        faults.append((.users, random.pick([2, 4, 8])))
    }

    /// In some runs builds of two levels begin together.
    private mutating func drawLevels() {
        var random = SplitMix64(seed: seed ^ 0x6275_696C_6473_2121)
        guard random.chance(1, in: 8), !faults.isEmpty else { return }
        olderCount = random.draw(1...nodeCount)
        upgradesAtRestart = true
    }

    /// In a part of the runs disks are lost, and their servers come back by themselves.
    private mutating func drawRejoins() {
        var random = SplitMix64(seed: seed ^ 0x7265_6A6F_696E_2121)
        guard random.chance(1, in: 4), spareCount == 0, olderCount == 0, !faults.isEmpty,
            !enables(.ruin)
        else { return }
        rejoins = true
        faults.append((.rejoin, 0))
        for kind in [FaultKind.wipe, .oldImage] where !enables(kind) {
            faults.append((kind, random.pick([1, 2, 4])))
        }
    }

    /// In a part of the runs there is a datacenter.
    private mutating func drawDatacenter() {
        var random = SplitMix64(seed: seed ^ 0x6461_7461_6365_6E74)
        guard random.chance(1, in: 5), olderCount == 0, !faults.isEmpty, !enables(.ruin) else {
            return
        }
        agentCount = random.draw(1...4)
        frameworkCount = random.draw(1...3)
        agentTimeoutMilliseconds = UInt64(random.pick([2_000, 5_000, 10_000]))
        faults.append((.datacenter, random.pick([4, 8, 16])))
        bringsExecutors = random.chance(1, in: 2)
    }

    /// In half of the runs with a datacenter users keep services on it.
    private mutating func drawServices() {
        var random = SplitMix64(seed: seed ^ 0x7365_7276_6963_6573)
        guard random.chance(1, in: 2), enables(.datacenter) else { return }
        serviceCount = random.draw(2...5)
        faults.append((.services, random.pick([2, 4, 8])))
    }

    /// In some runs nothing heals at the end.
    private mutating func drawRuin() {
        var random = SplitMix64(seed: seed ^ 0x7275_696E_6564_2121)
        guard random.chance(1, in: 24), spareCount == 0, !faults.isEmpty else { return }
        faults.append((.ruin, 0))
    }

    /// Logs to begin with, in a part of the runs.
    private mutating func drawPrehistory() {
        var random = SplitMix64(seed: seed ^ 0x6C6F_6773_2121_2121)
        guard random.chance(1, in: 3) else { return }
        prehistoryRounds = random.draw(1...12)
    }

    /// In a part of the runs clients take locks.
    private mutating func drawLocks() {
        var random = SplitMix64(seed: seed ^ 0x6C6F_636B_7321_6C6F)
        guard random.chance(1, in: 4), !faults.isEmpty, !enables(.ruin) else { return }
        lockerCount = random.draw(2...5)
        faults.append((.locks, random.pick([2, 4, 8])))
    }

    /// Middling sizes and times, busy clients and no fault but those that a ``Stage`` brings about.
    package static func staged(seed: UInt64, nodes: Int) -> RunSettings {
        var settings = RunSettings(seed: seed)
        settings.faults = []
        settings.nodeCount = nodes
        settings.spareCount = 0
        settings.userCount = 0
        settings.prehistoryRounds = 0
        settings.lockerCount = 0
        settings.olderCount = 0
        settings.rejoins = false
        settings.agentCount = 0
        settings.frameworkCount = 0
        settings.serviceCount = 0
        settings.upgradesAtRestart = false
        settings.tickMicros = 10_000
        settings.electionMicros = 1_000_000
        settings.snapshotCount = 200
        settings.catchUpEntries = 50
        settings.checkpointPauseMin = 1_000_000
        settings.segmentBytes = 64 << 10
        settings.batchBytesMax = 64 << 10
        settings.chunkBytesMax = 4096
        settings.digestInterval = 8
        settings.windowBytes = 1 << 20
        settings.messageBytesMax = 64 << 10
        settings.inflightMessagesMax = 64
        settings.uncommittedBytesMax = 1 << 20
        settings.applyEntriesMax = 4096
        settings.leaseCheckpointSeconds = 5
        settings.quotaBytes = 0
        settings.delayMicros = 100
        settings.delaySpread = 4
        settings.writeMicros = 50
        settings.syncMicros = 500
        settings.checkpointMicros = 20_000
        settings.restartMicros = 500_000
        settings.clientCount = 4
        settings.thinkMicros = 5_000
        settings.keyCount = 12
        settings.valueBytesMax = 64
        settings.watcherCount = 3
        settings.leaseSecondsMax = 12
        return settings
    }

    private mutating func drawSizes(_ random: inout SplitMix64) {
        nodeCount = random.pick([3, 3, 3, 3, 4, 5, 5, 5])
        snapshotCount = random.pick([40, 100, 300, 1000])
        catchUpEntries = random.pick([1, 20, 100, 500])
        checkpointPauseMin = random.pick([200_000, 1_000_000, 3_000_000])
        segmentBytes = random.pick([16 << 10, 32 << 10, 64 << 10, 128 << 10])
        batchBytesMax = random.pick([1024, 8 << 10, 64 << 10])
        chunkBytesMax = random.pick([256, 2048, 32 << 10])
        digestInterval = UInt64(random.pick([1, 8, 64, 256]))
        windowBytes = random.pick([0, 2000, 20_000, 1 << 20])
        messageBytesMax = random.pick([300, 4000, 64 << 10])
        inflightMessagesMax = random.pick([1, 4, 64])
        uncommittedBytesMax = random.pick([20_000, 1 << 20, 1 << 20])
        applyEntriesMax = random.pick([1, 16, 4096])
        leaseCheckpointSeconds = random.pick([2, 5, 60])
    }

    private mutating func drawTimes(_ random: inout SplitMix64) {
        tickMicros = random.pick([10_000, 20_000, 50_000])
        electionMicros = tickMicros * random.pick([20, 30, 50, 100])
        delayMicros = random.pick([50, 200, 1000, 5000])
        delaySpread = random.pick([1, 4, 16])
        writeMicros = random.pick([10, 50, 500])
        syncMicros = random.pick([200, 1000, 5000, 20_000])
        checkpointMicros = random.pick([1000, 20_000, 500_000])
        restartMicros = random.pick([50_000, 500_000, 3_000_000])
    }

    private mutating func drawLoad(_ random: inout SplitMix64) {
        clientCount = random.draw(1...6)
        thinkMicros = random.pick([5000, 20_000, 100_000, 400_000])
        keyCount = random.pick([2, 5, 12, 30])
        valueBytesMax = random.pick([8, 64, 1000])
        watcherCount = random.draw(0...4)
        leaseSecondsMax = random.pick([3, 8, 20, 80])
        if random.chance(1, in: 8) { quotaBytes = Int64(random.pick([6000, 20_000])) }
    }

    /// Each seed enables some kinds only, and some more than others: what never strikes together
    /// with everything else gets its turn.
    private mutating func drawFaults(_ random: inout SplitMix64) {
        strikeMicros = random.pick([500_000, 2_000_000, 5_000_000, 9_000_000])
        faultMicros = random.pick([100_000, 1_000_000, 4_000_000, 15_000_000])
        let part = random.pick([1, 2, 3, 5])
        for kind in FaultKind.allCases where !kind.isDrawnApart {
            if random.chance(part, in: 8) { faults.append((kind, random.pick([1, 2, 4]))) }
        }
        // Once in a while nothing goes wrong: then nothing may be refused either.
        if random.chance(1, in: 40) { faults = [] }
    }

    package func enables(_ kind: FaultKind) -> Bool { faults.contains { $0.kind == kind } }
}

extension RunSettings {
    var serviceSettings: ServiceSchedulerSettings {
        var settings = ServiceSchedulerSettings()
        // No entry takes more than half of a segment.
        settings.launchBytesMax = segmentBytes / 8
        return settings
    }

    var masterSettings: MasterSettings {
        var settings = MasterSettings()
        settings.agentTimeoutMilliseconds = agentTimeoutMilliseconds
        settings.offerTimeoutMilliseconds = 20_000
        return settings
    }
}
