package import Primitives

extension ByteWriter {
    package mutating func write(_ flag: Bool) { write(UInt8(flag ? 1 : 0)) }

    package mutating func writeOptional(_ text: String?) {
        write(text != nil)
        if let text { writeLengthPrefixed(text) }
    }

    package mutating func writeList<Element>(
        _ list: [Element], _ body: (inout ByteWriter, Element) -> Void
    ) {
        write(UInt32(list.count))
        for element in list { body(&self, element) }
    }
}

extension ByteReader {
    package mutating func readFlag() throws(Primitives.DecodingError) -> Bool {
        let start = offset
        switch try read(UInt8.self) {
        case 0: return false
        case 1: return true
        default: throw .invalid(field: "flag", offset: start)
        }
    }

    package mutating func readText() throws(Primitives.DecodingError) -> String {
        try readString(limit: AgentLimits.specBytesMax)
    }

    package mutating func readOptionalText() throws(Primitives.DecodingError) -> String? {
        try readFlag() ? try readText() : nil
    }

    /// Elements have at least one byte each, so a count beyond what is left is refused unread.
    package mutating func readList<Element>(
        max: Int, _ body: (inout ByteReader) throws(Primitives.DecodingError) -> Element
    ) throws(Primitives.DecodingError) -> [Element] {
        let start = offset
        let count = Int(try read(UInt32.self))
        guard count <= max, count <= remaining else {
            throw .invalid(field: "count", offset: start)
        }
        var list: [Element] = []
        for _ in 0..<count { list.append(try body(&self)) }
        return list
    }

    package mutating func readIdentifier<Kind>()
        throws(Primitives.DecodingError) -> Identifier<Kind>
    {
        let start = offset
        let text = try readText()
        do {
            return try Identifier(text)
        } catch {
            throw .invalid(field: "identifier", offset: start)
        }
    }
}
