internal import Primitives

/// Strict serializability (K2, K4, K5, K6, K7) of calls on keys, transactions, compactions and
/// leases, against a model of the whole store. The store is empty when the history begins.
///
/// Serializable reads may be old, but not from the future: each has to be the exact state at the
/// revision that it was answered, and that revision has to exist before it ends.
///
/// Sources: Wing and Gong, "Testing and verifying concurrent objects", 1993; Lowe, "Testing for
/// linearizability", 2017.
package enum LinearizabilityChecker {
    /// Cost: about linear where answers carry revisions, exponential at worst where they do not.
    package static func check(
        _ history: RecordedHistory, _ options: LinearizabilityOptions = LinearizabilityOptions()
    ) -> LinearizabilityVerdict {
        let verdict = checkOnce(history, options, explainsEveryRevision: true)
        guard case .violation(var violation) = verdict, options.findsEarliestFailure else {
            return verdict
        }
        violation.earliestFailure = earliestFailure(history, options)
        return .violation(violation)
    }

    private static func checkOnce(
        _ history: RecordedHistory, _ options: LinearizabilityOptions,
        explainsEveryRevision: Bool
    ) -> LinearizabilityVerdict {
        let items = history.operations.compactMap { SearchItem($0) }
        if hasRevisions(items) {
            var search = GuidedSearch(
                history, items, ModelStore(keys: keys(of: items)), options,
                explainsEveryRevision: explainsEveryRevision)
            return search.run()
        }
        guard let parts = partition(items) else {
            var search = GeneralSearch(items, ModelStore(keys: keys(of: items)), options)
            return search.run()
        }
        var order: [LinearizationStep] = []
        for part in parts {
            let model = ModelStore(keys: keys(of: part), hashesHistory: false)
            var search = GeneralSearch(part, model, options)
            switch search.run() {
            case .linearizable(let steps): order += steps
            case .violation(let violation): return .violation(violation)
            case .unknown(let reason): return .unknown(reason)
            }
        }
        return .linearizable(order)
    }

    private static func hasRevisions(_ items: [SearchItem]) -> Bool {
        items.allSatisfy { item in
            switch item.role {
            case .write, .pure, .silent, .revoke: item.revision > 0
            case .float, .optional: true
            }
        }
    }

    static func keys(of items: [SearchItem]) -> Set<Bytes> {
        var keys: Set<Bytes> = []
        for item in items { item.request.forEachPut { keys.insert($0.key) } }
        return keys
    }

    /// The items of each key, where every one concerns one key and nothing else: such a history is
    /// in order if each key's is (Herlihy and Wing's locality). Nil where they do not fall apart.
    private static func partition(_ items: [SearchItem]) -> [[SearchItem]]? {
        var placeOfKey: [Bytes: Int] = [:]
        var parts: [[SearchItem]] = []
        for item in items {
            let key: Bytes
            switch item.request {
            case .put(let put):
                guard put.lease == 0 else { return nil }
                key = put.key
            case .range(let range):
                guard range.interval.isSingleKey, range.revision == 0 else { return nil }
                key = range.interval.key
            case .deleteRange(let delete):
                guard delete.interval.isSingleKey else { return nil }
                key = delete.interval.key
            case .txn, .compact, .leaseGrant, .leaseRevoke, .leaseKeepAlive, .leaseTimeToLive:
                return nil
            }
            let place = placeOfKey[key] ?? parts.count
            if place == parts.count {
                placeOfKey[key] = place
                parts.append([])
            }
            parts[place].append(item)
        }
        return parts
    }

    // MARK: - The shortest failing prefix

    /// Halves the interval of times: a history that no order explains stays so however it goes on.
    private static func earliestFailure(
        _ history: RecordedHistory, _ options: LinearizabilityOptions
    ) -> Int64? {
        let ends = history.operations.compactMap { $0.end }.sorted()
        func fails(_ place: Int) -> Bool {
            let cut = prefix(of: history, until: ends[place])
            if case .violation = checkOnce(cut, options, explainsEveryRevision: false) {
                return true
            }
            return false
        }
        var low = 0
        var high = ends.count - 1
        guard high >= 0, fails(high) else { return nil }
        while low < high {
            let middle = (low + high) / 2
            if fails(middle) { high = middle } else { low = middle + 1 }
        }
        return ends[low]
    }

    /// What was known at that time: calls that ran on are not answered yet.
    package static func prefix(
        of history: RecordedHistory, until time: Int64
    ) -> RecordedHistory {
        var cut = history
        cut.operations = history.operations.filter { $0.start <= time }.map { operation in
            guard operation.end ?? .max > time else { return operation }
            var open = operation
            open.end = nil
            // Refused later means no effect now either.
            if case .failed = open.outcome { return open }
            open.outcome = .unknown(nil)
            return open
        }
        return cut
    }
}
