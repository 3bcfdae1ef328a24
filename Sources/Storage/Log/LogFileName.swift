/// The names of the files in the log's directory.
enum LogFileName: Equatable, Sendable {
    /// A segment of the log, by its generation.
    case segment(UInt64)
    /// A file of zeros, durable, that the next segment can take.
    case spare(UInt64)
    /// A file that was a segment; what it holds means nothing.
    case recycled(UInt64)
    /// A file whose making a crash cut short.
    case temporary

    init?(_ name: String) {
        if name.hasSuffix(".tmp") {
            self = .temporary
        } else if let number = Self.number(name, prefix: "", suffix: ".log") {
            self = .segment(number)
        } else if let number = Self.number(name, prefix: "spare-", suffix: "") {
            self = .spare(number)
        } else if let number = Self.number(name, prefix: "recycled-", suffix: "") {
            self = .recycled(number)
        } else {
            return nil
        }
    }

    var text: String {
        switch self {
        case .segment(let number): Self.digits(number) + ".log"
        case .spare(let number): "spare-" + Self.digits(number)
        case .recycled(let number): "recycled-" + Self.digits(number)
        case .temporary: "copy.tmp"
        }
    }

    private static func digits(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }

    private static func number(_ name: String, prefix: String, suffix: String) -> UInt64? {
        guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
        let middle = name.dropFirst(prefix.count).dropLast(suffix.count)
        guard middle.utf8.count == 16, let number = UInt64(middle, radix: 16) else { return nil }
        return digits(number) == middle ? number : nil
    }
}
