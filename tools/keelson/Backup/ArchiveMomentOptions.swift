internal import ArgumentParser
internal import Backup
internal import Primitives

/// Which moment of an archive is meant.
struct ArchiveMomentOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Of an archive: the last state at this revision.", valueName: "revision")
    )
    var toRevision: Int64?

    @Option(
        help: ArgumentHelp(
            "Of an archive: the state at this moment, by the leaders' clocks:"
                + " 2026-11-30T10:42:00Z, or milliseconds since 1970.", valueName: "time"))
    var toTime: String?

    func cut() throws -> ArchiveCut {
        switch (toRevision, toTime) {
        case (nil, nil): return .end
        case (let revision?, nil): return .revision(Revision(revision))
        case (nil, let text?):
            guard let time = TimeOfDay.milliseconds(of: text) else {
                throw Failure(
                    .usage, "--to-time \(text) is no time",
                    advice: "write it as 2026-11-30T10:42:00Z, or in milliseconds since 1970")
            }
            return .time(time)
        case (_?, _?): throw Failure(.usage, "--to-revision and --to-time name two moments")
        }
    }
}
