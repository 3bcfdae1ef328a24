internal import ArgumentParser
internal import Primitives
internal import Simulation

/// A violation planted into the history after the run: the checkers must find it, or they prove
/// nothing.
enum Sabotage: String, ExpressibleByArgument, CaseIterable {
    /// An acknowledged put is not among the store's changes.
    case lost
    /// A linearizable read shows what was there one change before.
    case stale
    /// A watch misses an event.
    case gap
    /// One member's digest is another.
    case diverged

    func plant(_ history: inout RecordedHistory, _ circumstances: inout Judgement.Circumstances) {
        switch self {
        case .lost: plantLost(&history)
        case .stale: plantStale(&history)
        case .gap: plantGap(&history)
        case .diverged:
            guard let last = circumstances.hashes.indices.last else { return }
            circumstances.hashes[last].hash ^= 1
        }
    }

    private func plantLost(_ history: inout RecordedHistory) {
        guard let writes = history.writes else { return }
        let put = history.operations.last {
            if case .put = $0.request { $0.writtenRevision != nil } else { false }
        }
        history.writes = WriteHistory(
            writes.revisions.map { change in
                guard change.revision == put?.writtenRevision else { return change }
                var other = change
                other.events[0].pair.value = Bytes("planted")
                return other
            })
    }

    private func plantStale(_ history: inout RecordedHistory) {
        for place in history.operations.indices.reversed() {
            let operation = history.operations[place]
            guard case .range(let range) = operation.request, !range.isSerializable,
                range.revision == 0, !range.keysOnly,
                case .ok(let revision, .range(var pairs, let count, let more)) = operation.outcome,
                let changed = pairs.indices.first(where: { pairs[$0].version > 1 })
            else { continue }
            pairs[changed].version -= 1
            pairs[changed].modRevision -= 1
            history.operations[place].outcome = .ok(
                revision: revision, .range(pairs: pairs, count: count, more: more))
            return
        }
    }

    private func plantGap(_ history: inout RecordedHistory) {
        for place in history.watches.indices where history.watches[place].client != 0 {
            let responses = history.watches[place].responses
            let full = responses.indices.filter {
                !responses[$0].events.isEmpty && !responses[$0].isFragment
            }
            guard full.count > 2 else { continue }
            history.watches[place].responses.remove(at: full[1])
            return
        }
    }
}
