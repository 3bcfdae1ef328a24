/// W11: a watch that wants what is compacted is cancelled with the compacted revision, never left
/// in silence; it is cancelled for no other reason that looks like it; nothing follows a cancel.
package enum WatchCompacted {
    package static func check(_ watch: RecordedWatch, _ truth: WatchTruth) -> [CheckViolation] {
        var wanted = watch.startRevision
        var isCanceled = false
        for response in watch.responses {
            if isCanceled { return [violation(watch, "something came after it was cancelled")] }
            switch response.body {
            case .created: if wanted == 0 { wanted = response.revision + 1 }
            case .progress: wanted = max(wanted, response.revision + 1)
            case .events(let events):
                if let found = checkSilence(watch, truth, from: wanted, response) { return found }
                if let last = events.last, !response.isFragment {
                    wanted = max(wanted, last.revision + 1)
                }
            case .canceled(let compactRevision, let reason):
                isCanceled = true
                if let found = checkCancel(
                    watch, truth, wanted, compactRevision, reason, response)
                {
                    return found
                }
            }
        }
        return []
    }

    private static func checkCancel(
        _ watch: RecordedWatch, _ truth: WatchTruth, _ wanted: Int64, _ compactRevision: Int64,
        _ reason: String, _ response: RecordedWatchResponse
    ) -> [CheckViolation]? {
        if compactRevision == 0 {
            // A negative start is refused with the same text.
            guard reason.contains("compacted"), watch.startRevision >= 0 else { return nil }
            return [violation(watch, "it was cancelled as compacted, without a revision")]
        }
        if wanted > 0, compactRevision <= wanted {
            return [
                violation(
                    watch,
                    "it was cancelled as compacted at \(compactRevision), and wanted"
                        + " \(wanted)")
            ]
        }
        let isKnown = truth.compactions.contains {
            $0.revision == compactRevision && $0.start <= response.time
        }
        guard !isKnown else { return nil }
        return [violation(watch, "nobody had compacted at \(compactRevision)")]
    }

    /// What was passed over because it was compacted.
    private static func checkSilence(
        _ watch: RecordedWatch, _ truth: WatchTruth, from wanted: Int64,
        _ response: RecordedWatchResponse
    ) -> [CheckViolation]? {
        guard wanted > 0, let next = response.events.first?.revision, wanted < next,
            !truth.events(for: watch, in: wanted...(next - 1)).isEmpty,
            let missing = truth.firstMissing(of: watch, in: wanted...(next - 1)),
            truth.mayBeCompacted(missing.revision + 1, by: response.time)
        else { return nil }
        return [
            violation(watch, "it was overtaken by a compaction without a word: \(missing)")
        ]
    }

    private static func violation(_ watch: RecordedWatch, _ what: String) -> CheckViolation {
        CheckViolation("W11", watch.name, what)
    }
}
