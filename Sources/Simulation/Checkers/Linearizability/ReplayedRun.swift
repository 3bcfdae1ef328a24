internal import Primitives

/// A history carried out in the order that explains it: what each revision held and who made it.
/// Leases' checkers and watches' checkers stand on it where nobody read the changes from a store.
package struct ReplayedRun: Sendable {
    package private(set) var writes = WriteHistory([])
    /// What made each revision.
    package private(set) var makers: [Int64: LinearizationStep] = [:]
    /// The steps in order, with the revision that the store had after each.
    package private(set) var steps: [(step: LinearizationStep, revision: Int64)] = []

    /// `order` must be a verdict's of the same history.
    package init(_ history: RecordedHistory, order: [LinearizationStep]) {
        let items = history.operations.compactMap { SearchItem($0) }
        var itemOfID: [Int: SearchItem] = [:]
        for item in items { itemOfID[item.operation] = item }
        var model = ModelStore(keys: LinearizabilityChecker.keys(of: items))
        var revisions: [RecordedRevision] = []
        for step in order {
            let before = model.revision
            switch step {
            case .operation(let id):
                guard let item = itemOfID[id] else { continue }
                _ = model.apply(item.request, at: item.start)
            case .expiry(let lease): model.endLease(lease)
            }
            if model.revision > before {
                revisions.append(RecordedRevision(model.revision, model.changedEvents))
                makers[model.revision] = step
            }
            steps.append((step, model.revision))
        }
        writes = WriteHistory(revisions)
    }
}
