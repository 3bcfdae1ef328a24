internal import Primitives

extension GuidedSearch {
    /// One move on: what needs no choice, or the first of several ways.
    mutating func advance() -> Advance {
        guard settle() else { return .stuck }
        if state.remaining == 0, state.model.revision >= lastRevision { return .done }
        let revision = state.model.revision
        var moves: [SearchState.Move] = []
        let level = levels.index(revision)
        if let level, let sure = silentMoves(level, into: &moves) {
            if place(sure) == nil { return .moved }
        }
        let isOpen = level.map { levels.levels[$0].open > 0 } ?? false
        if !isOpen {
            if let writer = levels.writer(of: revision + 1) {
                addWriter(writer, into: &moves)
            } else if revision < evidence.writes?.lastRevision ?? .max {
                addGapMoves(into: &moves)
            }
        }
        addHelp(into: &moves)
        if choose(moves) { return .moved }
        noteStuck(isOpen: isOpen)
        return .stuck
    }

    private mutating func noteStuck(isOpen: Bool) {
        let revision = state.model.revision
        guard let urgent = state.mostUrgent else {
            noteDeadEnd([]) { search in search.unexplained(revision + 1) }
            return
        }
        let item = state.items[urgent]
        if !isOpen, levels.writer(of: revision + 1) == nil, item.revision > revision {
            noteDeadEnd([urgent]) { search in search.unexplained(revision + 1) }
            return
        }
        guard isOpen, let level = levels.index(revision) else {
            noteDeadEnd([urgent]) { search in search.tooLate(urgent) }
            return
        }
        let open = (levels.levels[level].pure + levels.levels[level].silent)
            .filter { !state.isPlaced[$0] && $0 != urgent }
        guard item.revision > revision, let late = open.first else {
            noteDeadEnd([urgent] + open.prefix(3)) { search in search.tooLate(urgent) }
            return
        }
        noteDeadEnd([late, urgent] + open.dropFirst().prefix(3)) { search in
            "\(search.name(late)) was answered revision \(revision), though"
                + " \(search.name(urgent)), answered revision \(item.revision), ended before it"
                + " began or needs it done first"
        }
    }

    private func tooLate(_ item: Int) -> String {
        "\(name(item)) ended at \(state.items[item].end) ns and cannot take effect before then"
    }

    private func unexplained(_ revision: Int64) -> String {
        "nothing in the history explains revision \(revision)"
            + (evidence.events(at: revision).map { ": \($0)" } ?? "")
    }

    // MARK: - What changes nothing

    /// Places everything that changes no key and may come now. False: something that must be
    /// placed at this revision has an answer that this revision does not give.
    private mutating func settle() -> Bool {
        var hasMoved = true
        while hasMoved {
            hasMoved = false
            if let level = levels.index(state.model.revision) {
                guard settlePure(level, &hasMoved) else { return false }
            }
            settleFloats(&hasMoved)
        }
        return true
    }

    private mutating func settlePure(_ level: Int, _ hasMoved: inout Bool) -> Bool {
        var place = levels.levels[level].purePlace
        let count = levels.levels[level].pure.count
        while place < count {
            let item = levels.levels[level].pure[place]
            if !state.isPlaced[item] {
                guard state.items[item].start <= state.horizon else { break }
                if let expected = self.place(item) {
                    noteDeadEnd([item]) { search in
                        "\(search.name(item)) got what revision "
                            + "\(search.state.model.revision) does not hold: the store would "
                            + "say \(expected)"
                    }
                    return false
                }
                hasMoved = true
            }
            place += 1
        }
        levels.advancePure(level, to: place)
        return true
    }

    private mutating func settleFloats(_ hasMoved: inout Bool) {
        var place = floatPlace
        var isFirst = true
        while place < floats.count {
            let item = floats[place]
            if !state.isPlaced[item] {
                guard state.items[item].start <= state.horizon else { break }
                if self.place(item) == nil { hasMoved = true } else { isFirst = false }
            }
            place += 1
            if isFirst { floatPlace = place }
        }
    }

    // MARK: - Leases and the floor at one revision

    /// Adds what changes leases or the floor at this revision. Returns one that may be placed
    /// without a choice: nothing else that could come now knows its lease.
    private mutating func silentMoves(
        _ level: Int, into moves: inout [SearchState.Move]
    ) -> Int? {
        var place = levels.levels[level].silentPlace
        var isFirst = true
        while place < levels.levels[level].silent.count {
            let item = levels.levels[level].silent[place]
            if !state.isPlaced[item] {
                guard state.items[item].start <= state.horizon else { break }
                isFirst = false
                if fits(item) {
                    if isAlone(item) { return item }
                    moves.append(.item(item))
                }
            }
            place += 1
            if isFirst { levels.advanceSilent(level, to: place) }
        }
        return nil
    }

    /// Whether the item may be placed now without making a revision.
    private mutating func fits(_ item: Int) -> Bool {
        let mark = state.model.mark
        let result = state.evaluate(item)
        let fits =
            state.items[item].accepts(result)
            && state.model.revision == state.items[item].revision
            && state.model.changes.isEmpty
        state.model.undo(to: mark)
        return fits
    }

    private mutating func isAlone(_ item: Int) -> Bool {
        guard let lease = state.items[item].leases.first else { return false }
        let horizon = state.horizon
        for other in itemsOfLease[lease] ?? [] {
            if state.items[other].start > horizon { return true }
            if other != item, !state.isPlaced[other] { return false }
        }
        return true
    }

    // MARK: - The next revision

    private mutating func addWriter(_ writer: Int, into moves: inout [SearchState.Move]) {
        guard state.items[writer].start <= state.horizon else { return }
        moves.append(.item(writer))
        // A lease that it names may be known to an unanswered grant only.
        for lease in state.items[writer].leases where state.model.leases[lease] == nil {
            addGrants(of: lease, into: &moves)
        }
    }

    // MARK: - Unanswered calls that change no key

    /// What could put into its place something that may come now and does not fit yet.
    private mutating func addHelp(into moves: inout [SearchState.Move]) {
        var place = floatPlace
        while place < floats.count {
            let item = floats[place]
            if state.items[item].start > state.horizon { break }
            if !state.isPlaced[item] { addHelp(for: item, into: &moves) }
            place += 1
        }
        guard let level = levels.index(state.model.revision) else { return }
        place = levels.levels[level].silentPlace
        while place < levels.levels[level].silent.count {
            let item = levels.levels[level].silent[place]
            if state.items[item].start > state.horizon { break }
            if !state.isPlaced[item], !fits(item) { addHelp(for: item, into: &moves) }
            place += 1
        }
    }

    private mutating func addHelp(for item: Int, into moves: inout [SearchState.Move]) {
        for lease in state.items[item].leases {
            if let held = state.model.leases[lease] {
                if held.slots.isEmpty { addEnds(of: lease, held, into: &moves) }
            } else {
                addGrants(of: lease, into: &moves)
            }
        }
        guard case .failure(.compacted) = state.items[item].expected,
            let floor = state.items[item].floorToRefuse, floor > state.model.floor
        else { return }
        // The lowest that will do leaves most to everybody else.
        let horizon = state.horizon
        let highest = floorLimits.highest(before: horizon)
        for compact in index.compactions {
            guard case .compact(let revision) = state.items[compact].request else { continue }
            if revision > highest { return }
            if revision >= floor, revision <= state.model.revision, !state.isPlaced[compact],
                state.items[compact].start <= horizon
            {
                add(.item(compact), into: &moves)
                return
            }
        }
    }

    mutating func addGrants(of lease: Int64, into moves: inout [SearchState.Move]) {
        let horizon = state.horizon
        for grant in index.grants[lease] ?? []
        where !state.isPlaced[grant] && state.items[grant].start <= horizon {
            add(.item(grant), into: &moves)
        }
    }

    /// Ends of a lease without keys.
    private mutating func addEnds(
        of lease: Int64, _ held: ModelStore.Lease, into moves: inout [SearchState.Move]
    ) {
        if mustLive(lease, beyond: state.model.revision) { return }
        let horizon = state.horizon
        for revoke in index.revocations[lease] ?? []
        where !state.isPlaced[revoke] && state.items[revoke].start <= horizon {
            add(.item(revoke), into: &moves)
            break
        }
        if state.deadline(of: held) <= horizon { add(.expiry(lease), into: &moves) }
    }

    func add(_ move: SearchState.Move, into moves: inout [SearchState.Move]) {
        if !moves.contains(move) { moves.append(move) }
    }
}
