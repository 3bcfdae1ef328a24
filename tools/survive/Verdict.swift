internal import LocalCluster

/// Compares what the clients know with what the servers hold after a run.
struct Verdict {
    private(set) var violations: [String] = []
    private(set) var keyCount = 0
    private(set) var unknownButDone = 0
    private(set) var revision: Int64 = 0
    private(set) var hashes: [UInt64] = []

    private mutating func violated(_ what: String) {
        if violations.count < 50 { violations.append(what) }
    }

    /// Asks every node; all of them must run and nothing may be outstanding.
    static func reach(
        _ ledger: Ledger, _ cluster: ServerCluster, _ control: ControlClient
    ) throws -> Verdict {
        var verdict = Verdict()
        let revision = try control.revision(of: cluster.nodes[0])
        verdict.revision = revision
        var reference: [KeyValue]?
        // Pages of some megabytes.
        let limit = min(20_000, (4 << 20) / max(1, ledger.valueBytes))
        for node in cluster.nodes {
            let found = try control.everything(on: node, at: revision, pageKeys: Int64(limit))
            if let reference {
                verdict.compare(reference, found, node)
            } else {
                reference = found
                verdict.check(ledger, found)
            }
        }
        verdict.checkHistory(
            try control.history(on: cluster.nodes[1], through: revision), reference ?? [])
        try verdict.checkHashes(cluster, control)
        return verdict
    }

    /// Every acknowledged write is there with its revision, no refused one is, each is there once.
    mutating func check(_ ledger: Ledger, _ found: [KeyValue]) {
        keyCount = found.count
        var places = ledger.outcomes.map { [KeyValue?](repeating: nil, count: $0.count) }
        for pair in found {
            guard let (writer, number) = Ledger.place(of: pair.key),
                places.indices.contains(writer),
                places[writer].indices.contains(number)
            else {
                violated("\(Self.text(pair.key)) is there, and nobody wrote it")
                continue
            }
            places[writer][number] = pair
        }
        var revisions: Set<Int64> = []
        for (writer, outcomes) in ledger.outcomes.enumerated() {
            for (number, outcome) in outcomes.enumerated() {
                check(outcome, places[writer][number], ledger, writer, number)
                if case .acknowledged(let revision) = outcome,
                    !revisions.insert(revision).inserted
                {
                    violated("two writes were acknowledged at revision \(revision)")
                }
            }
        }
    }

    private mutating func check(
        _ outcome: WriteOutcome, _ pair: KeyValue?, _ ledger: Ledger, _ writer: Int,
        _ number: Int
    ) {
        let key = Ledger.key(writer: writer, number: number)
        switch (outcome, pair) {
        case (.acknowledged(let revision), nil):
            violated("LOST: \(key) was acknowledged at revision \(revision) and is not there")
        case (.acknowledged(let revision), let pair?) where pair.modRevision != revision:
            violated("\(key) was acknowledged at \(revision) and is there at \(pair.modRevision)")
        case (.refused, let pair?):
            violated("\(key) was refused, and is there at revision \(pair.modRevision)")
        case (.unknown, .some), (.pending, .some):
            unknownButDone += 1
        default: break
        }
        guard let pair else { return }
        if pair.version != 1 || pair.createRevision != pair.modRevision {
            violated("DOUBLED: \(key) was written \(pair.version) times")
        }
        if pair.value != ledger.value(writer: writer, number: number) {
            violated("\(key) holds \(Self.text(Array(pair.value.prefix(80))))")
        }
    }

    private mutating func compare(
        _ reference: [KeyValue], _ found: [KeyValue], _ node: ServerNode
    ) {
        if found.count != reference.count {
            violated("DIVERGED: \(node.name) has \(found.count) keys, node1 \(reference.count)")
        }
        for (one, other) in zip(reference, found) where one != other {
            violated(
                "DIVERGED: node1 has \(Self.text(one.key)) at \(one.modRevision), "
                    + "\(node.name) has \(Self.text(other.key)) at \(other.modRevision)")
            return
        }
    }

    /// Each key has one event, a put at the revision that the key shows; revisions only rise.
    private mutating func checkHistory(_ events: [HistoryEvent], _ found: [KeyValue]) {
        var seen: [[UInt8]: Int64] = [:]
        var previous: Int64 = 0
        for event in events {
            if !event.isPut { violated("a delete of \(Self.text(event.key)) in the history") }
            if event.modRevision <= previous {
                violated("the history goes from revision \(previous) to \(event.modRevision)")
            }
            previous = event.modRevision
            if seen.updateValue(event.modRevision, forKey: event.key) != nil {
                violated("DOUBLED: \(Self.text(event.key)) has two events in the history")
            }
        }
        for pair in found where seen[pair.key] != pair.modRevision {
            violated("\(Self.text(pair.key)) is not in the history at its revision")
        }
        if events.count != found.count {
            violated("the history has \(events.count) events, the store \(found.count) keys")
        }
    }

    /// The servers' own digest of all that is kept up to the revision is the same on every node.
    private mutating func checkHashes(_ cluster: ServerCluster, _ control: ControlClient) throws {
        for node in cluster.nodes {
            let request = EtcdMessages.hashRequest(revision: revision)
            let answer = try ProtobufFields(
                control.call(node, EtcdMessages.hashKV, request, seconds: 60))
            hashes.append(answer.unsigned(2))
        }
        if Set(hashes).count != 1 { violated("DIVERGED: HashKV at \(revision) gives \(hashes)") }
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
