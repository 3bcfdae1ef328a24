internal import Foundation
internal import NIOCore
internal import Primitives
internal import Simulation

/// Takes down what clients do and see, in memory for the checkers and as JSON Lines in a file while
/// the run goes on. Confined to the clients' event loop, hence `@unchecked Sendable`.
final class Recorder: @unchecked Sendable {
    private(set) var operations: [RecordedOperation] = []
    /// A watch's id is its place.
    private(set) var watches: [RecordedWatch] = []
    private(set) var queueCalls: [RecordedQueueCall] = []
    /// An observation's id is its place.
    private(set) var observations: [RecordedObservation] = []
    private(set) var counts = Counts()
    /// The highest revision that any answer or event showed.
    private(set) var revision: Int64 = 1
    private(set) var lastWrite = Recorder.now
    /// Nanoseconds; what has passed since the last write is not in it.
    private(set) var longestWithoutWrite: Int64 = 0
    private var operationsStarted = 0
    private var pending: [UInt8] = []
    private let file: FileHandle

    struct Counts: Sendable, Encodable {
        var ok = 0
        var failed = 0
        var unknown = 0
        var writes = 0
        var events = 0
        var locks = 0
        var leaderships = 0
        var tellings = 0
        var fencedWrites = 0
        var fencedWritesRefused = 0
    }

    static let pendingBytesMax = 64 * 1024

    /// Makes the file anew.
    init(path: String) throws {
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        file = try FileHandle(forWritingTo: URL(filePath: path))
    }

    /// Nanoseconds of the clock that the whole history is in.
    static var now: Int64 { Int64(NIODeadline.now().uptimeNanoseconds) }

    func nextOperationID() -> Int {
        operationsStarted += 1
        return operationsStarted
    }

    func finished(_ operation: RecordedOperation) {
        operations.append(operation)
        HistoryLines.append(HistoryLines.line(operation), to: &pending)
        switch operation.outcome {
        case .ok(let found, _):
            counts.ok += 1
            revision = max(revision, found ?? 0)
            if operation.writtenRevision != nil { noteWrite(at: operation.end ?? 0) }
        case .failed: counts.failed += 1
        case .unknown: counts.unknown += 1
        }
        flushIfMuch()
    }

    private func noteWrite(at time: Int64) {
        counts.writes += 1
        longestWithoutWrite = max(longestWithoutWrite, time - lastWrite)
        lastWrite = time
    }

    /// The first write begins the count.
    func beginCountingWrites() {
        lastWrite = Recorder.now
        longestWithoutWrite = 0
    }

    /// The watch with its id.
    func opened(_ make: (Int) -> RecordedWatch) -> Int {
        let watch = make(watches.count)
        watches.append(watch)
        HistoryLines.append(HistoryLines.line(watch), to: &pending)
        return watch.id
    }

    func received(_ response: RecordedWatchResponse, on watch: Int) {
        watches[watch].responses.append(response)
        counts.events += response.events.count
        revision = max(revision, response.revision)
        HistoryLines.append(HistoryLines.line(response, of: watch), to: &pending)
        flushIfMuch()
    }

    func finished(_ call: RecordedQueueCall) {
        queueCalls.append(call)
        HistoryLines.append(HistoryLines.line(call), to: &pending)
        if case .ok(let found) = call.outcome {
            revision = max(revision, found)
            if call.kind == .lock { counts.locks += 1 }
            if call.kind == .campaign { counts.leaderships += 1 }
        }
        flushIfMuch()
    }

    /// What came of something that only the holder may do.
    func fenced(wasHeld: Bool) {
        if wasHeld { counts.fencedWrites += 1 } else { counts.fencedWritesRefused += 1 }
    }

    /// The observation with its id.
    func observing(_ make: (Int) -> RecordedObservation) -> Int {
        let observation = make(observations.count)
        observations.append(observation)
        HistoryLines.append(HistoryLines.line(observation), to: &pending)
        return observation.id
    }

    func told(_ telling: RecordedObservation.Telling, on observation: Int) {
        observations[observation].tellings.append(telling)
        counts.tellings += 1
        revision = max(revision, telling.revision)
        HistoryLines.append(HistoryLines.line(telling, of: observation), to: &pending)
        flushIfMuch()
    }

    func ended(observation: Int) {
        let now = Recorder.now
        observations[observation].end = now
        HistoryLines.append(HistoryLines.endLine(ofObservation: observation, at: now), to: &pending)
    }

    /// A line that tells what was done to the servers; checkers pass over it.
    func noted(fault kind: String, _ what: String) {
        HistoryLines.append(
            .object([
                .init(name: "type", value: .string("fault")),
                .init(name: "time", value: .int(Recorder.now)),
                .init(name: "kind", value: .string(kind)),
                .init(name: "what", value: .string(what)),
            ]), to: &pending)
        flush()
    }

    func noted(_ writes: WriteHistory) {
        for change in writes.revisions {
            HistoryLines.append(HistoryLines.line(change), to: &pending)
            flushIfMuch()
        }
        flush()
    }

    private func flushIfMuch() { if pending.count >= Self.pendingBytesMax { flush() } }

    func flush() {
        guard !pending.isEmpty else { return }
        // A full disk loses the file, not the run: the checkers have it in memory.
        try? file.write(contentsOf: pending)
        pending.removeAll(keepingCapacity: true)
    }
}
