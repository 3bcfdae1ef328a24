internal import ArgumentParser
internal import Backup
internal import Storage

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Back a cluster up, check backups, and look into them.",
        discussion: """
            A backup has everything: keys with their history, leases, users with their passwords'
            hashes, roles, members, and the datacenter's records. Keep it as you keep the data.
            `keelson restore` makes a new cluster of it.

            EXAMPLES:
              keelson backup take --endpoints 10.0.0.1:2379 --out monday.kbk
              keelson backup verify monday.kbk
              keelson backup open monday.kbk --out monday.sqlite
              sqlite3 monday.sqlite "SELECT key_text, value_text FROM keys LIMIT 10"
              keelson backup export --etcd monday.kbk --out monday.db
            """,
        subcommands: [
            BackupTakeCommand.self, BackupVerifyCommand.self, BackupOpenCommand.self,
            BackupExportCommand.self, BackupFollowCommand.self, BackupListCommand.self,
            BackupPruneCommand.self,
        ])
}

extension Failure {
    init(_ error: BackupError) {
        self.init(Failure.Status(rawValue: error.exitStatus) ?? .failed, "\(error)")
    }

    /// Runs what throws a backup's error, as a command that fails.
    static func describing<Result>(
        _ body: () throws(BackupError) -> Result
    ) throws -> Result {
        do throws(BackupError) { return try body() } catch { throw Failure(error) }
    }
}

/// A line that is written over, where somebody looks.
struct ProgressLine {
    private let what: String
    private var shownAt = ContinuousClock.now - .seconds(1)
    private let isShown = isatty(STDERR_FILENO) == 1
    private static let width = 30

    init(_ what: String) { self.what = what }

    /// - Parameter fraction: from 0 to 1.
    mutating func show(_ fraction: Double, _ detail: String = "") {
        guard isShown, ContinuousClock.now - shownAt > .milliseconds(200) else { return }
        shownAt = .now
        let filled = Int(min(1, max(0, fraction)) * Double(Self.width))
        let bar =
            String(repeating: "#", count: filled)
            + String(repeating: ".", count: Self.width - filled)
        let percent = Int(min(1, max(0, fraction)) * 100)
        let text = "\r\(what) [\(bar)] \(percent)% \(detail)  "
        Output.writeAll(Array(text.utf8), to: STDERR_FILENO)
    }

    /// The same without an end.
    mutating func note(_ detail: String) {
        guard isShown, ContinuousClock.now - shownAt > .milliseconds(200) else { return }
        shownAt = .now
        Output.writeAll(Array("\r\(what): \(detail)    ".utf8), to: STDERR_FILENO)
    }

    func clear() {
        guard isShown else { return }
        let text = "\r" + String(repeating: " ", count: Self.width + what.count + 40) + "\r"
        Output.writeAll(Array(text.utf8), to: STDERR_FILENO)
    }
}

/// The time of day.
enum TimeOfDay {
    /// Since 1970.
    static func milliseconds() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return UInt64(max(0, now.tv_sec)) * 1000 + UInt64(now.tv_nsec) / 1_000_000
    }

    /// Of RFC 3339 in UTC, such as `2026-11-30T10:42:00.5Z`, or of milliseconds since 1970.
    static func milliseconds(of text: String) -> UInt64? {
        if let number = UInt64(text) { return number }
        guard text.hasSuffix("Z") else { return nil }
        let halves = text.dropLast().split(separator: "T", omittingEmptySubsequences: false)
        guard halves.count == 2 else { return nil }
        let day = halves[0].split(separator: "-").map { Int32($0) }
        let clock = halves[1].split(separator: ":").map(String.init)
        guard day.count == 3, clock.count == 3, let year = day[0], let month = day[1],
            let date = day[2], let hour = Int32(clock[0]), let minute = Int32(clock[1]),
            let second = Double(clock[2]), (1970...9999).contains(year),
            (1...12).contains(month), (1...31).contains(date), (0...23).contains(hour),
            (0...59).contains(minute), (0..<61).contains(second)
        else { return nil }
        var parts = tm()
        parts.tm_year = year - 1900
        parts.tm_mon = month - 1
        parts.tm_mday = date
        parts.tm_hour = hour
        parts.tm_min = minute
        let seconds = timegm(&parts)
        // A day that the month has not got was taken for one of the next.
        guard parts.tm_mday == date else { return nil }
        return UInt64(max(0, seconds)) * 1000 + UInt64((second * 1000).rounded())
    }

    /// As RFC 3339 has it, in UTC.
    static func text(_ milliseconds: UInt64) -> String {
        var seconds = time_t(clamping: milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: Int32, _ count: Int = 2) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, count - digits.count)) + digits
        }
        return "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1))"
            + "-\(padded(parts.tm_mday))T\(padded(parts.tm_hour)):\(padded(parts.tm_min))"
            + ":\(padded(parts.tm_sec)).\(padded(Int32(milliseconds % 1000), 3))Z"
    }
}
