/// A JSON text as a value: what Marathon's API speaks. Members keep their order.
package indirect enum MarathonJSON: Equatable, Sendable, ExpressibleByStringLiteral,
    ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral
{
    package struct Member: Equatable, Sendable {
        package var name: String
        package var value: MarathonJSON

        package init(_ name: String, _ value: MarathonJSON) {
            self.name = name
            self.value = value
        }
    }

    case null
    case bool(Bool)
    case integer(Int64)
    case decimal(Double)
    case text(String)
    case list([MarathonJSON])
    case object([Member])

    package init(stringLiteral text: String) { self = .text(text) }
    package init(integerLiteral number: Int64) { self = .integer(number) }
    package init(booleanLiteral flag: Bool) { self = .bool(flag) }
    package init(arrayLiteral elements: MarathonJSON...) { self = .list(elements) }

    /// Thousandths as a number: `0.1`, `128`.
    package init(thousandths: Int64) {
        self =
            thousandths % 1_000 == 0
            ? .integer(thousandths / 1_000) : .decimal(Double(thousandths) / 1_000)
    }

    /// Milliseconds as seconds.
    package init(seconds milliseconds: UInt64) {
        self.init(thousandths: Int64(clamping: milliseconds))
    }

    package static func object(_ members: (String, MarathonJSON)...) -> MarathonJSON {
        .object(members.map { Member($0.0, $0.1) })
    }

    /// The member of that name, the last where there are several; nil where there is none.
    package subscript(name: String) -> MarathonJSON? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name == name }?.value
    }

    package mutating func append(_ name: String, _ value: MarathonJSON?) {
        guard let value, case .object(var members) = self else { return }
        members.append(Member(name, value))
        self = .object(members)
    }

    // MARK: - Writing

    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        write(into: &bytes)
        return bytes
    }

    private func write(into bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let flag): bytes += (flag ? "true" : "false").utf8
        case .integer(let number): bytes += String(number).utf8
        case .decimal(let number): bytes += (number.isFinite ? "\(number)" : "null").utf8
        case .text(let text): Self.write(text, into: &bytes)
        case .list(let elements):
            bytes.append(UInt8(ascii: "["))
            for (place, element) in elements.enumerated() {
                if place > 0 { bytes.append(UInt8(ascii: ",")) }
                element.write(into: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            for (place, member) in members.enumerated() {
                if place > 0 { bytes.append(UInt8(ascii: ",")) }
                Self.write(member.name, into: &bytes)
                bytes.append(UInt8(ascii: ":"))
                member.value.write(into: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    private static func write(_ text: String, into bytes: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): bytes += "\\\"".utf8
            case UInt8(ascii: "\\"): bytes += "\\\\".utf8
            case 0x0A: bytes += "\\n".utf8
            case 0x0D: bytes += "\\r".utf8
            case 0x09: bytes += "\\t".utf8
            case 0..<0x20:
                bytes += "\\u00".utf8
                bytes += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
