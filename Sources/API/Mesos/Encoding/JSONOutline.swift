/// The places of objects, arrays and their members in JSON text, without what they mean. It is
/// for text that a decoder has refused, and it stops quietly where text is no JSON.
struct JSONOutline {
    struct Member: Equatable {
        /// With its quotes; nil in an array.
        var key: Range<Int>?
        var value: Range<Int>
    }

    let text: [UInt8]

    init(_ text: [UInt8]) { self.text = text }

    /// Whether no more than `max` objects and arrays are open at any place.
    static func depth(of text: [UInt8], atMost max: Int) -> Bool {
        var depth = 0
        var isString = false
        var isEscaped = false
        for byte in text {
            if isString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                if depth > max { return false }
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
        }
        return true
    }

    /// The path of the innermost value that fails on its own: the text is cut down to one member
    /// at each level, which `fails` looks at. Empty where the fault is not in a single member.
    ///
    /// Cost: at most ``trialsMax`` calls of `fails`, and one for each level.
    func pathOfFailure(_ fails: ([UInt8]) -> Bool) -> String {
        var path = ""
        var before: [UInt8] = []
        var after: [UInt8] = []
        var value = 0..<text.count
        var trials = 0
        search: while true {
            let members = members(of: value)
            // Where even an empty list or object is wrong, its members are not to blame.
            let isObject = members.first?.key != nil
            if members.isEmpty || fails(before + Array((isObject ? "{}" : "[]").utf8) + after) {
                return path
            }
            for (index, member) in members.enumerated() {
                trials += 1
                if trials > Self.trialsMax { return path }
                let opening = member.key.map {
                    [UInt8(ascii: "{")] + text[$0] + [UInt8(ascii: ":")]
                }
                let inner = before + (opening ?? [UInt8(ascii: "[")])
                let outer = [member.key == nil ? UInt8(ascii: "]") : UInt8(ascii: "}")] + after
                guard fails(inner + text[member.value] + outer) else { continue }
                path += Self.step(member.key.map { text[$0] }, index, isFirst: path.isEmpty)
                (before, after, value) = (inner, outer, member.value)
                continue search
            }
            return path
        }
    }

    static let trialsMax = 2_000
    /// Bytes of a name within a path, which goes into an answer.
    static let nameBytesMax = 64

    private static func step(_ key: ArraySlice<UInt8>?, _ index: Int, isFirst: Bool) -> String {
        guard let key else { return "[\(index)]" }
        let name = String(decoding: key.dropFirst().dropLast().prefix(nameBytesMax), as: UTF8.self)
        return isFirst ? name : ".\(name)"
    }

    /// The members of the object or array at `range`, up to the first that is not closed.
    func members(of range: Range<Int>) -> [Member] {
        var found: [Member] = []
        var position = skipSpace(range.lowerBound)
        guard position < range.upperBound else { return [] }
        let isObject = text[position] == UInt8(ascii: "{")
        guard isObject || text[position] == UInt8(ascii: "[") else { return [] }
        position += 1
        while position < range.upperBound {
            var key: Range<Int>?
            position = skipSpace(position)
            if isObject {
                guard let end = endOfString(position) else { return found }
                key = position..<end
                position = skipSpace(end)
                guard position < range.upperBound, text[position] == UInt8(ascii: ":") else {
                    return found
                }
                position = skipSpace(position + 1)
            }
            let end = endOfValue(position)
            guard end > position, end <= range.upperBound else { return found }
            found.append(Member(key: key, value: position..<end))
            position = skipSpace(end)
            guard position < range.upperBound, text[position] == UInt8(ascii: ",") else {
                return found
            }
            position += 1
        }
        return found
    }

    private func skipSpace(_ start: Int) -> Int {
        var position = start
        while position < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[position]) {
            position += 1
        }
        return position
    }

    private func endOfString(_ start: Int) -> Int? {
        guard start < text.count, text[start] == UInt8(ascii: "\"") else { return nil }
        var position = start + 1
        while position < text.count {
            switch text[position] {
            case UInt8(ascii: "\\"): position += 2
            case UInt8(ascii: "\""): return position + 1
            default: position += 1
            }
        }
        return nil
    }

    /// The first place after a value at which a comma or a closing bracket of its parent stands.
    private func endOfValue(_ start: Int) -> Int {
        var position = start
        var depth = 0
        while position < text.count {
            switch text[position] {
            case UInt8(ascii: "\""):
                guard let end = endOfString(position) else { return text.count }
                position = end
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return position }
                depth -= 1
            case UInt8(ascii: ","):
                if depth == 0 { return position }
            default: break
            }
            position += 1
        }
        return text.count
    }
}
