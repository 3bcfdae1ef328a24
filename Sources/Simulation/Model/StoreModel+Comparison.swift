import Primitives
import StateMachine

/// What the product answered against what it had to answer. Nil where they agree.
extension StoreModel {
    func difference(_ outcome: Outcome, _ expected: StepResult) -> String? {
        switch (outcome, expected) {
        case (.none, .none), (.compact, .compact), (.leaseRevoke, .leaseRevoke),
            (.alarms, .alarms), (.auth, .auth),
            (.none, .members), (.member, .members), (.downgrade, .members), (.failed, .members),
            (.datacenter, .members):
            return nil
        case (.put(let previous), .put(let old)): return difference(previous, old)
        case (.deleteRange(let deleted, let previous), .delete(let count, let old)):
            return difference(deleted, previous, count, old)
        case (.txn(let result), .txn(let model)): return difference(result, model)
        case (.leaseGrant(let id, let seconds), .leaseGrant(let modelID, let modelSeconds)):
            return id == modelID && seconds == modelSeconds
                ? nil : "lease \(id) of \(seconds) s, not \(modelID) of \(modelSeconds) s"
        case (.failed(let error), .failed(let modelError)):
            return error == modelError ? nil : "\(error), not \(modelError)"
        case (_, _): return "\(outcome), not \(expected)"
        }
    }

    private func difference(_ record: Record?, _ version: ModelVersion?) -> String? {
        switch (record, version) {
        case (nil, nil): return nil
        case (let record?, let version?) where version.equals(record): return nil
        case (_, _): return "previous \(describe(record)), not \(describe(version))"
        }
    }

    private func difference(
        _ deleted: Int64, _ previous: [Record], _ count: Int, _ old: [ModelVersion]
    ) -> String? {
        if Int(deleted) != count { return "\(deleted) deleted, not \(count)" }
        if previous.count != old.count { return "\(previous.count) previous, not \(old.count)" }
        for (record, version) in zip(previous, old) {
            if let found = difference(record, version) { return found }
        }
        return nil
    }

    func difference(_ result: TxnResult, _ model: ModelTxnResult) -> String? {
        if result.succeeded != model.succeeded {
            return "succeeded \(result.succeeded), not \(model.succeeded)"
        }
        if result.responses.count != model.responses.count {
            return "\(result.responses.count) responses, not \(model.responses.count)"
        }
        for (response, expected) in zip(result.responses, model.responses) {
            if let found = difference(response, expected) { return found }
        }
        return nil
    }

    private func difference(
        _ response: OperationResult, _ expected: ModelTxnResult.Response
    ) -> String? {
        switch (response, expected) {
        case (.range(_, let result), .range(let model)):
            // Only where it is answered is a range evaluated.
            return result.flatMap { difference($0, model) }
        case (.put(_, let previous), .put(let old)): return difference(previous, old)
        case (.deleteRange(_, let deleted, let previous), .delete(let count, let old)):
            return difference(deleted, previous, count, old)
        case (.txn(let result), .txn(let model)): return difference(result, model)
        case (.empty, .empty): return nil
        case (_, _): return "\(response), not \(expected)"
        }
    }

    func difference(_ result: RangeResult, _ model: ModelRange) -> String? {
        if Int(result.count) != model.count || result.more != model.more {
            return "count \(result.count) more \(result.more), not \(model.count) \(model.more)"
        }
        if result.records.count != model.versions.count {
            return "\(result.records.count) records, not \(model.versions.count)"
        }
        for (record, version) in zip(result.records, model.versions)
        where !version.equals(record, keysOnly: result.form != .full) {
            return "\(describe(record)), not \(describe(version))"
        }
        return nil
    }

    private func describe(_ record: Record?) -> String {
        guard let record else { return "nothing" }
        let header = record.header
        return "\(String(decoding: record.key.storage, as: UTF8.self)) mod \(header.modRevision)"
            + " create \(header.createRevision) version \(header.version) lease \(header.lease)"
    }

    private func describe(_ version: ModelVersion?) -> String {
        guard let version else { return "nothing" }
        return "\(String(decoding: version.key, as: UTF8.self)) mod \(version.mod)"
            + " create \(version.create) version \(version.version) lease \(version.lease)"
    }

    // MARK: Whole states

    /// A whole store against the model as of its index.
    func difference(_ store: Store) -> String? {
        guard let step = step(store.appliedIndex) else {
            return "index \(store.appliedIndex) was never committed"
        }
        if store.revision.rawValue != step.revision {
            return "revision \(store.revision), not \(step.revision)"
        }
        if store.compactedRevision.rawValue != step.compacted {
            return "compacted \(store.compactedRevision), not \(step.compacted)"
        }
        if store.clusterTime != step.clusterTime {
            return "cluster's time \(store.clusterTime), not \(step.clusterTime)"
        }
        let everything = RangeRequest(key: [0], rangeEnd: [0])
        guard let result = try? store.range(everything),
            let model = try? range(everything, at: store.appliedIndex)
        else { return "a range over everything fails" }
        if let found = difference(result, model) { return found }
        let live = leases.filter {
            $0.grantedAt <= store.appliedIndex
                && ($0.endedAt.map { $0 > store.appliedIndex } ?? true)
        }.map(\.id).sorted()
        let held = store.leases.all.map(\.id).sorted()
        if live != held { return "leases \(held), not \(live)" }
        return auth(at: store.appliedIndex).difference(store.auth)
    }

    // MARK: Watches

    struct BrokenWatch {
        var property: String
        var what: String
    }

    /// Events that a watch was told of, against the history from where the watch is.
    ///
    /// - Parameter seen: the position in the history behind which it goes on; moved.
    func check(
        _ delivery: WatchDelivery, behind seen: inout Int, from next: Int64, spec: WatchSpec
    ) -> BrokenWatch? {
        var least = next
        for event in delivery.events {
            guard let expected = nextChange(behind: &seen, from: least, spec) else {
                return BrokenWatch(
                    property: "W13 a watch tells of what is committed",
                    what:
                        "told of revision \(event.record.modRevision), which is not in the history"
                )
            }
            guard expected.equals(event.record) else {
                let early = event.record.modRevision > expected.mod
                return BrokenWatch(
                    property: early
                        ? "W3 a watch leaves nothing out" : "W2 a watch repeats nothing",
                    what: "told of \(describe(event.record)), next is \(describe(expected))")
            }
            if let previous = event.previous {
                let old = version(of: expected.key, at: expected.mod - 1)
                if old?.equals(previous) != true {
                    return BrokenWatch(
                        property: "W8 the previous pair is the one before",
                        what: "\(describe(previous)), not \(describe(old))")
                }
            }
            least = expected.mod
        }
        var peek = seen
        if let last = delivery.events.last?.record.modRevision,
            let more = nextChange(behind: &peek, from: least, spec), more.mod == last
        {
            return BrokenWatch(
                property: "W4 a revision comes whole",
                what: "revision \(last) ends before \(describe(more))")
        }
        return nil
    }

    private func nextChange(
        behind seen: inout Int, from least: Int64, _ spec: WatchSpec
    ) -> ModelVersion? {
        while seen < history.count {
            let change = history[seen]
            seen += 1
            guard change.mod >= least, spec.range.contains(Bytes(change.key)) else { continue }
            if change.isDeletion ? spec.withoutDeletes : spec.withoutPuts { continue }
            return change
        }
        return nil
    }
}
