/// A promise that was broken.
package struct Violation: Error, Sendable, CustomStringConvertible {
    /// The property's name as docs/testing.md has it, such as `R1 one leader per term`.
    package var property: String
    /// What was seen, with the numbers.
    package var what: String

    package var description: String { "\(property): \(what)" }
}
