import Primitives

extension WatchHub {
    /// Takes in what a node has just applied, in log order. Returns what is to be delivered.
    ///
    /// Without watchers, or where the node applied what it did not tell, nothing is collected:
    /// who watches reads it from `log`. The datacenter's records are another space, which no watch
    /// sees that begins outside.
    package mutating func applied(_ batch: [Applied], log: Store) -> [WatchOutput] {
        guard let last = batch.last, last.revision > revision else { return [] }
        guard watcherCount > 0 else {
            jump(to: last.revision)
            return []
        }
        var records: [Record] = []
        for applied in batch { records.append(contentsOf: applied.events) }
        if let first = records.first, first.revision != revision.next {
            jump(to: last.revision)
            return []
        }
        if recordGroupCount == 0 {
            records.removeAll { $0.withKey { SpaceID.of($0) } == .datacenter }
        }
        return publish(records, through: last.revision, log: log)
    }
}
