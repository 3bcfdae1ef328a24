internal import Primitives

/// The unanswered calls, by what they might explain.
struct UnansweredIndex {
    /// What a put leaves behind.
    struct Written: Hashable {
        var slot: Int
        /// Nil: the value that was there.
        var value: Bytes?
    }

    /// All that may change a key, by start.
    private(set) var writes: [Int] = []
    private(set) var deletions: [Int] = []
    private(set) var puts: [Written: [Int]] = [:]
    private(set) var putsOfSlot: [Int: [Int]] = [:]
    private(set) var grants: [Int64: [Int]] = [:]
    private(set) var revocations: [Int64: [Int]] = [:]
    /// By revision.
    private(set) var compactions: [Int] = []
    /// Unanswered calls that ask for the same have one number.
    private(set) var twin: [Int: Int] = [:]

    init(_ items: [SearchItem], _ model: ModelStore) {
        var firstOfRequest: [RecordedRequest: Int] = [:]
        let unanswered = items.indices.filter { !items[$0].isRequired }
            .sorted { (items[$0].start, $0) < (items[$1].start, $1) }
        for item in unanswered {
            let request = items[item].request
            twin[item] = firstOfRequest[request] ?? item
            if twin[item] == item { firstOfRequest[request] = item }
            switch request {
            case .put, .deleteRange, .txn:
                writes.append(item)
                if request.hasDeletion { deletions.append(item) }
                var known: Set<Written> = []
                request.forEachPut { put in
                    guard let slot = model.slot(put.key) else { return }
                    let written = Written(slot: slot, value: put.ignoresValue ? nil : put.value)
                    if known.insert(written).inserted { puts[written, default: []].append(item) }
                    if putsOfSlot[slot]?.last != item {
                        putsOfSlot[slot, default: []].append(item)
                    }
                }
            case .leaseGrant(let id, _): grants[id, default: []].append(item)
            case .leaseRevoke(let id): revocations[id, default: []].append(item)
            case .compact: compactions.append(item)
            case .range, .leaseKeepAlive, .leaseTimeToLive: break
            }
        }
        compactions.sort { a, b in
            guard case .compact(let one) = items[a].request,
                case .compact(let other) = items[b].request
            else { return a < b }
            return (one, a) < (other, b)
        }
    }
}

extension GuidedSearch {
    /// Adds everything that may have made the next revision, which no answer names, the likeliest
    /// first.
    mutating func addGapMoves(into moves: inout [SearchState.Move]) {
        let next = state.model.revision + 1
        let known = evidence.events(at: next)
        var found: [(rank: Int64, move: SearchState.Move)] = []
        var grants: [SearchState.Move] = []
        var twins: Set<Int> = []
        for item in candidates(known) {
            guard !state.isPlaced[item], state.items[item].start <= state.horizon,
                evidence.revisionOfItem[item] ?? next == next,
                !twins.contains(index.twin[item] ?? item)
            else { continue }
            twins.insert(index.twin[item] ?? item)
            if let rank = rank({ search in search.state.evaluate(item) }, at: next) {
                found.append((rank, .item(item)))
            } else {
                for lease in state.items[item].leases where state.model.leases[lease] == nil {
                    addGrants(of: lease, into: &grants)
                }
            }
        }
        for lease in endingLeases(known) {
            guard let held = state.model.leases[lease], !held.slots.isEmpty else { continue }
            addEnds(of: lease, held, at: next, into: &found)
        }
        for move in ordered(found) { add(move, into: &moves) }
        // A grant that nobody heard of is needed only if nothing else will do.
        for move in grants { add(move, into: &moves) }
    }

    /// How well the change fits as revision `next`; nil if it does not make it or contradicts what
    /// was seen.
    private mutating func rank(
        _ change: (inout GuidedSearch) -> ModelResult?, at next: Int64
    ) -> Int64? {
        let mark = state.model.mark
        let result = change(&self)
        defer { state.model.undo(to: mark) }
        if case .failure = result { return nil }
        guard state.model.revision == next else { return nil }
        let events = state.model.changedEvents
        guard evidence.allows(events, at: next) else { return nil }
        let fit = evidence.fit(events, at: next, state.model)
        return fit == .impossible ? nil : fit.rank
    }

    private func candidates(_ known: [RecordedEvent]?) -> [Int] {
        guard let known else { return evidence.writes == nil ? index.writes : [] }
        for event in known where event.kind == .put {
            guard let slot = state.model.slot(event.key) else { return [] }
            // Who saw only the key does not know the value.
            if event.pair.value.isEmpty { return index.putsOfSlot[slot] ?? [] }
            return [event.pair.value, nil].flatMap { value in
                index.puts[UnansweredIndex.Written(slot: slot, value: value)] ?? []
            }
        }
        guard let first = known.first else { return index.writes }
        return index.deletions.filter { state.items[$0].request.mayDelete(first.key) }
    }

    private func endingLeases(_ known: [RecordedEvent]?) -> [Int64] {
        guard let known, let first = known.first else {
            return evidence.writes == nil ? state.model.leases.keys.sorted() : []
        }
        guard first.kind == .delete, let slot = state.model.slot(first.key),
            let version = state.model.version(slot), version.lease != 0
        else { return [] }
        return [version.lease]
    }

    private mutating func addEnds(
        of lease: Int64, _ held: ModelStore.Lease, at next: Int64,
        into found: inout [(rank: Int64, move: SearchState.Move)]
    ) {
        guard
            let rank = rank(
                { search in
                    search.state.model.endLease(lease)
                    return nil
                }, at: next)
        else { return }
        let horizon = state.horizon
        let answered = (itemsOfLease[lease] ?? []).first {
            state.items[$0].role == .revoke && state.items[$0].revision == next
                && !state.isPlaced[$0] && state.items[$0].start <= horizon
        }
        if let answered {
            // It was answered with the revision that it made.
            found.append((.min, .item(answered)))
            return
        }
        if mustLive(lease, beyond: next) { return }
        for revoke in index.revocations[lease] ?? []
        where !state.isPlaced[revoke] && state.items[revoke].start <= horizon {
            found.append((rank, .item(revoke)))
            break
        }
        if state.deadline(of: held) <= horizon { found.append((rank, .expiry(lease))) }
    }

    /// Whether something that was answered, and can only come later, found the lease there. Without
    /// this an end that is put too early shows only many revisions on.
    mutating func mustLive(_ lease: Int64, beyond revision: Int64) -> Bool {
        let horizon = state.horizon
        if (index.grants[lease] ?? []).contains(where: { !state.isPlaced[$0] }) { return false }
        let open = (itemsOfLease[lease] ?? []).filter { !state.isPlaced[$0] }
        // It may be granted anew in between.
        if open.contains(where: { isGrant($0) }) { return false }
        return open.contains { item in
            guard state.items[item].revision > revision || state.items[item].start > horizon,
                case .answer(let answer) = state.items[item].expected
            else { return false }
            return switch (state.items[item].request, answer) {
            case (.put, _), (.leaseRevoke, _): true
            case (.leaseKeepAlive, .leaseKeepAlive(let seconds)): seconds > 0
            case (_, _): false
            }
        }
    }

    private func isGrant(_ item: Int) -> Bool {
        if case .leaseGrant = state.items[item].request { true } else { false }
    }
}
