/// W6: a progress mark says that everything up to it was sent; marks never fall nor trail an event.
package enum WatchBookmarkable {
    package static func check(_ watch: RecordedWatch, _ truth: WatchTruth) -> [CheckViolation] {
        let marks = watch.responses.filter { $0.body == .progress }.map { $0.revision }
        guard let highest = marks.max() else { return [] }
        let first = watch.firstRevision ?? highest + 1
        let owed = first <= highest ? truth.events(for: watch, in: first...highest) : []
        var next = 0
        var sent: Set<WatchTruth.Position> = []
        var mark: Int64 = 0
        var last: Int64 = 0
        for response in watch.responses {
            for event in response.events {
                if event.revision <= mark {
                    return [violation(watch, "this came after the mark \(mark): \(event)")]
                }
                last = max(last, event.revision)
                sent.insert(WatchTruth.Position(revision: event.revision, key: event.key))
            }
            guard response.body == .progress else { continue }
            if response.revision < mark {
                return [violation(watch, "the mark \(response.revision) follows \(mark)")]
            }
            if response.revision < last {
                return [
                    violation(
                        watch, "the mark \(response.revision) comes after an event of \(last)")
                ]
            }
            mark = response.revision
            while next < owed.count, owed[next].revision <= mark {
                let event = owed[next]
                let position = WatchTruth.Position(revision: event.revision, key: event.key)
                guard sent.contains(position) else {
                    return [violation(watch, "the mark \(mark) came before this: \(event)")]
                }
                next += 1
            }
        }
        return []
    }

    private static func violation(_ watch: RecordedWatch, _ what: String) -> CheckViolation {
        CheckViolation("W6", watch.name, what)
    }
}
