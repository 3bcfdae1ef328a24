/// W8: the previous pair is the key's state just before the event; it may be missing only where
/// there was none, where it was not asked for, or where it was compacted.
package enum WatchPrevious {
    package static func check(_ watch: RecordedWatch, _ truth: WatchTruth) -> [CheckViolation] {
        for response in watch.responses {
            for event in response.events {
                guard let change = truth.change(at: event.revision, event.key) else { continue }
                if let previous = event.previous {
                    if !watch.wantsPrevious {
                        return [violation(watch, "nobody asked for what was before \(event)")]
                    }
                    if !AnswerMatch.matches(previous, change.previous) {
                        return [
                            violation(
                                watch,
                                "before \(event) it got \(previous), where it was "
                                    + (change.previous.map { "\($0)" } ?? "nothing"))
                        ]
                    }
                } else if watch.wantsPrevious, let previous = change.previous,
                    !truth.mayBeCompacted(event.revision, by: response.time)
                {
                    return [violation(watch, "before \(event) there was \(previous)")]
                }
            }
        }
        return []
    }

    private static func violation(_ watch: RecordedWatch, _ what: String) -> CheckViolation {
        CheckViolation("W8", watch.name, what)
    }
}
