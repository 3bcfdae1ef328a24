import Primitives
import RaftCore
import Replication
import StateMachine

/// The earliest time at which a lease may expire, from what its owner was told.
struct LeaseDeadline {
    /// When this life of the lease was granted.
    var grantedAt: Micros
    var deadline: Micros
}

// L1, L4, R12.
extension ClusterRules {
    /// L1: a lease does not expire before its time has passed since the last acknowledged grant or
    /// renewal began.
    func noteLeases(_ entry: LogEntry, _ index: LogIndex, _ leaseCount: Int) {
        guard entry.kind == .command else { return }
        for lease in model.leases[leaseCount...] {
            leaseDeadlines[lease.id] = LeaseDeadline(grantedAt: world.now, deadline: 0)
        }
        guard
            let (header, offset) = try? entry.payload.withUnsafeBytes({
                try Command.decodeHeader($0)
            })
        else { return }
        if header.kind == .leaseCheckpoint { world.counters.count(CoverageMark.leaseCheckpointed) }
        guard header.kind == .leaseExpire, header.fenceTerm == entry.term,
            let batch = try? Array(entry.payload[offset...]).withUnsafeBytes({
                try LeaseBatch.decode($0)
            })
        else { return }
        for item in batch.items
        where model.leases.last(where: { $0.id == item.id })?.endedAt == index {
            world.counters.count(CoverageMark.leaseExpired)
            guard let known = leaseDeadlines.removeValue(forKey: item.id), checksLeaseTimes,
                world.now < known.deadline
            else { continue }
            violated(
                "L1 a lease lives its time",
                "lease \(item.id) expires at \(world.now), its owner was told until"
                    + " \(known.deadline)")
        }
    }

    /// A clock that leaps has a longer second than its users.
    private var checksLeaseTimes: Bool { !world.settings.enables(.clockLeap) }

    /// A client was told of a grant, or of a renewal, that it asked for at `begin`.
    /// - Parameter grant: the index of the grant, where that is what was acknowledged.
    func leaseAcknowledged(_ id: Int64, seconds: Int64, begin: Micros, grant: LogIndex?) {
        guard var known = leaseDeadlines[id] else { return }
        if let grant {
            guard model.leases.last(where: { $0.id == id })?.grantedAt == grant else { return }
        } else if begin < known.grantedAt {
            return
        }
        // The fastest clock decides, and a tick may be lost at each end.
        let micros = Int(clamping: seconds) * 1_000_000
        let least = micros * 1000 / 1250 - 3 * world.settings.tickMicros
        known.deadline = max(known.deadline, begin + least)
        leaseDeadlines[id] = known
    }

    /// L4: nobody renews a lease that was known to be gone.
    func renewed(_ id: Int64, floor: LogIndex, on process: SimulatedProcess) {
        // Which life of the id was renewed is known of a leader that answers for itself.
        let life =
            process.replica.view.role == .leader
            ? process.replica.store.leases.lease(id)?.grantIndex : nil
        let mayLive = model.leases.contains {
            $0.id == id && ($0.endedAt.map { $0 > floor } ?? true)
                && (life == nil || life == $0.grantedAt)
        }
        if !mayLive {
            violated(
                "L4 no renewal behind a revocation",
                "n\(process.machine.index + 1) renews lease \(id), which ended before \(floor)")
        }
    }

    // MARK: Amnesia

    /// R12: a voter that lost its disk never votes again.
    func admitted(_ machine: SimulatedMachine) {
        if machine.isSacrificed {
            violated(
                "R12 who lost its disk does not vote",
                "n\(machine.index + 1) is admitted with a disk that lost what it acknowledged")
        }
    }

    /// Nobody whose disk is whole is turned away.
    func rejected(_ machine: SimulatedMachine, _ welcome: PeerWelcome) {
        if !machine.isSacrificed, !machine.isRotten {
            violated(
                "P1 peers welcome each other",
                "\(welcome.sender) remembers boot \(welcome.remembered.boot) term"
                    + " \(welcome.remembered.term) index \(welcome.remembered.index) of"
                    + " n\(machine.index + 1), whose disk lost nothing: \(welcome.reason)")
        }
    }
}
