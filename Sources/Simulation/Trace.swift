/// A rolling hash over everything that happened, and the last of it for people.
///
/// Two runs of one seed are the same run exactly when their hashes are equal.
package struct Trace {
    /// One thing that happened; its text is made only when it is read.
    struct Line {
        var time: Micros
        var machine: Int
        var what: StaticString
        var first: UInt64
        var second: UInt64
        /// More for people; no part of the hash.
        var text: String
    }

    package private(set) var hash: UInt64 = 0x6B65_656C_736F_6E00
    package private(set) var count: UInt64 = 0
    private var lines: [Line] = []
    private var next = 0

    /// How many lines are kept for people.
    let linesMax: Int

    package static let linesMaxDefault = 240

    init(linesMax: Int) { self.linesMax = linesMax }

    mutating func fold(_ word: UInt64) {
        let (high, low) = (hash ^ word ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(
            by: 0xD6E8_FEB8_6659_FD93)
        hash = (high ^ low) &+ word.byteSwapped
    }

    /// Something that is worth a line. `first` and `second` are numbers that say which.
    mutating func note(
        _ time: Micros, _ machine: Int, _ what: StaticString, _ first: UInt64 = 0,
        _ second: UInt64 = 0, text: String = ""
    ) {
        fold(UInt64(truncatingIfNeeded: time) ^ UInt64(truncatingIfNeeded: machine) << 56)
        fold(first)
        fold(second)
        count += 1
        let line = Line(
            time: time, machine: machine, what: what, first: first, second: second,
            text: text)
        if lines.count < linesMax {
            lines.append(line)
        } else {
            lines[next] = line
            next = (next + 1) % linesMax
        }
    }

    /// The last lines, oldest first.
    package var tail: [String] {
        (lines[next...] + lines[..<next]).map { line in
            let seconds = line.time / 1_000_000
            let fraction = String(line.time % 1_000_000 + 1_000_000).dropFirst()
            let node = line.machine < 0 ? "  " : "n\(line.machine + 1)"
            return "\(seconds).\(fraction) \(node) \(line.what) \(line.first) \(line.second)"
                + (line.text.isEmpty ? "" : " \(line.text)")
        }
    }

    package var text: String {
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
