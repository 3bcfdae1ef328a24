/// Where and why a text is not resources.
package struct ResourcesParseError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        case tooLong(limit: Int)
        case missingColon
        case missingName
        case missingValue
        case unclosed(Character)
        /// Neither a number, nor `[ranges]`, nor `{items}`.
        case notAValue
        case notANumber
        case notARange
        case emptyItem
        /// Well written, and not allowed.
        case refused(ResourcesError)
    }

    /// In bytes from the beginning of the text.
    package let offset: Int
    /// What stands there, or the beginning of it.
    package let part: String
    package let reason: Reason

    package init(offset: Int, part: String, reason: Reason) {
        self.offset = offset
        self.part = part
        self.reason = reason
    }

    package var description: String {
        "at byte \(offset), '\(part)': \(explanation)"
    }

    private var explanation: String {
        switch reason {
        case .tooLong(let limit): return "more than \(limit) bytes"
        case .missingColon: return "expected 'name:value'"
        case .missingName: return "a name is missing before ':' or '('"
        case .missingValue: return "a value is missing after ':'"
        case .unclosed(let bracket): return "'\(bracket)' is missing"
        case .notAValue: return "expected a number, '[begin-end,…]' or '{item,…}'"
        case .notANumber:
            return "expected a number such as 4 or 0.5, not negative and not too large"
        case .notARange: return "expected 'begin-end' with begin <= end"
        case .emptyItem: return "an item of a set is empty"
        case .refused(let error): return "not allowed: \(error)"
        }
    }
}
