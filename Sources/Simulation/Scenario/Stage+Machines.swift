import Primitives
import Replication
import StateMachine
package import Storage

/// What a scenario does to processes, clocks and disks.
extension Stage {
    /// SIGKILL; it stays down until ``start(_:)``.
    package func kill(_ node: Int) {
        guard isRunning(node) else { return }
        world.end(world.machines[node], losingPower: false)
    }

    package func losePower(_ node: Int, _ kind: CrashKind) {
        world.end(world.machines[node], losingPower: true, kind)
    }

    /// Starts the node now, where it is down. It may end by itself; then it is started again after
    /// a while, as by a supervisor.
    package func start(_ node: Int) {
        world.restartLater(world.machines[node], after: 1)
    }

    package func pause(_ node: Int) { world.machines[node].isPaused = true }
    package func resume(_ node: Int) { world.resume(world.machines[node]) }

    package func transferLeadership() {
        guard let leader else { return }
        world.machines[leader].process?.step(.transferLeadership(to: nil))
    }

    /// The process on this machine ends at its `count`th disk operation from now, and is started
    /// again; with the power, unsynced writes go too.
    package func doom(_ node: Int, afterOperations count: Int, losingPower: Bool) {
        let machine = world.machines[node]
        machine.isDoomed = true
        machine.losesPower = losingPower
        machine.disk.failPower(afterOperations: count)
    }

    package func isDoomed(_ node: Int) -> Bool { world.machines[node].isDoomed }

    // MARK: Clocks

    /// Local microseconds for a million of real ones; 0 stops the clock.
    package func setClockRate(_ node: Int, _ rate: Int) {
        world.machines[node].setClockRate(rate, at: world.now)
    }

    package func leapClock(_ node: Int, by micros: Micros) {
        world.machines[node].leapClock(by: micros, at: world.now)
    }

    package func jumpWallClock(_ node: Int, byMillis millis: Int) {
        world.machines[node].wallOffsetMillis += millis
    }

    // MARK: Disks

    /// From now on the disk answers nothing for so long; heartbeats flow.
    package func stallDisk(_ node: Int, for duration: Micros) {
        world.machines[node].stalledUntil = world.now + duration
    }

    package func setCapacity(_ node: Int, bytes: Int) {
        world.machines[node].hasDiskFaults = true
        world.machines[node].disk.setCapacity(bytes)
    }

    package func setFaultRates(_ node: Int, _ rates: FaultRates) {
        let machine = world.machines[node]
        machine.hasDiskFaults = true
        if rates.readError > 0 { machine.hasReadFaults = true }
        machine.disk.setRates(rates)
    }

    package func plan(_ node: Int, _ fault: PlannedFault, path: String) {
        world.machines[node].hasDiskFaults = true
        world.machines[node].disk.plan(fault, path: path)
    }

    /// Its disk may be damaged from now on: it may refuse to vote, or to start.
    package func expectRot(_ node: Int) { world.machines[node].isRotten = true }

    /// Files of one of the node's folders, such as `log` or `checkpoint`, oldest first.
    package func files(_ node: Int, _ folder: String) -> [String] {
        let path = "/data/" + folder
        return ((try? world.machines[node].disk.list(path)) ?? []).sorted()
            .map { path + "/" + $0 }
    }

    /// It has mended itself: it has to take part again, as others do.
    package func expectWhole(_ node: Int) { world.machines[node].isRotten = false }

    /// What its disk lost nobody can give back: it must never take part again.
    package func giveUp(_ node: Int) { world.machines[node].isSacrificed = true }

    package func makeUnreadable(_ node: Int, _ path: String) {
        world.machines[node].hasDiskFaults = true
        world.machines[node].disk.makeUnreadable(path, at: 0)
    }

    package func contents(_ node: Int, _ path: String) -> [UInt8] {
        world.machines[node].disk.contents(of: path) ?? []
    }

    package func flipBit(_ node: Int, _ path: String, at offset: Int) {
        expectRot(node)
        world.machines[node].disk.flipBit(path, at: offset, bit: 3)
    }

    /// The disk is replaced by an empty one.
    package func wipe(_ node: Int) {
        let machine = world.machines[node]
        if isRunning(node) { world.end(machine, losingPower: true) }
        machine.disk = MemoryFileSystem(seed: world.settings.seed ^ 0x7769_7065)
        machine.isSacrificed = true
    }

    /// Directories of members that the machine was.
    package func putAway(_ node: Int) -> [String] {
        (try? RetiredDirectory.names(
            beside: SimulatedCluster.directory, fileSystem: world.machines[node].disk)) ?? []
    }

    /// What the disk holds now, to be put back later.
    package func image(_ node: Int) -> MemoryDiskImage { world.machines[node].disk.image() }

    package func putBack(_ image: MemoryDiskImage, on node: Int) {
        world.machines[node].disk.restore(image)
        world.machines[node].isSacrificed = true
    }
}

/// What operators and clients do in a scenario.
extension Stage {
    /// Compacts history up to so many revisions behind the newest one.
    package func compact(keeping revisions: Int64) {
        guard let leader, let process = world.machines[leader].process else { return }
        var writer = ProtobufWriter()
        writer.field(1, max(1, process.replica.store.revision.rawValue - revisions))
        process.proposeOwn(.compact, writer.bytes)
    }

    /// Leases that nobody renews, all at once, with ids from 1,000,000 on.
    package func grantLeases(_ count: Int, seconds: Int64) {
        guard let leader, let process = world.machines[leader].process else { return }
        for number in 0..<count {
            var writer = ProtobufWriter()
            writer.field(1, seconds)
            writer.field(2, Int64(1_000_000 + number))
            process.proposeOwn(.leaseGrant, writer.bytes)
        }
    }

    /// Every watch goes on at another node.
    package func moveWatches() {
        for watcher in world.watchers { watcher.hop() }
    }
}
