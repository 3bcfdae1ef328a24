package import NIOCore
internal import RPC
internal import StateMachine

/// What clients may have of one server at a time, and how often they may ask for what is costly.
package struct EtcdLimits: Sendable {
    /// Watches of all streams together, and of those that one user opened.
    package var watchesMax = 1_000_000
    package var watchesPerUserMax = 250_000
    /// Leases of the cluster, from which on this server grants none; and those of one user, among
    /// the ones that this server has granted since it started.
    package var leasesMax = 1_000_000
    package var leasesPerUserMax = 250_000
    /// Snapshots and hashes of everything that are made at a time.
    package var wholeReadsMax = 4
    /// Snapshots that may begin at once, and so many a second after that.
    package var snapshotsBurst = 16
    package var snapshotsPerSecond = 1
    /// Backups that nobody reads just now and that can be gone on with, and for how long: those
    /// that ended early, and those of which the last bytes may have been lost on their way.
    package var keptSnapshotsMax = 2
    package var keptSnapshotTime = TimeAmount.minutes(10)
    package var sentSnapshotTime = TimeAmount.seconds(30)

    package init() {}
}

/// Counts what each user has. Who has not said who he is shares no count: only what limits all
/// together limits him.
struct UserTally {
    private var counts: [[UInt8]: Int] = [:]
    private let perUserMax: Int

    init(perUserMax: Int) { self.perUserMax = perUserMax }

    /// False where the user has as much as one may have.
    mutating func take(_ principal: Principal) -> Bool {
        guard case .user(let name, _) = principal else { return true }
        let count = counts[name] ?? 0
        guard count < perUserMax else { return false }
        counts[name] = count + 1
        return true
    }

    mutating func giveBack(_ principal: Principal) {
        guard case .user(let name, _) = principal, let count = counts[name] else { return }
        counts[name] = count > 1 ? count - 1 : nil
    }
}

/// Whose the leases are that this server granted to users.
struct LeaseLedger {
    private var tally: UserTally
    private var owners: [Int64: Principal] = [:]
    private let leasesMax: Int

    init(_ limits: EtcdLimits) {
        tally = UserTally(perUserMax: limits.leasesPerUserMax)
        leasesMax = limits.leasesMax
    }

    /// Keeps room for one more lease until ``granted(_:to:)`` or ``giveBack(_:)``.
    /// - Parameter leaseCount: how many the cluster has.
    mutating func reserve(_ principal: Principal, leaseCount: Int) -> RPCStatus? {
        leaseCount < leasesMax && tally.take(principal) ? nil : .tooManyLeases
    }

    mutating func giveBack(_ principal: Principal) { tally.giveBack(principal) }

    mutating func granted(_ id: Int64, to principal: Principal) {
        guard case .user = principal else { return }
        owners[id] = principal
    }

    mutating func ended(_ id: Int64) {
        guard let owner = owners.removeValue(forKey: id) else { return }
        tally.giveBack(owner)
    }

    /// Forgets those that ended without a word: with a snapshot that took the place of the state.
    mutating func keep(where isAlive: (Int64) -> Bool) {
        for id in Array(owners.keys) where !isAlive(id) { ended(id) }
    }
}

/// Lets few at a time read everything that is stored: each holds the state of its moment, and its
/// reading takes the time of large ranges.
///
/// Confined to the event loop.
final class WholeReads {
    private var runningCount = 0
    private let runningMax: Int
    private var snapshots: TokenBucket

    init(_ limits: EtcdLimits) {
        runningMax = limits.wholeReadsMax
        snapshots = TokenBucket(
            burst: limits.snapshotsBurst, perSecond: limits.snapshotsPerSecond, now: .now())
    }

    /// A place until ``leave()``; false where there is none.
    func enter() -> Bool {
        guard runningCount < runningMax else { return false }
        runningCount += 1
        return true
    }

    /// The same for a snapshot, which may not begin too often either.
    func enterForSnapshot() -> Bool {
        guard runningCount < runningMax, snapshots.take(now: .now()) else { return false }
        return enter()
    }

    func leave() { runningCount -= 1 }
}

extension RPCStatus {
    static let tooManyLeases = RPCStatus(.resourceExhausted, "etcdserver: too many leases")
}
