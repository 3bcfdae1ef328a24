/// An Accept header (RFC 9110 §12.5.1). What it cannot read it takes for not accepted.
struct MediaRanges {
    /// More than any client sends; the rest is not looked at.
    static let countMax = 64

    /// Types in lower case and their qualities in thousandths; nil without a header.
    private let ranges: [(type: String, quality: Int)]?

    init(_ header: String?) {
        ranges = header.map {
            $0.split(separator: ",", maxSplits: Self.countMax).prefix(Self.countMax).map(Self.range)
        }
    }

    /// The one with the highest quality above zero, and the first of those. Without a header, the
    /// first.
    func best(of offered: [MesosContentType]) -> MesosContentType? {
        var best: (type: MesosContentType, quality: Int)?
        for type in offered {
            let quality = quality(of: type)
            if quality > best?.quality ?? 0 { best = (type, quality) }
        }
        return best?.type
    }

    /// That of the most specific range that fits.
    private func quality(of type: MesosContentType) -> Int {
        guard let ranges else { return 1_000 }
        for candidate in [type.rawValue, "application/*", "*/*"] {
            if let range = ranges.first(where: { $0.type == candidate }) { return range.quality }
        }
        return 0
    }

    private static func range(_ text: Substring) -> (type: String, quality: Int) {
        let parts = text.filter { !$0.isWhitespace }.lowercased().split(
            separator: ";", omittingEmptySubsequences: false)
        let quality = parts.dropFirst().first { $0.hasPrefix("q=") }.map { $0.dropFirst(2) }
        return (String(parts[0]), quality.map(thousandths) ?? 1_000)
    }

    /// `0`, `1`, or up to three digits after a point. 0 for anything else.
    private static func thousandths(_ text: Substring) -> Int {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let digits = parts.dropFirst().first ?? ""
        guard parts.count <= 2, digits.utf8.count <= 3, parts[0] == "0" || parts[0] == "1",
            let fraction = UInt16(digits + String(repeating: "0", count: 3 - digits.utf8.count))
        else { return 0 }
        return min(1_000, (parts[0] == "1" ? 1_000 : 0) + Int(fraction))
    }
}
