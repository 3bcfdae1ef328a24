/// Reads a JSON text (RFC 8259). Total: any bytes give a value or an error with its place.
package struct MarathonJSONParser {
    package struct Problem: Error, Equatable, Sendable {
        package var message: String
        /// In bytes from the start.
        package var offset: Int
    }

    package static let depthMax = 64
    package static let bytesMax = 8 << 20

    private let bytes: [UInt8]
    private var place = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    package static func parse(_ bytes: [UInt8]) throws(Problem) -> MarathonJSON {
        guard bytes.count <= bytesMax else {
            throw Problem(message: "more than \(bytesMax) bytes", offset: bytesMax)
        }
        var parser = MarathonJSONParser(bytes)
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.place == bytes.count else {
            throw parser.problem("something stands behind the value")
        }
        return value
    }

    private func problem(_ message: String) -> Problem { Problem(message: message, offset: place) }

    private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            place += 1
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard next == byte else { return false }
        place += 1
        return true
    }

    private mutating func value(depth: Int) throws(Problem) -> MarathonJSON {
        guard depth < Self.depthMax else { throw problem("nested deeper than \(Self.depthMax)") }
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try list(depth: depth)
        case UInt8(ascii: "\""): return .text(try text())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw problem("the text ends where a value is to be")
        default: return try number()
        }
    }

    private mutating func word(
        _ word: String, _ value: MarathonJSON
    ) throws(Problem) -> MarathonJSON {
        guard bytes[place...].starts(with: word.utf8) else { throw problem("no JSON value") }
        place += word.utf8.count
        return value
    }

    private mutating func object(depth: Int) throws(Problem) -> MarathonJSON {
        place += 1
        var members: [MarathonJSON.Member] = []
        if take(UInt8(ascii: "}")) { return .object(members) }
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw problem("no name of a member") }
            let name = try text()
            guard take(UInt8(ascii: ":")) else { throw problem("no colon behind a name") }
            members.append(.init(name, try value(depth: depth + 1)))
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw problem("an object without its end") }
        return .object(members)
    }

    private mutating func list(depth: Int) throws(Problem) -> MarathonJSON {
        place += 1
        var elements: [MarathonJSON] = []
        if take(UInt8(ascii: "]")) { return .list(elements) }
        repeat {
            elements.append(try value(depth: depth + 1))
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw problem("a list without its end") }
        return .list(elements)
    }

    private mutating func number() throws(Problem) -> MarathonJSON {
        let start = place
        while let byte = next,
            (byte >= 0x30 && byte <= 0x39) || [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains(byte)
        { place += 1 }
        let digits = String(decoding: bytes[start..<place], as: UTF8.self)
        if let number = Int64(digits), !digits.hasPrefix("+") { return .integer(number) }
        let begins = digits.utf8.first.map { $0 == 0x2D || ($0 >= 0x30 && $0 <= 0x39) } ?? false
        guard begins, let number = Double(digits), number.isFinite else {
            place = start
            throw problem("no JSON value")
        }
        return .decimal(number)
    }

    private mutating func text() throws(Problem) -> String {
        place += 1
        var raw: [UInt8] = []
        while let byte = next {
            place += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: raw, as: UTF8.self) else {
                    throw problem("a text that is not UTF-8")
                }
                return text
            case UInt8(ascii: "\\"): try escape(into: &raw)
            case 0..<0x20: throw problem("a control character in a text")
            default: raw.append(byte)
            }
        }
        throw problem("a text without its end")
    }

    private mutating func escape(into raw: inout [UInt8]) throws(Problem) {
        guard let byte = next else { throw problem("a text without its end") }
        place += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): raw.append(byte)
        case UInt8(ascii: "b"): raw.append(0x08)
        case UInt8(ascii: "f"): raw.append(0x0C)
        case UInt8(ascii: "n"): raw.append(0x0A)
        case UInt8(ascii: "r"): raw.append(0x0D)
        case UInt8(ascii: "t"): raw.append(0x09)
        case UInt8(ascii: "u"): raw += try unicode()
        default: throw problem("an unknown escape")
        }
    }

    /// One scalar, of two halves where it needs them.
    private mutating func unicode() throws(Problem) -> [UInt8] {
        var code = try hexadecimal()
        if code >= 0xD800, code < 0xDC00, place + 1 < bytes.count,
            bytes[place] == UInt8(ascii: "\\"), bytes[place + 1] == UInt8(ascii: "u")
        {
            place += 2
            let low = try hexadecimal()
            guard low >= 0xDC00, low < 0xE000 else { throw problem("half a character") }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw problem("half a character") }
        return Array(String(Character(scalar)).utf8)
    }

    private mutating func hexadecimal() throws(Problem) -> UInt32 {
        guard place + 4 <= bytes.count else { throw problem("a text without its end") }
        var code: UInt32 = 0
        for byte in bytes[place..<(place + 4)] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw problem("an unknown escape")
            }
            code = code << 4 | UInt32(digit)
        }
        place += 4
        return code
    }
}
