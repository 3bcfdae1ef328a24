/// W7: a watch gets what happened to keys of its range, as it happened, and what its filters let
/// through; nothing else. With it W13: what the store's history does not know was never committed.
package enum WatchExact {
    package static func check(_ watch: RecordedWatch, _ truth: WatchTruth) -> [CheckViolation] {
        for event in watch.responses.lazy.flatMap({ $0.events }) {
            guard watch.wants(event) else {
                return [CheckViolation("W7", watch.name, "it did not ask for this: \(event)")]
            }
            guard let change = truth.change(at: event.revision, event.key) else {
                return [CheckViolation("W7", watch.name, "this never happened: \(event)")]
            }
            let isSame =
                change.event.kind == event.kind
                && (event.kind == .delete
                    || AnswerMatch.matches(event.pair, change.event.pair, keysOnly: false))
            if !isSame {
                return [
                    CheckViolation(
                        "W7", watch.name, "it got \(event), where it was \(change.event)")
                ]
            }
        }
        return []
    }
}
