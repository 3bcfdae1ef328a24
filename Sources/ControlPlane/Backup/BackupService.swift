internal import RPC

/// keelson.Backup: what `keelson backup` reads.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class BackupService: @unchecked Sendable {
    private unowned let node: any NodeFacade
    private let thread: LargeRanges
    private let wholeReads: WholeReads

    init(node: any NodeFacade, thread: LargeRanges, wholeReads: WholeReads) {
        self.node = node
        self.thread = thread
        self.wholeReads = wholeReads
    }

    func register(in routes: inout RPCRoutes) {
        routes.stream("/keelson.Backup/Snapshot") { call in
            BackupSnapshotCall(
                call: call, node: self.node, thread: self.thread, wholeReads: self.wholeReads)
        }
    }
}
