internal import Primitives

extension Store {
    /// The versions of a key that are kept, newest first, and the deletions between them: at most
    /// `max`, those below the revision `before` where it is above zero. Cost: O(log n) each.
    package func versions(of key: [UInt8], before: Int64 = 0, max: Int) -> [Record] {
        let space = keySpace(.of(key))
        return key.withUnsafeBytes { bytes in
            guard let (newest, history) = space.tree.versions(bytes) else { return [] }
            var next: Record? = newest
            if before > 0, newest.modRevision >= before {
                next = history?.newest(atMost: before - 1)
            }
            var found: [Record] = []
            while let record = next, found.count < max {
                let header = record.header
                // What a compaction has made unreachable may wait to be freed.
                if header.isTombstone, header.modRevision < space.floor { break }
                found.append(record)
                if header.modRevision <= space.floor { break }
                next =
                    header.sub > 0
                    ? history?.newest(atMost: header.modRevision, sub: header.sub - 1)
                    : history?.newest(atMost: header.modRevision - 1)
            }
            return found
        }
    }
}
