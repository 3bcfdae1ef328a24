/// W9: an event says that a key is new exactly where it had no live version before.
package enum WatchCreate {
    package static func check(_ watch: RecordedWatch, _ truth: WatchTruth) -> [CheckViolation] {
        for event in watch.responses.lazy.flatMap({ $0.events }) where event.kind == .put {
            guard let change = truth.change(at: event.revision, event.key) else { continue }
            let isNew = change.previous == nil
            if event.isCreate != isNew || (event.pair.version == 1) != isNew {
                return [
                    CheckViolation(
                        "W9", watch.name,
                        "\(event) says \(event.isCreate ? "new" : "old"), the key was "
                            + (isNew ? "new" : "there before"))
                ]
            }
        }
        return []
    }
}
