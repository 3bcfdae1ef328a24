internal import Primitives

/// What is known of revisions that no answered call made: an unanswered call, an expiry or a
/// revocation did.
struct GapEvidence {
    /// What clients or watches have seen of a revision, by revision; one event a key.
    private var seen: [Int64: [RecordedEvent]] = [:]
    /// Everything that happened, where somebody knows it.
    let writes: WriteHistory?
    /// By slot: versions that somebody saw, ascending by revision; the revisions at which an
    /// answered call put the key, or deleted it; and those at which somebody saw that there was no
    /// such key.
    private var sightings: [[Sighting]] = []
    private var puts: [[Int64]] = []
    private var deletions: [[Int64]] = []
    private var absences: [[Int64]] = []
    /// Unanswered calls whose own value was seen, and the revision that it was seen at: they made
    /// that one and no other.
    private(set) var revisionOfItem: [Int: Int64] = [:]

    struct Sighting: Equatable {
        var mod: Int64
        var create: Int64
        var version: Int64
    }

    /// How well a change fits what was seen later; the lower the sooner it is needed.
    enum Fit: Equatable {
        case impossible
        /// Something like it must have happened before this revision.
        case neededBefore(Int64)
        /// Nothing speaks against it up to this revision, after which it cannot have been.
        case possible(until: Int64)
        /// It would have to be undone by something else that nobody saw.
        case unlikely

        var rank: Int64 {
            switch self {
            case .neededBefore(let revision): revision
            case .possible(let last): .max / 2 + min(last, .max / 2 - 2)
            case .unlikely: .max - 1
            case .impossible: .max
            }
        }
    }

    init(
        _ history: RecordedHistory, items: [SearchItem], model: ModelStore, usesWatches: Bool
    ) {
        writes = history.writes
        guard
            items.contains(where: { !$0.isRequired })
                || items.contains(where: { $0.role == .silent || $0.role == .revoke })
        else { return }
        let answered = Set(items.filter { $0.role == .write }.map { $0.revision })
        sightings = Array(repeating: [], count: model.keys.count)
        puts = Array(repeating: [], count: model.keys.count)
        deletions = puts
        absences = puts
        for operation in history.operations {
            operation.answer?.forEachPair { pair in note(pair, answered, model) }
            if let revision = operation.revision, let answer = operation.answer {
                note(operation.request, answer, revision, model)
            }
        }
        if usesWatches {
            for watch in history.watches {
                for response in watch.responses {
                    for event in response.events where !answered.contains(event.revision) {
                        add(event)
                    }
                }
            }
        }
        for slot in sightings.indices {
            sightings[slot].sort { ($0.mod, $0.version) < ($1.mod, $1.version) }
            puts[slot].sort()
            deletions[slot].sort()
            absences[slot].sort()
        }
        bind(items)
    }

    private struct Written: Hashable {
        var key: Bytes
        var value: Bytes
    }

    private mutating func bind(_ items: [SearchItem]) {
        var itemOfValue: [Written: Int] = [:]
        var shared: Set<Written> = []
        var rewritten: Set<Bytes> = []
        for item in items.indices where !items[item].isRequired {
            items[item].request.forEachPut { put in
                if put.ignoresValue { rewritten.insert(put.key) }
                let written = Written(key: put.key, value: put.value)
                if let other = itemOfValue[written], other != item { shared.insert(written) }
                itemOfValue[written] = item
            }
        }
        for revision in seen.keys.sorted() {
            for event in seen[revision] ?? [] where event.kind == .put {
                let written = Written(key: event.key, value: event.pair.value)
                guard !event.pair.value.isEmpty, !shared.contains(written),
                    !rewritten.contains(event.key), let item = itemOfValue[written]
                else { continue }
                revisionOfItem[item] = revision
            }
        }
    }

    private mutating func note(
        _ pair: RecordedPair, _ answered: Set<Int64>, _ model: ModelStore
    ) {
        guard pair.modRevision > 0, let slot = model.slot(pair.key) else { return }
        if pair.version > 0 {
            let sighting = Sighting(
                mod: pair.modRevision, create: pair.createRevision, version: pair.version)
            if sightings[slot].last != sighting { sightings[slot].append(sighting) }
        }
        if !answered.contains(pair.modRevision) { add(RecordedEvent(.put, pair)) }
    }

    private mutating func add(_ event: RecordedEvent) {
        let known = seen[event.revision] ?? []
        if !known.contains(where: { $0.key == event.key }) {
            seen[event.revision, default: []].append(event)
        }
    }

    private mutating func note(
        _ request: RecordedRequest, _ answer: RecordedAnswer, _ revision: Int64,
        _ model: ModelStore
    ) {
        switch (request, answer) {
        case (.put(let put), .put(let previous)):
            guard let slot = model.slot(put.key) else { return }
            puts[slot].append(revision)
            if put.wantsPrevious, previous == nil { absences[slot].append(revision - 1) }
        case (.range(let range), .range(_, let count, _)):
            guard range.interval.isSingleKey, count == 0,
                let slot = model.slot(range.interval.key)
            else { return }
            absences[slot].append(range.revision > 0 ? range.revision : revision)
        case (.deleteRange(let delete), .deleteRange(let deleted, _)):
            guard delete.interval.isSingleKey, let slot = model.slot(delete.interval.key) else {
                return
            }
            if deleted > 0 { deletions[slot].append(revision) }
            absences[slot].append(revision)
        case (.txn(let txn), .txn(let succeeded, let answers)):
            // In a transaction a range may come before a put of the same revision.
            for (op, answer) in zip(succeeded ? txn.success : txn.failure, answers) {
                if case .range = op { continue }
                note(op, answer, revision, model)
            }
        default: break
        }
    }

    /// The events that a revision must have among its own; nil where nothing is known.
    func events(at revision: Int64) -> [RecordedEvent]? {
        if let writes { return writes[revision] }
        return seen[revision]
    }

    /// Whether a revision that was made like this contradicts what is known.
    func allows(_ events: [RecordedEvent], at revision: Int64) -> Bool {
        guard let known = self.events(at: revision) else { return writes == nil }
        if writes != nil, known.count != events.count { return false }
        return known.allSatisfy { wanted in
            events.contains { event in
                event.key == wanted.key && event.kind == wanted.kind
                    && (event.kind == .delete
                        || AnswerMatch.matches(wanted.pair, event.pair, keysOnly: false)
                        || isWithoutValue(wanted.pair, event.pair))
            }
        }
    }

    /// A range of keys only has seen it.
    private func isWithoutValue(_ seen: RecordedPair, _ made: RecordedPair) -> Bool {
        seen.value.isEmpty && writes == nil
            && AnswerMatch.matches(seen, made, keysOnly: true)
    }

    /// How these changes fit what was seen of their keys at later revisions.
    func fit(_ events: [RecordedEvent], at revision: Int64, _ model: ModelStore) -> Fit {
        guard writes == nil, !sightings.isEmpty else { return .possible(until: .max) }
        var fit = Fit.possible(until: .max)
        for event in events {
            guard let slot = model.slot(event.key) else { continue }
            let next = self.fit(event, slot, at: revision)
            if next == .impossible { return .impossible }
            if next.rank < fit.rank { fit = next }
        }
        return fit
    }

    private func fit(_ event: RecordedEvent, _ slot: Int, at revision: Int64) -> Fit {
        let later = GapEvidence.first(sightings[slot]) { $0.mod > revision }
        let next = later < sightings[slot].count ? sightings[slot][later] : nil
        let absence = absences[slot]
            .dropFirst(GapEvidence.first(absences[slot]) { $0 >= revision }).first
        switch event.kind {
        case .delete:
            if let next, next.create < revision { return .impossible }
            let gone = min(next?.create ?? .max, absence ?? .max)
            if gone == .max { return .possible(until: .max) }
            return deletion(slot, after: revision, until: gone)
                .map { .possible(until: $0) } ?? .neededBefore(gone)
        case .put:
            if let next, next.create <= revision {
                return fit(event.pair, slot, at: revision, before: next)
            }
            let gone = min(next?.create ?? .max, absence ?? .max)
            if gone == .max { return .possible(until: .max) }
            return deletion(slot, after: revision, until: gone)
                .map { .possible(until: $0) } ?? .unlikely
        }
    }

    /// A version that lived on until another one of its key was seen.
    private func fit(
        _ pair: RecordedPair, _ slot: Int, at revision: Int64, before next: Sighting
    ) -> Fit {
        guard next.create == pair.createRevision else { return .impossible }
        let between =
            GapEvidence.first(puts[slot]) { $0 >= next.mod }
            - GapEvidence.first(puts[slot]) { $0 > revision }
        return pair.version + Int64(between) + 1 > next.version
            ? .impossible : .neededBefore(next.mod)
    }

    private func deletion(_ slot: Int, after revision: Int64, until end: Int64) -> Int64? {
        let place = GapEvidence.first(deletions[slot]) { $0 > revision }
        guard place < deletions[slot].count, deletions[slot][place] <= end else { return nil }
        return deletions[slot][place]
    }

    /// Position of the first element for which `holds`, in an array where it holds from there on.
    private static func first<T>(_ array: [T], _ holds: (T) -> Bool) -> Int {
        var low = 0
        var high = array.count
        while low < high {
            let middle = (low + high) / 2
            if holds(array[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
