internal import Foundation

/// What a run found, as it is printed and as JSON.
struct SurviveReport: Encodable {
    struct Times: Encodable {
        var count: Int
        var median: Double
        var max: Double
        var all: [Double]

        init(_ milliseconds: [Double]) {
            let sorted = milliseconds.sorted()
            count = sorted.count
            median = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
            max = sorted.last ?? 0
            all = milliseconds.map { ($0 * 10).rounded() / 10 }
        }

        var text: String {
            count == 0
                ? "none"
                : String(format: "median %.0f ms, max %.0f ms (%d times)", median, max, count)
        }
    }

    /// Acknowledged writes around one kill of the leader, counted in short intervals.
    struct KillTrace: Encodable {
        var outageMilliseconds: Double
        /// Where the first interval begins; the kill is at zero.
        var startMilliseconds: Int
        var intervalMilliseconds: Int
        /// They end before the next kill.
        var acknowledged: [Int]

        private static let interval: UInt64 = 10
        private static let before: UInt64 = 500
        private static let after: UInt64 = 3000

        static func all(_ ledger: Ledger, _ chaos: Chaos) -> [KillTrace] {
            let millisecond: UInt64 = 1_000_000
            guard let last = ledger.acknowledgements.last else { return [] }
            return chaos.killMoments.indices.map { place in
                let moment = chaos.killMoments[place]
                let next = place + 1 < chaos.killMoments.count ? chaos.killMoments[place + 1] : last
                return KillTrace(
                    outageMilliseconds: chaos.outagesAfterKill[place],
                    startMilliseconds: -Int(before), intervalMilliseconds: Int(interval),
                    acknowledged: ledger.acknowledgedCounts(
                        from: moment - before * millisecond,
                        to: min(max(next, moment), moment + after * millisecond),
                        intervalNanoseconds: interval * millisecond))
            }
        }
    }

    var server: String
    var seed: UInt64
    var clients: Int
    var seconds: Double
    var writes: Ledger.Counts
    var unknownButDone: Int
    var keys: Int
    var revision: Int64
    var hashes: [UInt64]
    var withoutWritesAfterKillMilliseconds: Times
    var withoutWritesAfterGracefulStopMilliseconds: Times
    var withoutWritesAfterTotalStopMilliseconds: Times
    var allReadyAfterTotalStopMilliseconds: Times
    var aroundKills: [KillTrace]
    var failureReasons: [String: Int]
    var violations: [String]

    var text: String {
        var lines = [
            "\(writes.acknowledged) writes acknowledged, \(writes.refused) refused, "
                + "\(writes.unknown + writes.pending) unknown (of these \(unknownButDone) done)",
            "\(keys) keys at revision \(revision); HashKV "
                + hashes.map { String($0, radix: 16) }.joined(separator: " "),
            "without a write after kill -9 of the leader: "
                + withoutWritesAfterKillMilliseconds.text,
            "without a write after a graceful stop of it: "
                + withoutWritesAfterGracefulStopMilliseconds.text,
            "without a write after kill -9 of all three:  "
                + withoutWritesAfterTotalStopMilliseconds.text,
            "all three ready again after such a stop:     "
                + allReadyAfterTotalStopMilliseconds.text,
        ]
        lines += violations.map { "VIOLATION: " + $0 }
        lines.append(violations.isEmpty ? "survived" : "NOT SURVIVED")
        return lines.joined(separator: "\n")
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(self).write(to: URL(filePath: path))
    }
}
