/// What ten thousand watchers were told, held against each other and against what was written.
///
/// Events of one prefix are one list, which the watcher that is ahead writes down; every other must
/// be told the same. So each is told everything once and in order, or it shows at once.
struct SoakBook {
    struct Prefix {
        /// Revisions of the events, as some watcher was told them.
        var events: [Int64] = []
        var acknowledged: Set<Int64> = []
    }

    private(set) var prefixes: [Prefix]
    /// How far each watcher is in its prefix's list.
    private var positions: [Int]
    private let watchersPerPrefix: Int
    private(set) var violations: [String] = []
    private(set) var eventCount = 0
    private(set) var acknowledgedCount = 0
    private(set) var unknownCount = 0
    private(set) var refusedCount = 0

    /// More are not worth reading.
    private static let violationsMax = 20

    init(prefixCount: Int, watchersPerPrefix: Int) {
        prefixes = Array(repeating: Prefix(), count: prefixCount)
        positions = Array(repeating: 0, count: prefixCount * watchersPerPrefix)
        self.watchersPerPrefix = watchersPerPrefix
    }

    var watcherCount: Int { positions.count }

    /// Watcher `w` follows prefix `w / watchersPerPrefix`.
    func prefix(of watcher: Int) -> Int { watcher / watchersPerPrefix }

    mutating func told(_ watcher: Int, _ revision: Int64) {
        eventCount += 1
        let number = prefix(of: watcher)
        let place = positions[watcher]
        positions[watcher] = place + 1
        if place < prefixes[number].events.count {
            let expected = prefixes[number].events[place]
            if expected != revision {
                violate("watcher \(watcher) was told revision \(revision), others \(expected)")
            }
            return
        }
        if let last = prefixes[number].events.last, revision <= last {
            violate("watcher \(watcher) was told revision \(revision) after \(last)")
        }
        prefixes[number].events.append(revision)
    }

    mutating func acknowledged(_ prefix: Int, _ revision: Int64) {
        acknowledgedCount += 1
        prefixes[prefix].acknowledged.insert(revision)
    }

    mutating func failed(definitely: Bool) {
        if definitely { refusedCount += 1 } else { unknownCount += 1 }
    }

    mutating func violate(_ what: String) {
        if violations.count < Self.violationsMax { violations.append(what) }
    }

    /// Whether everybody was told all that was acknowledged, and all that anybody was told.
    var isComplete: Bool {
        for (number, prefix) in prefixes.enumerated() {
            if prefix.events.count < prefix.acknowledged.count { return false }
            let first = number * watchersPerPrefix
            for watcher in first..<(first + watchersPerPrefix)
            where positions[watcher] != prefix.events.count { return false }
        }
        return true
    }

    /// Adds what is wrong in the end.
    mutating func judge() {
        var others = 0
        for (number, prefix) in prefixes.enumerated() {
            let told = Set(prefix.events)
            let missing = prefix.acknowledged.subtracting(told)
            if let revision = missing.min() {
                violate(
                    "prefix \(number): revision \(revision) was acknowledged and never told"
                        + " (\(missing.count) such)")
            }
            others += told.subtracting(prefix.acknowledged).count
            let first = number * watchersPerPrefix
            for watcher in first..<(first + watchersPerPrefix)
            where positions[watcher] != prefix.events.count {
                violate(
                    "watcher \(watcher) was told \(positions[watcher]) events of"
                        + " \(prefix.events.count)")
            }
        }
        if others > unknownCount {
            violate("\(others) events of writes that nobody knows, \(unknownCount) unknown ones")
        }
    }
}
