internal import Foundation
internal import Simulation

/// What a run found, as it is printed and as JSON.
struct ChaosReport: Encodable {
    var seed: UInt64
    var nodes: Int
    var clients: Int
    var seconds: Double
    var hasNetwork: Bool
    var leftOut: [String]
    var faults: [String: Int]
    var faultCount: Int
    var overlappingFaults: Int
    var operations: Recorder.Counts
    var watches: Int
    var watchBreaks: Int
    var revision: Int64
    var term: UInt64
    var longestWithoutWriteMilliseconds: Double
    /// From the end of all faults until every node served.
    var recoveryMilliseconds: [Double]
    var checkSeconds: [String: Double]
    var history: String
    /// Calls of a user who may do little, and of nobody: let through as they should be, and
    /// refused.
    var bystanderAllowed: Int
    var bystanderRefused: Int
    var violations: [String]

    var text: String {
        let kinds = faults.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        let checking = checkSeconds.values.reduce(0, +)
        var lines = [
            "\(faultCount) faults in \(Int(seconds)) s, \(overlappingFaults) of them while others"
                + " lasted: " + kinds.joined(separator: ", "),
            "\(operations.ok) calls answered, \(operations.failed) refused or failed,"
                + " \(operations.unknown) unknown; \(operations.writes) writes; revision"
                + " \(revision), term \(term)",
            "\(watches) watches, \(watchBreaks) carried on elsewhere; \(operations.events) events",
            "\(operations.locks) locks and \(operations.leaderships) leaderships taken, "
                + "\(operations.fencedWrites) writes under them, \(operations.fencedWritesRefused)"
                + " too late; leaders told of \(operations.tellings) times",
            "a bystander was let through \(bystanderAllowed) times, as it should be, and refused"
                + " \(bystanderRefused) times",
            String(
                format: "longest time without a write: %.0f ms", longestWithoutWriteMilliseconds),
            String(
                format: "calm %d times; until every node served again: %.0f ms at most",
                recoveryMilliseconds.count, recoveryMilliseconds.max() ?? 0),
            String(format: "checked in %.1f s; history: %@", checking, history as NSString),
        ]
        if !leftOut.isEmpty { lines.append("left out: " + leftOut.joined(separator: "; ")) }
        lines += violations.map { "VIOLATION: " + $0 }
        lines.append(violations.isEmpty ? "held" : "NOT HELD, seed \(seed); see \(history)")
        return lines.joined(separator: "\n")
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(self).write(to: URL(filePath: path))
    }
}
