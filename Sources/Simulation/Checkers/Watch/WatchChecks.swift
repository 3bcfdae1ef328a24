/// All promises about watches (RELIABILITY, section 3).
package enum WatchChecks {
    /// Cost: linear in what the watches received and in what they are owed.
    package static func check(
        _ watches: [RecordedWatch], _ truth: WatchTruth
    ) -> [CheckViolation] {
        var found: [CheckViolation] = []
        for watch in watches {
            found += WatchOrdered.check(watch, truth)
            found += WatchUnique.check(watch)
            found += WatchReliable.check(watch, truth)
            found += WatchAtomic.check(watch)
            found += WatchBookmarkable.check(watch, truth)
            found += WatchExact.check(watch, truth)
            found += WatchPrevious.check(watch, truth)
            found += WatchCreate.check(watch, truth)
            found += WatchFutureStart.check(watch)
            found += WatchCompacted.check(watch, truth)
        }
        return found + WatchResumable.check(watches, truth)
    }
}
