/// Swift source with comments and the contents of string literals blanked out, so that a rule about
/// calls does not trip over words. Lines and columns stay where they were; the code inside an
/// interpolation stays.
struct SourceText {
    private let input: [UInt8]
    private var output: [UInt8]
    private var position = 0

    static func blanked(_ text: String) -> String {
        var source = SourceText(text)
        source.code(inInterpolation: false)
        return String(decoding: source.output, as: UTF8.self)
    }

    private init(_ text: String) {
        input = Array(text.utf8)
        output = []
        output.reserveCapacity(input.count)
    }

    private func byte(_ offset: Int = 0) -> UInt8? {
        position + offset < input.count ? input[position + offset] : nil
    }

    private mutating func keep(_ count: Int = 1) {
        for _ in 0..<count where position < input.count {
            output.append(input[position])
            position += 1
        }
    }

    private mutating func blank(_ count: Int = 1) {
        for _ in 0..<count where position < input.count {
            output.append(input[position] == UInt8(ascii: "\n") ? UInt8(ascii: "\n") : 0x20)
            position += 1
        }
    }

    private func follows(_ text: StaticString, at offset: Int = 0) -> Bool {
        let start = position + offset
        guard start + text.utf8CodeUnitCount <= input.count else { return false }
        return text.withUTF8Buffer { buffer in
            for (index, wanted) in buffer.enumerated() where input[start + index] != wanted {
                return false
            }
            return true
        }
    }

    private mutating func code(inInterpolation: Bool) {
        var depth = 0
        while let current = byte() {
            if follows("//") {
                while let next = byte(), next != UInt8(ascii: "\n") { blank() }
            } else if follows("/*") {
                blockComment()
            } else if current == UInt8(ascii: "\"") {
                string(hashes: 0)
            } else if current == UInt8(ascii: "#") {
                var hashes = 1
                while byte(hashes) == UInt8(ascii: "#") { hashes += 1 }
                if byte(hashes) == UInt8(ascii: "\"") { string(hashes: hashes) } else { keep() }
            } else {
                if inInterpolation {
                    if current == UInt8(ascii: "(") { depth += 1 }
                    if current == UInt8(ascii: ")") {
                        if depth == 0 { return }
                        depth -= 1
                    }
                }
                keep()
            }
        }
    }

    private mutating func blockComment() {
        var depth = 0
        while byte() != nil {
            if follows("/*") {
                depth += 1
                blank(2)
            } else if follows("*/") {
                depth -= 1
                blank(2)
                if depth == 0 { return }
            } else {
                blank()
            }
        }
    }

    private func hashesFollow(_ count: Int, at offset: Int) -> Bool {
        (0..<count).allSatisfy { byte(offset + $0) == UInt8(ascii: "#") }
    }

    private mutating func string(hashes: Int) {
        let isMultiline = follows("\"\"\"", at: hashes)
        let quotes = isMultiline ? 3 : 1
        blank(hashes + quotes)
        while let current = byte() {
            if current == UInt8(ascii: "\\"), hashesFollow(hashes, at: 1) {
                let escaped = byte(1 + hashes)
                blank(1 + hashes)
                if escaped == UInt8(ascii: "(") {
                    blank()
                    code(inInterpolation: true)
                }
                blank()
            } else if isMultiline ? follows("\"\"\"") : current == UInt8(ascii: "\""),
                hashesFollow(hashes, at: quotes)
            {
                blank(quotes + hashes)
                return
            } else if !isMultiline, current == UInt8(ascii: "\n") {
                return
            } else {
                blank()
            }
        }
    }
}
