/// The members of one JSON object, as etcd writes a member of its cluster: text, numbers, booleans
/// and lists of text. Anything else, and anything nested, is refused.
struct JSONFields {
    enum Value: Equatable {
        case text(String)
        case number(UInt64)
        case flag(Bool)
        case texts([String])
        case null
    }

    struct Malformed: Error {}

    static let fieldsMax = 64
    static let textsMax = 1024

    private(set) var fields: [(name: String, value: Value)] = []
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) throws(Malformed) {
        self.bytes = bytes
        try expect("{")
        if !takes("}") {
            repeat {
                guard fields.count < Self.fieldsMax else { throw Malformed() }
                let name = try text()
                try expect(":")
                fields.append((name, try value()))
            } while takes(",")
            try expect("}")
        }
        skipSpace()
        guard position == bytes.count else { throw Malformed() }
    }

    subscript(_ name: String) -> Value? { fields.last { $0.name == name }?.value }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) {
            position += 1
        }
    }

    private mutating func takes(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, UInt32(bytes[position]) == character.value else {
            return false
        }
        position += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(Malformed) {
        guard takes(character) else { throw Malformed() }
    }

    private mutating func takes(word: String) -> Bool {
        guard bytes[position...].starts(with: word.utf8) else { return false }
        position += word.utf8.count
        return true
    }

    private mutating func value() throws(Malformed) -> Value {
        skipSpace()
        if takes(word: "true") { return .flag(true) }
        if takes(word: "false") { return .flag(false) }
        if takes(word: "null") { return .null }
        guard takes("[") else {
            if position < bytes.count, bytes[position] == UInt8(ascii: "\"") {
                return .text(try text())
            }
            return .number(try number())
        }
        var texts: [String] = []
        if takes("]") { return .texts([]) }
        repeat {
            guard texts.count < Self.textsMax else { throw Malformed() }
            texts.append(try text())
        } while takes(",")
        try expect("]")
        return .texts(texts)
    }

    private mutating func number() throws(Malformed) -> UInt64 {
        let digits = bytes[position...].prefix { (0x30...0x39).contains($0) }
        guard let number = UInt64(String(decoding: digits, as: UTF8.self)) else {
            throw Malformed()
        }
        position += digits.count
        return number
    }

    private mutating func text() throws(Malformed) -> String {
        try expect("\"")
        var utf8: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: utf8, as: UTF8.self) else { throw Malformed() }
                return text
            case UInt8(ascii: "\\"): utf8 += try escaped()
            case 0..<0x20: throw Malformed()
            default: utf8.append(byte)
            }
        }
        throw Malformed()
    }

    private mutating func escaped() throws(Malformed) -> [UInt8] {
        guard position < bytes.count else { throw Malformed() }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            var unit = try hexadecimal()
            if (0xD800..<0xDC00).contains(unit) {
                guard takes(word: "\\u") else { throw Malformed() }
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw Malformed() }
                unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(unit) else { throw Malformed() }
            return Array(String(scalar).utf8)
        default: throw Malformed()
        }
    }

    private mutating func hexadecimal() throws(Malformed) -> UInt32 {
        let digits = bytes[position...].prefix(4)
        guard digits.count == 4, digits.first != UInt8(ascii: "+"), digits.first != 0x2D,
            let unit = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw Malformed() }
        position += 4
        return unit
    }
}
