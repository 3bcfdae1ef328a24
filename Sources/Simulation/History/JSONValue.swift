/// JSON as a value, for histories: integers of 64 bits stay exact, fields keep their order.
///
/// Source: RFC 8259. Nesting is bounded, since histories are read from files that a crash may have
/// cut.
package indirect enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    /// A number that is no 64-bit integer; nothing in a history is one.
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object([Field])

    package struct Field: Equatable, Sendable {
        package var name: String
        package var value: JSONValue

        package init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    package static let depthMax = 128

    package subscript(name: String) -> JSONValue? {
        guard case .object(let fields) = self else { return nil }
        return fields.first { $0.name == name }?.value
    }

    /// Appends the text, without white space.
    package func encode(into bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let flag): bytes += (flag ? "true" : "false").utf8
        case .int(let number): bytes += String(number).utf8
        case .double(let number): bytes += String(number).utf8
        case .string(let text): JSONValue.encode(text, into: &bytes)
        case .array(let items):
            bytes.append(UInt8(ascii: "["))
            for (place, item) in items.enumerated() {
                if place > 0 { bytes.append(UInt8(ascii: ",")) }
                item.encode(into: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let fields):
            bytes.append(UInt8(ascii: "{"))
            for (place, field) in fields.enumerated() {
                if place > 0 { bytes.append(UInt8(ascii: ",")) }
                JSONValue.encode(field.name, into: &bytes)
                bytes.append(UInt8(ascii: ":"))
                field.value.encode(into: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    private static func encode(_ text: String, into bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20:
                bytes += (byte < 16 ? "\\u000" : "\\u00").utf8
                bytes += String(byte, radix: 16).utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

/// Where a text stops being JSON, counted in bytes from its start.
package struct JSONError: Error, Equatable, Sendable {
    package var offset: Int
    package var expected: String

    package init(offset: Int, expected: String) {
        self.offset = offset
        self.expected = expected
    }
}

/// Reads one JSON text.
package struct JSONParser {
    private let bytes: ArraySlice<UInt8>
    private var at: Int
    private var depth = 0

    private init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    package static func parse(_ bytes: ArraySlice<UInt8>) throws(JSONError) -> JSONValue {
        var parser = JSONParser(bytes)
        let value = try parser.value()
        parser.skipSpace()
        guard parser.at == bytes.endIndex else { throw parser.error("the end") }
        return value
    }

    private func error(_ expected: String) -> JSONError {
        JSONError(offset: at - bytes.startIndex, expected: expected)
    }

    private var next: UInt8? { at < bytes.endIndex ? bytes[at] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
            at += 1
        }
    }

    private mutating func take(_ character: Unicode.Scalar) throws(JSONError) {
        guard next == UInt8(ascii: character) else { throw error("'\(character)'") }
        at += 1
    }

    private mutating func value() throws(JSONError) -> JSONValue {
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func enter() throws(JSONError) {
        at += 1
        depth += 1
        guard depth <= JSONValue.depthMax else {
            throw error("at most \(JSONValue.depthMax) levels")
        }
    }

    private mutating func object() throws(JSONError) -> JSONValue {
        try enter()
        var fields: [JSONValue.Field] = []
        skipSpace()
        if next != UInt8(ascii: "}") {
            while true {
                skipSpace()
                guard next == UInt8(ascii: "\"") else { throw error("a field's name") }
                let name = try string()
                skipSpace()
                try take(":")
                fields.append(JSONValue.Field(name: name, value: try value()))
                skipSpace()
                guard next == UInt8(ascii: ",") else { break }
                at += 1
            }
        }
        try take("}")
        depth -= 1
        return .object(fields)
    }

    private mutating func array() throws(JSONError) -> JSONValue {
        try enter()
        var items: [JSONValue] = []
        skipSpace()
        if next != UInt8(ascii: "]") {
            while true {
                items.append(try value())
                skipSpace()
                guard next == UInt8(ascii: ",") else { break }
                at += 1
            }
        }
        try take("]")
        depth -= 1
        return .array(items)
    }

    private mutating func word(_ text: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
        guard bytes[at...].starts(with: text.utf8) else { throw error(text) }
        at += text.utf8.count
        return value
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = at
        let allowed = "+-.eE0123456789".utf8
        while let byte = next, allowed.contains(byte) { at += 1 }
        guard at > start else { throw error("a value") }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        if let whole = Int64(text) { return .int(whole) }
        guard let double = Double(text) else { throw error("a number") }
        return .double(double)
    }

    private mutating func string() throws(JSONError) -> String {
        at += 1
        var raw: [UInt8] = []
        while let byte = next, byte != UInt8(ascii: "\"") {
            at += 1
            guard byte == UInt8(ascii: "\\") else {
                raw.append(byte)
                continue
            }
            guard let escape = next else { throw error("an escape") }
            at += 1
            switch escape {
            case UInt8(ascii: "n"): raw.append(0x0A)
            case UInt8(ascii: "t"): raw.append(0x09)
            case UInt8(ascii: "r"): raw.append(0x0D)
            case UInt8(ascii: "b"): raw.append(0x08)
            case UInt8(ascii: "f"): raw.append(0x0C)
            case UInt8(ascii: "u"): raw += String(Character(try unicode())).utf8
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): raw.append(escape)
            default: throw error("an escape")
            }
        }
        try take("\"")
        guard let text = String(validating: raw, as: UTF8.self) else { throw error("UTF-8") }
        return text
    }

    private mutating func hexadecimal() throws(JSONError) -> UInt32 {
        guard at + 4 <= bytes.endIndex else { throw error("four hexadecimal digits") }
        let text = String(decoding: bytes[at..<(at + 4)], as: UTF8.self)
        guard let number = UInt32(text, radix: 16) else { throw error("four hexadecimal digits") }
        at += 4
        return number
    }

    private mutating func unicode() throws(JSONError) -> Unicode.Scalar {
        var code = try hexadecimal()
        if (0xD800..<0xDC00).contains(code) {
            try take("\\")
            try take("u")
            let low = try hexadecimal()
            guard (0xDC00..<0xE000).contains(low) else { throw error("a low surrogate") }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw error("a character") }
        return scalar
    }
}
