/// W3: between its first and its last delivered point a watch gets every event that it asked for.
package enum WatchReliable {
    package static func check(_ watch: RecordedWatch, _ truth: WatchTruth) -> [CheckViolation] {
        guard let revisions = watch.deliveredRevisions,
            let missing = truth.firstMissing(of: watch, in: revisions)
        else { return [] }
        return [
            CheckViolation(
                "W3", watch.name,
                "it was told of revisions \(revisions.lowerBound) to \(revisions.upperBound), but"
                    + " not of this: \(missing)")
        ]
    }
}
