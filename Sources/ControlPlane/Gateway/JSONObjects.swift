/// Cuts a body into the JSON objects that stand in it one behind the other. It looks at braces and
/// strings only: whether each is sound is for the decoder to say.
package enum JSONObjects {
    /// How many one body may have.
    static let objectsMax = 10_000

    /// - Returns: nil where the body does not end with an object's end, or has too many.
    package static func split(_ body: [UInt8]) -> [[UInt8]]? {
        var found: [[UInt8]] = []
        var depth = 0
        var start = 0
        var isInString = false
        var isEscaped = false
        for (place, byte) in body.enumerated() {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"):
                if depth == 0 { start = place }
                depth += 1
            case UInt8(ascii: "}"):
                depth -= 1
                if depth < 0 { return nil }
                if depth == 0 {
                    if found.count == objectsMax { return nil }
                    found.append(Array(body[start...place]))
                }
            case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"):
                break
            default: if depth == 0 { return nil }
            }
        }
        return depth == 0 && !isInString ? found : nil
    }
}
