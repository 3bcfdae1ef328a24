/// When history is compacted without being asked (`--auto-compaction-mode`,
/// `--auto-compaction-retention`).
package enum AutoCompaction: Equatable, Sendable {
    case off
    /// Keep the history of this many seconds.
    case periodic(seconds: Int)
    /// Keep this many revisions.
    case revision(count: Int64)

    /// - Parameter retention: as etcd takes it: hours, or a duration such as `30m`, for `periodic`;
    ///   a number
    ///   of revisions for `revision`; `0` turns it off.
    package init(mode: String, retention: String) throws(ConfigurationError) {
        let wrong = ConfigurationError(
            flag: "--auto-compaction-retention", value: retention,
            reason: mode == "revision"
                ? "it must be a number of revisions" : "it must be hours or a duration",
            hint: "for example 1000 with revision, 1 or 30m with periodic, 0 for never")
        if mode == "revision" {
            guard let count = Int64(retention), count >= 0 else { throw wrong }
            self = count == 0 ? .off : .revision(count: count)
            return
        }
        guard let seconds = Self.seconds(retention) else { throw wrong }
        self = seconds == 0 ? .off : .periodic(seconds: seconds)
    }

    /// Hours, or a number with `s`, `m` or `h`; nil where it is neither.
    static func seconds(_ retention: String) -> Int? {
        if let hours = Int(retention) { return (0...100_000).contains(hours) ? hours * 3600 : nil }
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600]
        guard let unit = retention.last, let factor = units[unit],
            let number = Int(retention.dropLast()), (1...10_000_000).contains(number)
        else { return nil }
        return number * factor
    }
}
