/// W1: revisions never fall; inside one transaction, events come in the order of its operations.
package enum WatchOrdered {
    package static func check(_ watch: RecordedWatch, _ truth: WatchTruth) -> [CheckViolation] {
        var last: RecordedEvent?
        for event in watch.responses.lazy.flatMap({ $0.events }) {
            defer { last = event }
            guard let last else { continue }
            if event.revision < last.revision {
                return [
                    CheckViolation(
                        "W1", watch.name,
                        "revision \(event.revision) came after \(last.revision)")
                ]
            }
            if event.revision == last.revision, let before = truth.order(last),
                let after = truth.order(event), after < before
            {
                return [
                    CheckViolation(
                        "W1", watch.name,
                        "in revision \(event.revision), \(event.key) came after \(last.key)")
                ]
            }
        }
        return []
    }
}
