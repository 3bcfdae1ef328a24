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
    /// A put was done twice.
    case doubled
    /// One member's digest is another.
    case diverged
    /// A client that waits for a lock is told that it holds it, while another does.
    case twoHolders
    /// A write under a lock was acknowledged after the lock's key had gone.
    case unfenced
    /// Somebody is told of a leader twice.
    case toldTwice

    func plant(_ history: inout RecordedHistory, _ circumstances: inout Judgement.Circumstances) {
        switch self {
        case .lost: plantLost(&history)
        case .stale: plantStale(&history)
        case .gap: plantGap(&history)
        case .doubled: plantDoubled(&history)
        case .twoHolders: plantTwoHolders(&history)
        case .unfenced: plantUnfenced(&history)
        case .toldTwice: plantToldTwice(&history)
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

    private func plantDoubled(_ history: inout RecordedHistory) {
        guard let writes = history.writes else { return }
        let put = writes.revisions.last { change in
            change.events.count == 1 && change.events[0].kind == .put
                && !change.events[0].pair.value.storage.starts(with: "t".utf8)
        }
        guard var again = put else { return }
        again.revision = writes.lastRevision + 1
        again.events[0].pair.modRevision = again.revision
        again.events[0].pair.version += 1
        history.writes = WriteHistory(writes.revisions + [again])
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

    private func plantTwoHolders(_ history: inout RecordedHistory) {
        guard let writes = history.writes else { return }
        let truth = QueueTruth(history, writes)
        for place in history.queueCalls.indices {
            let call = history.queueCalls[place]
            // One that waited: it had its place before the last one left.
            guard call.kind == .lock, case .ok = call.outcome,
                let created = truth.created(of: call), let turn = truth.turn(of: call),
                turn > created
            else { continue }
            history.queueCalls[place].outcome = .ok(revision: turn - 1)
            return
        }
    }

    private func plantUnfenced(_ history: inout RecordedHistory) {
        for place in history.operations.indices.reversed() {
            guard case .txn(let txn) = history.operations[place].request,
                let fence = txn.compares.first, case .create(let created) = fence.target,
                created > 0, fence.interval.key.storage.starts(with: "lock/".utf8),
                history.operations[place].writtenRevision != nil
            else { continue }
            var other = txn
            other.compares[0].target = .create(created - 1)
            history.operations[place].request = .txn(other)
            return
        }
    }

    private func plantToldTwice(_ history: inout RecordedHistory) {
        for place in history.observations.indices {
            guard let last = history.observations[place].tellings.last else { continue }
            history.observations[place].tellings.append(last)
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
