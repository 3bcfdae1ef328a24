/// What may not be called where, and what to use in its place.
struct BannedCall: Sendable {
    /// Words and punctuation as ``SwiftToken`` splits them.
    let tokens: [Substring]
    let instead: String
    /// Whether the rule holds for a file.
    let applies: @Sendable (RepositoryFile) -> Bool

    init(
        _ source: String, instead: String,
        where applies: @escaping @Sendable (RepositoryFile) -> Bool
    ) {
        tokens = SwiftToken.tokens(of: source).map { $0.text }
        self.instead = instead
        self.applies = applies
    }

    static let pureRooms: Set<String> = ["RaftCore", "StateMachine", "Replication", "Scheduling"]

    @Sendable private static func isPure(_ file: RepositoryFile) -> Bool {
        file.parts.first == "Sources" && pureRooms.contains(file.room ?? "")
    }

    private static func isTest(_ file: RepositoryFile) -> Bool { file.parts.first == "Tests" }

    private static func mayTrap(_ file: RepositoryFile) -> Bool {
        file.path == "Sources/Primitives/Invariant.swift"
    }

    /// A certificate is valid from a date to a date.
    @Sendable private static func makesCertificates(_ file: RepositoryFile) -> Bool {
        file.path == "Sources/ControlPlane/TLS/SelfSigned.swift"
    }

    /// The one place that asks what time of day it is.
    @Sendable private static func isWallClock(_ file: RepositoryFile) -> Bool {
        file.path == "Sources/ControlPlane/Node/WallClock.swift"
    }

    static let all: [BannedCall] = {
        let isProduct: @Sendable (RepositoryFile) -> Bool = { !isTest($0) && !mayTrap($0) }
        var rules: [BannedCall] = []
        for call in ["assert(", "assertionFailure(", "precondition(", "preconditionFailure("] {
            rules.append(
                BannedCall(
                    call, instead: "invariant(…), which stays on in release", where: isProduct))
        }
        rules += [
            BannedCall("fatalError(", instead: "invariant(…) or a thrown error", where: isProduct),
            BannedCall("try!", instead: "try, or do/catch", where: isProduct),
            BannedCall("Date(", instead: "the monotonic clock, or a stamp from the log") {
                !makesCertificates($0) && !isWallClock($0)
            },
            BannedCall("Date.now", instead: "the monotonic clock, or a stamp from the log") { _ in
                true
            },
            BannedCall("print(", instead: "the logger") { $0.parts.first == "Sources" },
            BannedCall("@unknown default", instead: "every case by name", where: isPure),
        ]
        for call in ["Task.sleep", "Thread.sleep", "sleep(", "usleep(", "nanosleep("] {
            rules.append(
                BannedCall(
                    call, instead: "waiting for what is expected, with a limit", where: isTest))
        }
        let impure = [
            ("async", "a step and its effects"), ("await", "a step and its effects"),
            ("Task {", "an effect"), ("Mutex<", "confinement to the loop"),
            ("NSLock", "confinement to the loop"), ("DispatchQueue", "an effect"),
            ("ContinuousClock", "ticks"), ("SystemRandomNumberGenerator", "SplitMix64"),
            (".random(", "SplitMix64"), (".randomElement(", "SplitMix64"),
            (".shuffled(", "SplitMix64"), (".shuffle(", "SplitMix64"), ("Logger(", "an effect"),
        ]
        for (call, instead) in impure {
            rules.append(BannedCall(call, instead: instead + " (a pure room)", where: isPure))
        }
        rules.append(
            BannedCall("public", instead: "package; only KeelsonClient is public") {
                $0.parts.first == "Sources" && $0.room != "KeelsonClient" && !$0.isGenerated
            })
        return rules
    }()

    static func check(_ file: RepositoryFile) -> [Violation] {
        guard file.isSwift, !file.isGenerated else { return [] }
        let tokens = file.tokens
        var violations: [Violation] = []
        let rules = Dictionary(grouping: all.filter { $0.applies(file) }) { $0.tokens[0] }
        for index in tokens.indices {
            for rule in rules[tokens[index].text] ?? [] where rule.matches(tokens, at: index) {
                violations.append(
                    Violation(
                        path: file.path, line: tokens[index].line,
                        what: "'\(rule.tokens.joined())' is banned here; use \(rule.instead)"))
            }
        }
        return violations + DefaultRule.check(file, tokens)
    }

    private func matches(_ source: [SwiftToken], at start: Int) -> Bool {
        guard start + tokens.count <= source.count else { return false }
        for (offset, wanted) in tokens.enumerated() where source[start + offset].text != wanted {
            return false
        }
        // `try !isThere` is a negation, not a forced try.
        if tokens == ["try", "!"] {
            return source[start].text.endIndex == source[start + 1].text.startIndex
        }
        // `.print(` and `func print(` are somebody's own; so is a member called by name.
        if start > 0, tokens[0] != ".", tokens.last == "(" {
            let before = source[start - 1].text
            return before != "." && before != "func"
        }
        return true
    }
}

/// `default:` in a switch over an enum of a pure room hides the next case from its author. Only
/// switches that name at least one case with a leading dot are meant: numbers need a default.
enum DefaultRule {
    static func check(_ file: RepositoryFile, _ tokens: [SwiftToken]) -> [Violation] {
        guard file.parts.first == "Sources", BannedCall.pureRooms.contains(file.room ?? "") else {
            return []
        }
        var violations: [Violation] = []
        // For each open brace: whether a case with a leading dot was seen in it.
        var namesCases: [Bool] = []
        for (index, token) in tokens.enumerated() {
            let next = index + 1 < tokens.count ? tokens[index + 1].text : ""
            switch token.text {
            case "{": namesCases.append(false)
            case "}": _ = namesCases.popLast()
            case "case":
                let isDotted = next == "." || (next == "let" && tokens[index + 2].text == ".")
                if isDotted, !namesCases.isEmpty, !isPattern(tokens, at: index) {
                    namesCases[namesCases.count - 1] = true
                }
            case "default":
                // `table[key, default: value]` is a look-up.
                let isLookUp = index > 0 && tokens[index - 1].text == ","
                guard next == ":", !isLookUp, namesCases.last == true else { continue }
                violations.append(
                    Violation(
                        path: file.path, line: token.line,
                        what: "'default:' in a switch over an enum; name every case (a pure room)"))
            default: continue
            }
        }
        return violations
    }

    /// `if case .x = y` and its kin are no switch.
    private static func isPattern(_ tokens: [SwiftToken], at index: Int) -> Bool {
        index > 0 && ["if", "guard", "while", "for", ","].contains(tokens[index - 1].text)
    }
}
