package import Primitives

/// The datacenter's records as they were at one revision, to be decoded on another thread. It holds
/// a snapshot of the tree, so keep none longer than needed.
package struct DatacenterPast: Sendable {
    private let tree: PersistentTree
    package let revision: Revision

    fileprivate init(tree: PersistentTree, revision: Revision) {
        self.tree = tree
        self.revision = revision
    }

    /// Cost: O(n log n).
    /// - Throws: ``StoreLoadError/malformedKey(table:)`` for a record that is none.
    package func table() throws(StoreLoadError) -> DatacenterTable {
        try DatacenterTable { prefix, body in
            let range = KeyRange(key: prefix.storage, rangeEnd: KeyQueue.end(of: prefix.storage))
            range.withBounds { start, end in
                tree.forEach(from: start, to: end) { newest, history in
                    let record = KeySpace.visible(newest, history, at: revision.rawValue)
                    record?.withValue(body)
                    return true
                }
            }
        }
    }

    /// mesos.v1.TaskInfo as its scheduler encoded it; nil where the task was not there.
    package func launchInfo(of key: TaskKey) -> [UInt8]? {
        RecordKeys.launch(key).withUnsafeBytes { bytes in
            tree.versions(bytes).flatMap {
                KeySpace.visible($0.newest, $0.history, at: revision.rawValue)?.value
            }
        }
    }
}

extension Store {
    /// O(1).
    /// - Parameter revision: zero for the newest.
    /// - Throws: ``StoreError/compacted``, or ``StoreError/futureRevision``.
    package func datacenterPast(at revision: Int64) throws(StoreError) -> DatacenterPast {
        if revision > mainRevision { throw .futureRevision }
        if revision > 0, revision < datacenter.floor { throw .compacted }
        return DatacenterPast(
            tree: datacenter.tree, revision: revision > 0 ? Revision(revision) : self.revision)
    }
}
