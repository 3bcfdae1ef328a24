package import Primitives

/// What one who observes an election is told: the leader as it is, whatever it proclaims, and
/// whoever follows it, each once and in order.
///
/// Who is not told for a while, because there is no room for more, misses what was meanwhile and
/// gets what holds then: ``look(in:)``.
package struct LeaderFeed: Sendable {
    /// The leader's key and value, at a revision at which it led with them.
    package struct Telling: Sendable {
        package var record: Record
        package var revision: Revision
    }

    package let prefix: [UInt8]
    private var current: Record?
    /// What was applied up to this revision is in ``current`` already.
    private var lookedThrough: Int64 = 0

    /// - Parameter prefix: of the keys that campaign.
    package init(prefix: [UInt8]) { self.prefix = prefix }

    /// Who leads now, where that is news.
    package mutating func look(in store: Store) -> Telling? {
        lookedThrough = store.revision.rawValue
        return news(try? store.firstKey(under: prefix), at: store.revision)
    }

    /// What was applied, in order: each value that the leader had is told.
    package mutating func applied(_ events: [Record], in store: Store) -> [Telling] {
        var tellings: [Telling] = []
        #if KEELSON_MUTANTS
            if planted(.missesLeadersOfOneTurn), let telling = look(in: store) { return [telling] }
        #endif
        for event in events where event.modRevision > lookedThrough {
            guard event.key.storage.starts(with: prefix) else { continue }
            if let current, event.key == current.key, !event.isTombstone {
                self.current = event
                tellings.append(Telling(record: event, revision: event.revision))
            } else if current == nil || event.key == current?.key {
                // The leader went, or came: who leads at this revision?
                if let telling = look(at: event.modRevision, in: store) { tellings.append(telling) }
            }
        }
        return tellings
    }

    /// What was told last did not get through: whoever leads is news again.
    package mutating func forget() { current = nil }

    private mutating func look(at revision: Int64, in store: Store) -> Telling? {
        do throws(StoreError) {
            let first = try store.firstKey(under: prefix, at: revision)
            return news(first, at: Revision(revision))
        } catch {
            // Compacted by what was applied with it: then what counts is who leads now.
            return look(in: store)
        }
    }

    private mutating func news(_ first: Record?, at revision: Revision) -> Telling? {
        let known = current
        current = first
        guard let first else { return nil }
        if let known, known.key == first.key, known.modRevision == first.modRevision { return nil }
        return Telling(record: first, revision: revision)
    }
}
