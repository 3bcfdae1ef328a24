/// A broken promise of the list in `docs/history-format.md`, with what was seen.
package struct CheckViolation: Error, Hashable, Sendable, CustomStringConvertible {
    /// "W3", "L1", "K8" …
    package var property: String
    /// What broke it: "watch 4", "lease 7", "operation 12", "member 3".
    package var subject: String
    package var message: String

    package init(_ property: String, _ subject: String, _ message: String) {
        self.property = property
        self.subject = subject
        self.message = message
    }

    package var description: String { "\(property) broken by \(subject): \(message)" }
}
