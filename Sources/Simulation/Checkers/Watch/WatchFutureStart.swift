/// W10: a watch gets nothing, neither events nor marks, below the revision that it starts from.
package enum WatchFutureStart {
    package static func check(_ watch: RecordedWatch) -> [CheckViolation] {
        let start = watch.startRevision
        for response in watch.responses {
            if let early = response.events.first(where: { $0.revision < start }) {
                return [
                    CheckViolation("W10", watch.name, "it starts at \(start) and got \(early)")
                ]
            }
            if response.body == .progress, response.revision < start {
                return [
                    CheckViolation(
                        "W10", watch.name,
                        "it starts at \(start) and got the mark \(response.revision)")
                ]
            }
        }
        return []
    }
}
