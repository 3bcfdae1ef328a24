internal import NIOCore
internal import Scheduling
internal import StateMachine

/// What an answer is made of: the records as of one revision, as values, off the event loop.
struct DatacenterSnapshot: Sendable {
    var table: DatacenterTable
    var revision: Int64
    var isLeading: Bool
    /// Outstanding ones; empty where this node is not the master.
    var offers: [MasterOffer]
    /// mesos.v1.TaskInfo, encoded, of the tasks that were asked for.
    var launches: [TaskKey: [UInt8]] = [:]

    /// Tasks whose launches are looked up at once: the event loop has other work.
    private static let launchesAtOnce = 500

    init(_ facade: any DatacenterFacade) {
        table = facade.table
        revision = facade.revision
        isLeading = if case .leading = facade.leadership { true } else { false }
        offers = facade.offers()
    }

    /// - Parameter withLaunches: what each task was launched with, too. One that is forgotten
    ///   meanwhile has none.
    static func take(
        _ access: DeskAccess, withLaunches: Bool = false
    ) async throws -> DatacenterSnapshot {
        var snapshot = try await access.run { DatacenterSnapshot($0.facade) }
        guard withLaunches else { return snapshot }
        var rest = Array(snapshot.table.tasks.keys)[...]
        while !rest.isEmpty {
            let keys = Array(rest.prefix(launchesAtOnce))
            rest = rest.dropFirst(keys.count)
            let found = try await access.run { desk in
                keys.map { desk.facade.launchInfo(of: $0) }
            }
            for (key, info) in zip(keys, found) { snapshot.launches[key] = info }
        }
        return snapshot
    }
}
