/// W5: a watch that carries on where another broke off has neither a gap nor a repetition, or is
/// refused as compacted.
package enum WatchResumable {
    package static func check(
        _ watches: [RecordedWatch], _ truth: WatchTruth
    ) -> [CheckViolation] {
        var watchOfID: [Int: RecordedWatch] = [:]
        for watch in watches { watchOfID[watch.id] = watch }
        return watches.flatMap { watch -> [CheckViolation] in
            guard let resumes = watch.resumes, let before = watchOfID[resumes] else { return [] }
            return check(watch, after: before, truth)
        }
    }

    private static func check(
        _ watch: RecordedWatch, after before: RecordedWatch, _ truth: WatchTruth
    ) -> [CheckViolation] {
        guard let reached = before.reachedRevision ?? before.firstRevision.map({ $0 - 1 }) else {
            return []
        }
        let start = watch.startRevision
        if start > 0, start != reached + 1 {
            return [
                CheckViolation(
                    "W5", watch.name,
                    "it resumes at \(start) where watch \(before.id) had come to \(reached)")
            ]
        }
        let events = watch.responses.lazy.flatMap { $0.events }
        if let again = events.first(where: { $0.revision <= reached }) {
            return [
                CheckViolation(
                    "W5", watch.name, "watch \(before.id) had this before: \(again)")
            ]
        }
        guard let last = watch.deliveredRevisions?.upperBound, reached < last,
            let missing = truth.firstMissing(of: watch, in: (reached + 1)...last)
        else { return [] }
        return [
            CheckViolation(
                "W5", watch.name,
                "neither it nor watch \(before.id) was told of this: \(missing)")
        ]
    }
}
