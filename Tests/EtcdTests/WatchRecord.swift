import Foundation
import LocalCluster

/// What one `etcdctl watch` saw of a cluster's keys: the history to which restorations are held.
/// It is another program's word, and read from a file.
///
/// Used by one thread at a time.
final class WatchRecord {
    /// A key as a client sees it, without its name.
    struct Version: Equatable {
        var value: String
        var createRevision: Int64
        var modRevision: Int64
        var version: Int64
        var lease: Int64
    }

    private struct Change {
        var revision: Int64
        var key: String
        /// Nil: it was deleted.
        var version: Version?
    }

    /// Keys as they were at `low`, and what changed from there to `high`.
    private struct Moment {
        var low: Int64
        var high: Int64
        var keys: [String: Version]?
        var changes: [Change] = []
    }

    private let client: Etcdctl
    private var watch: ChildProcess
    private var file: FileHandle
    private var unread = Data()
    private var keys: [String: Version] = [:]
    private var moments: [Moment] = []
    /// The newest that was seen.
    private(set) var revision: Int64 = 1
    private(set) var eventCount = 0
    /// Revisions that the watch passed over.
    private(set) var missing: [Int64] = []
    /// What ended the watch, if something did.
    private(set) var complaint = ""
    /// It ended, for no compaction, and goes on from the next revision.
    private var isOver = false
    private var endings = 0
    private static let endingsMax = 20

    /// Watches everything from the first revision on.
    init(_ client: Etcdctl) throws {
        self.client = client
        (watch, file) = try Self.start(client, from: 1)
    }

    private static func start(
        _ client: Etcdctl, from revision: Int64
    ) throws -> (ChildProcess, FileHandle) {
        let watch = try client.start("watch", "", "--prefix", "--rev", "\(revision)", "-w", "json")
        return (watch, try FileHandle(forReadingFrom: URL(filePath: watch.outputPath)))
    }

    deinit { stop() }

    private func stop() {
        watch.killHard()
        try? FileManager.default.removeItem(atPath: watch.outputPath)
    }

    /// etcdctl asks for a leader, and its watch ends where a server has none, as behind a stop of
    /// all of them: with etcd, too, who watches goes on from the next revision. It prints no reason
    /// with JSON; what is passed over is in ``missing``.
    private func goOn() throws {
        stop()
        unread = Data()
        (complaint, isOver) = ("", false)
        endings += 1
        (watch, file) = try Self.start(client, from: revision + 1)
    }

    /// Keeps the state at a revision that was not read past yet.
    func keep(_ revision: Int64) { keep(from: revision, through: revision) }

    /// Keeps the states at all revisions from `low`, which was not read past yet, to `high`.
    func keep(from low: Int64, through high: Int64) {
        // Taken when the next revision comes: more of this one may be on its way.
        moments.append(Moment(low: low, high: high, keys: nil))
    }

    /// The moment that begins at `low` goes on to `high`, which was not read past yet.
    func extend(_ low: Int64, through high: Int64) {
        for index in moments.indices where moments[index].low == low { moments[index].high = high }
    }

    /// All keys as they were at a revision that was kept; nil where it was not, or not seen yet.
    func keys(at revision: Int64) -> [String: Version]? {
        guard revision <= self.revision,
            let moment = moments.first(where: { $0.low <= revision && revision <= $0.high }),
            var keys = moment.keys ?? (moment.low >= self.revision ? self.keys : nil)
        else { return nil }
        for change in moment.changes where change.revision <= revision {
            keys[change.key] = change.version
        }
        return keys
    }

    /// Reads what the watch has printed meanwhile.
    func advance() throws {
        while true {
            let piece = try file.read(upToCount: 1 << 20) ?? Data()
            if piece.isEmpty { break }
            unread.append(piece)
            guard let end = unread.lastIndex(of: UInt8(ascii: "\n")) else { continue }
            let lines = unread[..<end]
            unread = Data(unread[(end + 1)...])
            for line in lines.split(separator: UInt8(ascii: "\n")) {
                try note(String(decoding: line, as: UTF8.self))
            }
        }
        if isOver, complaint.contains("by the server"), endings < Self.endingsMax { try goOn() }
    }

    private func note(_ line: String) throws {
        guard line.hasPrefix("{") else {
            complaint += complaint.isEmpty ? line : "; " + line
            return
        }
        let answer = try JSON(line)
        if answer["CompactRevision"].int > 0 {
            complaint = line
        } else if answer["Canceled"].bool {
            isOver = true
        }
        for event in answer["Events"].array {
            let pair = event["kv"]
            let isDeletion = event["type"].int == 1
            note(
                Change(
                    revision: pair["mod_revision"].int, key: pair["key"].string ?? "",
                    version: isDeletion ? nil : Version(pair)))
        }
    }

    private func note(_ change: Change) {
        eventCount += 1
        if change.revision != revision {
            if change.revision != revision + 1 { missing.append(revision + 1) }
            for index in moments.indices
            where moments[index].keys == nil && moments[index].low < change.revision {
                moments[index].keys = keys
            }
            revision = change.revision
        }
        keys[change.key] = change.version
        for index in moments.indices
        where moments[index].low < change.revision && change.revision <= moments[index].high {
            moments[index].changes.append(change)
        }
    }
}

extension WatchRecord.Version {
    /// Of a pair in etcd's JSON.
    init(_ pair: JSON) {
        self.init(
            value: pair["value"].string ?? "", createRevision: pair["create_revision"].int,
            modRevision: pair["mod_revision"].int, version: pair["version"].int,
            lease: pair["lease"].int)
    }
}
