import Primitives
import Simulation

/// A history written by hand. Times are milliseconds.
struct Script {
    var history = RecordedHistory()

    static func key(_ name: String) -> KeyInterval { KeyInterval(Bytes(name)) }

    static func pair(
        _ key: String, _ value: String, create: Int64, mod: Int64, version: Int64,
        lease: Int64 = 0
    ) -> RecordedPair {
        RecordedPair(
            key: Bytes(key), value: Bytes(value), createRevision: create, modRevision: mod,
            version: version, lease: lease)
    }

    mutating func add(
        _ times: ClosedRange<Int64>, _ request: RecordedRequest, _ outcome: RecordedOutcome
    ) {
        let id = history.operations.count
        history.operations.append(
            RecordedOperation(
                id: id, client: id, start: times.lowerBound * 1_000_000,
                end: times.upperBound * 1_000_000, request: request, outcome: outcome))
    }

    mutating func put(
        _ times: ClosedRange<Int64>, _ key: String, _ value: String, lease: Int64 = 0,
        revision: Int64?
    ) {
        add(
            times, .put(RecordedPut(Bytes(key), Bytes(value), lease: lease)),
            revision.map { .ok(revision: $0, .put(previous: nil)) } ?? .unknown(nil))
    }

    mutating func get(
        _ times: ClosedRange<Int64>, _ key: String, _ found: RecordedPair?, revision: Int64,
        at old: Int64 = 0, isSerializable: Bool = false
    ) {
        add(
            times,
            .range(
                RecordedRange(Script.key(key), revision: old, isSerializable: isSerializable)),
            .ok(
                revision: revision,
                .range(pairs: found.map { [$0] } ?? [], count: found == nil ? 0 : 1, more: false)))
    }

    mutating func call(
        _ times: ClosedRange<Int64>, _ request: RecordedRequest, _ answer: RecordedAnswer,
        revision: Int64
    ) {
        add(times, request, .ok(revision: revision, answer))
    }

    var verdict: LinearizabilityVerdict { LinearizabilityChecker.check(history) }
    var isRefused: Bool { if case .violation = verdict { true } else { false } }
    var isAccepted: Bool { verdict.isLinearizable }
}
