/// Writes JSON text piece by piece, without a tree of values.
///
/// Names of fields and of members come out in the order in which they are written.
package struct JSONWriter: Sendable {
    /// UTF-8.
    package private(set) var text: [UInt8] = []
    /// Whether the next member is the first of its object or list.
    private var isFirst = true

    package init() {}

    /// The text of one object.
    package static func object(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.braces(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
        return writer.text
    }

    package mutating func object(_ name: String, _ body: (inout JSONWriter) -> Void) {
        key(name)
        braces(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
    }

    package mutating func array(_ name: String, _ body: (inout JSONWriter) -> Void) {
        key(name)
        braces(UInt8(ascii: "["), UInt8(ascii: "]"), body)
    }

    /// A list with an object for each element.
    package mutating func array<Elements: Sequence>(
        _ name: String, of elements: Elements,
        _ body: (inout JSONWriter, Elements.Element) -> Void
    ) {
        array(name) { list in
            for element in elements { list.element { body(&$0, element) } }
        }
    }

    package mutating func array(_ name: String, of texts: some Sequence<String>) {
        array(name) { list in
            for text in texts { list.element(text) }
        }
    }

    /// An object within a list.
    package mutating func element(_ body: (inout JSONWriter) -> Void) {
        comma()
        braces(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
    }

    package mutating func element(_ value: String) {
        comma()
        string(value)
    }

    package mutating func field(_ name: String, _ value: String) {
        key(name)
        string(value)
    }

    /// Nothing where there is no value.
    package mutating func field(_ name: String, ifSet value: String?) {
        if let value { field(name, value) }
    }

    package mutating func field(_ name: String, _ value: Bool) {
        key(name)
        text += (value ? "true" : "false").utf8
    }

    package mutating func field(_ name: String, _ value: some FixedWidthInteger) {
        key(name)
        text += String(value).utf8
    }

    /// JSON has no infinity and no NaN: they are null.
    package mutating func field(_ name: String, _ value: Double) {
        key(name)
        text += (value.isFinite ? "\(value)" : "null").utf8
    }

    /// - Parameter json: one whole value, such as ``MesosJSON/encode(_:)`` writes.
    package mutating func field(_ name: String, json: [UInt8]) {
        key(name)
        text += json
    }

    package mutating func element(json: [UInt8]) {
        comma()
        text += json
    }

    private mutating func braces(
        _ open: UInt8, _ close: UInt8, _ body: (inout JSONWriter) -> Void
    ) {
        text.append(open)
        isFirst = true
        body(&self)
        text.append(close)
        isFirst = false
    }

    private mutating func comma() {
        if !isFirst { text.append(UInt8(ascii: ",")) }
        isFirst = false
    }

    private mutating func key(_ name: String) {
        comma()
        string(name)
        text.append(UInt8(ascii: ":"))
    }

    private mutating func string(_ value: String) {
        text.append(UInt8(ascii: "\""))
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
            case 0x0A: text += "\\n".utf8
            case 0x00..<0x20, 0x7F:
                let digits = Array("0123456789abcdef".utf8)
                text += "\\u00".utf8
                text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: text.append(byte)
            }
        }
        text.append(UInt8(ascii: "\""))
    }
}
