/// Reads the text of a ``TextPattern``.
struct TextPatternParser {
    private let scalars: [Unicode.Scalar]
    private var place = 0

    static let repetitionsMax = 200

    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    /// Nil where it is none.
    mutating func parse() -> TextPatternNode? {
        guard let node = alternatives(depth: 0), place == scalars.count else { return nil }
        return node
    }

    private var next: Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        place += 1
        return true
    }

    private mutating func alternatives(depth: Int) -> TextPatternNode? {
        guard depth <= TextPattern.depthMax, var node = sequence(depth: depth) else { return nil }
        while take("|") {
            guard let other = sequence(depth: depth) else { return nil }
            node = .either(node, other)
        }
        return node
    }

    private mutating func sequence(depth: Int) -> TextPatternNode? {
        var nodes: [TextPatternNode] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            guard let atom = atom(depth: depth), let node = repeated(atom) else { return nil }
            nodes.append(node)
        }
        return .sequence(nodes)
    }

    private mutating func repeated(_ atom: TextPatternNode) -> TextPatternNode? {
        var node = atom
        var isRepeated = false
        while let scalar = next {
            switch scalar {
            case "*": node = .repeated(node, min: 0, max: nil)
            case "+": node = .repeated(node, min: 1, max: nil)
            // Behind a repetition it says which match is wanted, which is one here.
            case "?": node = isRepeated ? node : .repeated(node, min: 0, max: 1)
            case "{":
                guard !isRepeated, let (min, max) = bounds() else { return nil }
                node = .repeated(node, min: min, max: max)
                isRepeated = true
                continue
            default: return node
            }
            if isRepeated, scalar != "?" { return nil }
            isRepeated = true
            place += 1
        }
        return node
    }

    private mutating func bounds() -> (Int, Int?)? {
        guard take("{"), let min = number() else { return nil }
        var max: Int? = min
        if take(",") { max = next == "}" ? nil : number() ?? -1 }
        guard take("}"), min <= Self.repetitionsMax, (max ?? min) >= min,
            (max ?? min) <= Self.repetitionsMax
        else { return nil }
        return (min, max)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let scalar = next, scalar.value >= 0x30, scalar.value <= 0x39 {
            value = min(10_000, (value ?? 0) * 10 + Int(scalar.value - 0x30))
            place += 1
        }
        return value
    }

    private mutating func atom(depth: Int) -> TextPatternNode? {
        guard let scalar = next else { return nil }
        place += 1
        switch scalar {
        case "(":
            if take("?"), !take(":") { return nil }
            guard let node = alternatives(depth: depth + 1), take(")") else { return nil }
            return node
        case "[": return bracket().map { .one($0) }
        case ".": return .one(.any)
        case "^": return .start
        case "$": return .end
        case "\\": return escaped().map { .one($0) }
        case "*", "+", "?", "{": return nil
        default: return .one(ScalarClass(ranges: [scalar.value...scalar.value]))
        }
    }

    private mutating func escaped() -> ScalarClass? {
        guard let scalar = next else { return nil }
        place += 1
        switch scalar {
        case "d": return ScalarClass(ranges: ScalarClass.digits)
        case "D": return ScalarClass(ranges: ScalarClass.digits, isNegated: true)
        case "w": return ScalarClass(ranges: ScalarClass.words)
        case "W": return ScalarClass(ranges: ScalarClass.words, isNegated: true)
        case "s": return ScalarClass(ranges: ScalarClass.spaces)
        case "S": return ScalarClass(ranges: ScalarClass.spaces, isNegated: true)
        case "t": return ScalarClass(ranges: [0x09...0x09])
        case "n": return ScalarClass(ranges: [0x0A...0x0A])
        default:
            // Letters and digits that are not known here mean something elsewhere.
            let isLetter = ScalarClass(ranges: ScalarClass.words).contains(scalar.value)
            return isLetter ? nil : ScalarClass(ranges: [scalar.value...scalar.value])
        }
    }

    private mutating func bracket() -> ScalarClass? {
        var found = ScalarClass(ranges: [], isNegated: take("^"))
        var isFirst = true
        while let scalar = next, scalar != "]" || isFirst {
            isFirst = false
            place += 1
            var low = scalar.value
            if scalar == "\\" {
                guard let escaped = escaped() else { return nil }
                let isOne = escaped.ranges.count == 1 && escaped.ranges[0].count == 1
                if escaped.isNegated { return nil }
                guard isOne else {
                    found.ranges += escaped.ranges
                    continue
                }
                low = escaped.ranges[0].lowerBound
            }
            let isRange =
                next == "-" && place + 1 < scalars.count && scalars[place + 1] != "]"
            guard isRange else {
                found.ranges.append(low...low)
                continue
            }
            place += 1
            guard let high = next, high != "\\", high.value >= low else { return nil }
            place += 1
            found.ranges.append(low...high.value)
        }
        return take("]") ? found : nil
    }
}
