/// W2: no change comes twice on one watch.
package enum WatchUnique {
    package static func check(_ watch: RecordedWatch) -> [CheckViolation] {
        var seen: Set<WatchTruth.Position> = []
        for event in watch.responses.lazy.flatMap({ $0.events }) {
            let position = WatchTruth.Position(revision: event.revision, key: event.key)
            guard seen.insert(position).inserted else {
                return [CheckViolation("W2", watch.name, "it got this twice: \(event)")]
            }
        }
        return []
    }
}
