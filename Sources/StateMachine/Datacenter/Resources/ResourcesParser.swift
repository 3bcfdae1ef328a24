/// Reads `cpus:4;mem:2048;ports:[31000-31999,32000-32010];zone:{a,b};cpus(role):2`, the form of
/// Mesos's `--resources` (docs/attributes-resources.md). A role in parentheses is a static
/// reservation. White space around parts and empty parts are allowed; the order means nothing.
package struct ResourcesParser {
    private let text: Substring.UTF8View
    private let start: Substring.UTF8View.Index

    /// - Throws: ``ResourcesParseError``.
    package static func parse(_ text: String) throws(ResourcesParseError) -> Resources {
        guard text.utf8.count <= ResourceLimits.parsedBytesMax else {
            throw ResourcesParseError(
                offset: 0, part: String(text.prefix(20)),
                reason: .tooLong(limit: ResourceLimits.parsedBytesMax))
        }
        let whole = text[...].utf8
        let parser = ResourcesParser(text: whole, start: whole.startIndex)
        var entries: [ResourceEntry] = []
        for part in whole.split(separator: UInt8(ascii: ";")) {
            let trimmed = parser.trimmed(part)
            if !trimmed.isEmpty { entries.append(try parser.entry(trimmed)) }
        }
        do { return try Resources(entries) } catch { throw parser.error(whole, .refused(error)) }
    }

    private typealias Part = Substring.UTF8View

    private func entry(_ part: Part) throws(ResourcesParseError) -> ResourceEntry {
        guard let colon = part.firstIndex(of: UInt8(ascii: ":")) else {
            throw error(part, .missingColon)
        }
        var name = trimmed(part[..<colon])
        let value = trimmed(part[part.index(after: colon)...])
        var reservations: [Reservation] = []
        if let opening = name.firstIndex(of: UInt8(ascii: "(")) {
            guard name.last == UInt8(ascii: ")") else { throw error(name, .unclosed(")")) }
            let role = trimmed(name[name.index(after: opening)...].dropLast())
            name = trimmed(name[..<opening])
            // Everybody's role is no reservation.
            let path = ByteText(String(Substring(role)))
            if path != ResourceNames.anyRole {
                reservations = [Reservation(.fixed, role: path)]
            }
        }
        guard !name.isEmpty else { throw error(part, .missingName) }
        guard !value.isEmpty else { throw error(part, .missingValue) }
        let entry = ResourceEntry(
            ByteText(String(Substring(name))), try self.value(value), reservations: reservations)
        do { try entry.validate() } catch { throw self.error(part, .refused(error)) }
        return entry
    }

    private func value(_ part: Part) throws(ResourcesParseError) -> ResourceValue {
        guard let first = part.first else { throw error(part, .missingValue) }
        switch first {
        case UInt8(ascii: "["):
            guard part.last == UInt8(ascii: "]") else { throw error(part, .unclosed("]")) }
            return .ranges(try ranges(part.dropFirst().dropLast()))
        case UInt8(ascii: "{"):
            guard part.last == UInt8(ascii: "}") else { throw error(part, .unclosed("}")) }
            return .items(try items(part.dropFirst().dropLast()))
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"),
            UInt8(ascii: "."):
            guard let amount = Thousandths.parse(part) else { throw error(part, .notANumber) }
            return .scalar(amount)
        default: throw error(part, .notAValue)
        }
    }

    private func ranges(_ inside: Part) throws(ResourcesParseError) -> ResourceRanges {
        if trimmed(inside).isEmpty { return .empty }
        var pairs: [(begin: UInt64, end: UInt64)] = []
        for part in inside.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let ends = part.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
            guard ends.count == 2, let begin = number(trimmed(ends[0])),
                let end = number(trimmed(ends[1])), begin <= end
            else { throw error(part, .notARange) }
            pairs.append((begin, end))
        }
        do { return try ResourceRanges(pairs) } catch { throw self.error(inside, .refused(error)) }
    }

    private func number(_ digits: Part) -> UInt64? {
        guard let first = digits.first, first != UInt8(ascii: "+") else { return nil }
        return UInt64(String(Substring(digits)))
    }

    private func items(_ inside: Part) throws(ResourcesParseError) -> [ByteText] {
        if trimmed(inside).isEmpty { return [] }
        var items: [ByteText] = []
        for part in inside.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let item = trimmed(part)
            guard !item.isEmpty else { throw error(part, .emptyItem) }
            items.append(ByteText(String(Substring(item))))
        }
        items.sort()
        for (one, next) in zip(items, items.dropFirst()) where one == next {
            throw error(inside, .refused(.duplicateItem(one)))
        }
        return items
    }

    private func trimmed(_ part: Part) -> Part {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || ($0 >= 0x09 && $0 <= 0x0D) }
        guard let first = part.firstIndex(where: { !isSpace($0) }),
            let last = part.lastIndex(where: { !isSpace($0) })
        else { return part[part.startIndex..<part.startIndex] }
        return part[first...last]
    }

    private func error(_ part: Part, _ reason: ResourcesParseError.Reason) -> ResourcesParseError {
        let shown = String(decoding: part.prefix(40), as: UTF8.self)
        return ResourcesParseError(
            offset: text.distance(from: start, to: part.startIndex), part: shown, reason: reason)
    }
}
