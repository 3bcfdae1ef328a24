/// A regular expression that is matched against whole texts, in time that grows with the text and
/// the expression alone: whoever writes one cannot make it cost more. Literals, `.`, classes,
/// `\d \w \s` and their opposites, groups, `|`, `* + ? {n,m}`, `^` and `$`; no back references and
/// no look-around. Source: Thompson, "Regular Expression Search Algorithm", CACM 1968.
package struct TextPattern: Sendable {
    package static let bytesMax = 1_024
    static let stepsMax = 4_000
    static let depthMax = 40

    enum Step: Sendable {
        case one(ScalarClass)
        case split(Int, Int)
        case jump(Int)
        case start
        case end
        case match
    }

    private let steps: [Step]

    /// Nil for what is no such expression, or too large.
    package init?(_ text: ByteText) {
        guard text.text.utf8.count <= Self.bytesMax else { return nil }
        var parser = TextPatternParser(text.text)
        guard let node = parser.parse() else { return nil }
        var steps: [Step] = []
        guard Self.compile(node, &steps) else { return nil }
        steps.append(.match)
        self.steps = steps
    }

    /// Whether all of `text` is as the expression says. Cost: O(text × expression).
    package func matches(_ text: ByteText) -> Bool {
        var current = ThreadSet(count: steps.count)
        var next = ThreadSet(count: steps.count)
        let scalars = Array(text.text.unicodeScalars)
        add(0, to: &current, atStart: true, atEnd: scalars.isEmpty)
        for (place, scalar) in scalars.enumerated() {
            next.clear()
            for thread in current.threads {
                if case .one(let wanted) = steps[thread], wanted.contains(scalar.value) {
                    add(
                        thread + 1, to: &next, atStart: false, atEnd: place + 1 == scalars.count)
                }
            }
            swap(&current, &next)
        }
        return current.threads.contains { if case .match = steps[$0] { true } else { false } }
    }

    private func add(_ first: Int, to set: inout ThreadSet, atStart: Bool, atEnd: Bool) {
        var open = [first]
        while let step = open.popLast() {
            guard set.insert(step) else { continue }
            switch steps[step] {
            case .one, .match: break
            case .split(let one, let other): open += [other, one]
            case .jump(let to): open.append(to)
            case .start: if atStart { open.append(step + 1) }
            case .end: if atEnd { open.append(step + 1) }
            }
        }
    }

    private static func compile(_ node: TextPatternNode, _ steps: inout [Step]) -> Bool {
        guard steps.count <= stepsMax else { return false }
        switch node {
        case .one(let wanted): steps.append(.one(wanted))
        case .start: steps.append(.start)
        case .end: steps.append(.end)
        case .sequence(let nodes):
            for node in nodes where !compile(node, &steps) { return false }
        case .either(let one, let other):
            let split = steps.count
            steps.append(.split(split + 1, 0))
            guard compile(one, &steps) else { return false }
            let jump = steps.count
            steps.append(.jump(0))
            steps[split] = .split(split + 1, steps.count)
            guard compile(other, &steps) else { return false }
            steps[jump] = .jump(steps.count)
        case .repeated(let node, let min, let max):
            for _ in 0..<min where !compile(node, &steps) { return false }
            guard let max else { return compileAny(node, &steps) }
            for _ in min..<max where !compileOptional(node, &steps) { return false }
        }
        return true
    }

    private static func compileAny(_ node: TextPatternNode, _ steps: inout [Step]) -> Bool {
        let split = steps.count
        steps.append(.split(split + 1, 0))
        guard compile(node, &steps) else { return false }
        steps.append(.jump(split))
        steps[split] = .split(split + 1, steps.count)
        return true
    }

    private static func compileOptional(_ node: TextPatternNode, _ steps: inout [Step]) -> Bool {
        let split = steps.count
        steps.append(.split(split + 1, 0))
        guard compile(node, &steps) else { return false }
        steps[split] = .split(split + 1, steps.count)
        return true
    }
}

/// Steps of an expression that have been reached, each once.
private struct ThreadSet {
    var threads: [Int] = []
    private var isThere: [Bool]

    init(count: Int) { isThere = Array(repeating: false, count: count) }

    mutating func insert(_ thread: Int) -> Bool {
        if isThere[thread] { return false }
        isThere[thread] = true
        threads.append(thread)
        return true
    }

    mutating func clear() {
        for thread in threads { isThere[thread] = false }
        threads.removeAll(keepingCapacity: true)
    }
}

/// A set of Unicode scalars.
struct ScalarClass: Sendable {
    var ranges: [ClosedRange<UInt32>]
    var isNegated = false

    func contains(_ scalar: UInt32) -> Bool {
        ranges.contains { $0.contains(scalar) } != isNegated
    }

    static let any = ScalarClass(ranges: [0x0A...0x0A], isNegated: true)
    static let digits: [ClosedRange<UInt32>] = [0x30...0x39]
    static let words: [ClosedRange<UInt32>] = [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A]
    static let spaces: [ClosedRange<UInt32>] = [0x09...0x0D, 0x20...0x20]
}

indirect enum TextPatternNode {
    case one(ScalarClass)
    case start
    case end
    case sequence([TextPatternNode])
    case either(TextPatternNode, TextPatternNode)
    case repeated(TextPatternNode, min: Int, max: Int?)
}
