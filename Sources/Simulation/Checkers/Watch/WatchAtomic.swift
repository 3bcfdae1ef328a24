/// W4: the events of one revision lie in one response, or, where the client asked for fragments, in
/// consecutive pieces that are marked as such.
package enum WatchAtomic {
    package static func check(_ watch: RecordedWatch) -> [CheckViolation] {
        var last: Int64?
        var isOpen = false
        for response in watch.responses {
            if response.isFragment, !watch.wantsFragments {
                return [violation(watch, response, "a fragment that it did not ask for")]
            }
            guard let first = response.events.first else {
                if isOpen {
                    return [violation(watch, response, "something between two fragments")]
                }
                continue
            }
            if !isOpen, let last, first.revision == last {
                return [
                    violation(watch, response, "revision \(last) is spread over two responses")
                ]
            }
            last = response.events.last?.revision
            isOpen = response.isFragment
        }
        return []
    }

    private static func violation(
        _ watch: RecordedWatch, _ response: RecordedWatchResponse, _ what: String
    ) -> CheckViolation {
        CheckViolation("W4", watch.name, "\(what), at \(response.time) ns")
    }
}
