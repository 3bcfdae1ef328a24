/// What one check of `keelson doctor` found.
struct Finding: Sendable {
    enum Verdict: String, Comparable, Sendable {
        case ok
        case warn
        case fail

        private var rank: Int {
            switch self {
            case .ok: 0
            case .warn: 1
            case .fail: 2
            }
        }

        static func < (one: Verdict, other: Verdict) -> Bool { one.rank < other.rank }
    }

    /// Stable: scripts look for it.
    let check: String
    /// An endpoint, a member, a folder; empty: the cluster.
    let subject: String
    let verdict: Verdict
    /// The number with its unit, and what it is of.
    let measured: String
    /// What to do; empty where all is well.
    let advice: String
    /// What was judged, by itself.
    private(set) var value: Double?
    private(set) var unit: Unit?

    enum Unit: String, Sendable {
        case seconds
        /// Of one.
        case share
        case entries
        case days
    }

    init(
        _ check: String, _ subject: String = "", _ verdict: Verdict, _ measured: String,
        advice: String = ""
    ) {
        self.check = check
        self.subject = subject
        self.verdict = verdict
        self.measured = measured
        self.advice = verdict == .ok ? "" : advice
    }

    /// By a number that is to be small.
    static func bounded(
        _ check: String, _ subject: String, _ value: Double, _ unit: Unit, warnAbove warn: Double,
        failAbove fail: Double, _ measured: String, advice: String
    ) -> Finding {
        let verdict: Verdict = value > fail ? .fail : value > warn ? .warn : .ok
        var finding = Finding(check, subject, verdict, measured, advice: advice)
        finding.value = value
        finding.unit = unit
        return finding
    }

    /// By a number that is to be large.
    static func bounded(
        _ check: String, _ subject: String, _ value: Double, _ unit: Unit, warnBelow warn: Double,
        failBelow fail: Double, _ measured: String, advice: String
    ) -> Finding {
        let verdict: Verdict = value < fail ? .fail : value < warn ? .warn : .ok
        var finding = Finding(check, subject, verdict, measured, advice: advice)
        finding.value = value
        finding.unit = unit
        return finding
    }

    var json: JSONValue {
        var members: [(String, JSONValue)] = [
            ("check", .string(check)), ("subject", .string(subject)),
            ("verdict", .string(verdict.rawValue)), ("measured", .string(measured)),
        ]
        if let value, let unit {
            members.append(("value", .number(value)))
            members.append(("unit", .string(unit.rawValue)))
        }
        members.append(("advice", .string(advice)))
        return .object(members)
    }
}

/// Numbers for people.
enum Figures {
    static func percent(_ share: Double) -> String { count((share * 100).rounded()) + " %" }

    /// Three digits that count.
    static func seconds(_ seconds: Double) -> String {
        switch seconds.magnitude {
        case ..<0.000_999_5: "\(rounded(seconds * 1e6)) µs"
        case ..<0.999_5: "\(rounded(seconds * 1e3)) ms"
        default: "\(rounded(seconds)) s"
        }
    }

    private static func rounded(_ value: Double) -> String {
        let places: Double = value.magnitude < 9.995 ? 100 : value.magnitude < 99.95 ? 10 : 1
        let found = (value * places).rounded() / places
        return found == found.rounded() && found.magnitude < 1e15 ? "\(Int(found))" : "\(found)"
    }

    static func count(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        let magnitude = value.magnitude
        if magnitude < 9.95, value != value.rounded() { return "\((value * 10).rounded() / 10)" }
        if magnitude < 9_999.5 { return "\(Int(value.rounded()))" }
        if magnitude < 999_500 { return rounded(value / 1e3) + "k" }
        return magnitude < 999.5e6 ? rounded(value / 1e6) + "M" : rounded(value / 1e9) + "G"
    }

    /// `1st`, `22nd`, `113th`.
    static func ordinal(_ value: Double) -> String {
        let number = max(0, Int(exactly: value.rounded()) ?? 0)
        let isTeen = (11...13).contains(number % 100)
        let ending = isTeen ? "th" : ["th", "st", "nd", "rd"].dropFirst(number % 10).first ?? "th"
        return "\(number)\(ending)"
    }

    static func bytes(_ value: Double) -> String {
        ByteCount.text(Int64(exactly: value.rounded()) ?? 0)
    }
}
