import Foundation
import LocalCluster
import Testing

/// A cluster of three that is archived while its members, and the archiver, are killed, and one is
/// replaced: and what an independent watch saw of it.
///
/// `@unchecked Sendable`: one thread runs it.
final class ArchiveChaos: @unchecked Sendable {
    /// A state that has to come back. Restored by time, the revision is one of a few.
    struct Moment {
        var low: Int64
        var high: Int64
        /// How to ask for it; none: all there is.
        var flags: [String]
    }

    let program: String
    let cluster: ServerCluster
    let archive: String
    let record: WatchRecord
    private let client: Etcdctl
    private let length: Duration
    private var follower: ChildProcess?
    private(set) var moments: [Moment] = []
    private(set) var kills = 0
    /// What the archiver said last, in JSON.
    private(set) var summary = ""

    private static let momentCount = 5
    private static let pace: Duration = .milliseconds(2500)
    private static let downTime: Duration = .milliseconds(700)

    init(length: Duration) throws {
        self.length = length
        let server = try ServerProgram.underTest()
        program = server.path
        cluster = try ServerCluster("archive-chaos", server, spareCount: 1)
        archive = cluster.folder.appending(path: "archive").path
        try cluster.start()
        client = Etcdctl(cluster.endpoints)
        record = try WatchRecord(client)
    }

    /// Where clients and the archiver look, the member that joins later included.
    var endpoints: [String] { (cluster.nodes + cluster.spares).map(\.endpoint) }

    func keelson(_ words: [String], _ limit: Duration = .seconds(240)) throws -> String {
        try Command.runSuccessfully(program, words, limit: limit)
    }

    /// Starts the archiver and waits for its first backup: what is before that is in no log.
    func startFollowing() throws {
        try follow()
        let began = Patience.wait(.seconds(60), pauseMilliseconds: 100) {
            (try? keelson(["backup", "list", archive])) == nil ? nil : true
        }
        try #require(began == true, "\(follower?.output ?? "")")
    }

    private func follow() throws {
        follower = try Command.start(
            program,
            [
                "backup", "follow", "--endpoints", endpoints.joined(separator: ","), "--to",
                archive, "--base-every", "20s", "-o", "json",
            ])
    }

    /// Kills for as long as it was told, and then lets everything come to rest. In a thread of its
    /// own: it blocks.
    func run() async throws {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try self.runHere() })
            }
        }
    }

    private func runHere() throws {
        let start = ContinuousClock.now
        var step = 0
        while ContinuousClock.now - start < length {
            let share = (ContinuousClock.now - start) / length
            // Between two moments: the last one is the end.
            if share * Double(Self.momentCount) > Double(moments.count) + 0.5,
                moments.count < Self.momentCount - 1
            {
                try noteMoment()
            }
            step += 1
            try strike(step)
            try rest(Self.pace)
        }
        while moments.count < Self.momentCount - 1 { try noteMoment() }
    }

    /// Lets time pass, and reads what the watch saw.
    private func rest(_ duration: Duration) throws {
        let end = ContinuousClock.now + duration
        try record.advance()
        _ = Patience.wait(max(.zero, end - .now), pauseMilliseconds: 50) { nil as Bool? }
        try record.advance()
    }

    private func strike(_ step: Int) throws {
        switch step {
        case 4: try restartFollower()
        case 7: try replaceMember()
        case _ where step % 9 == 0:
            kills += cluster.nodes.count
            cluster.killAll()
            try cluster.start()
        default:
            let node = cluster.nodes[step % cluster.nodes.count]
            kills += 1
            node.killHard()
            try rest(Self.downTime)
            try node.start()
        }
    }

    private func restartFollower() throws {
        kills += 1
        follower?.killHard()
        try follow()
    }

    /// A member goes for good, and a new one comes, whose log begins behind a snapshot.
    private func replaceMember() throws {
        let old = cluster.nodes[0]
        let members = try patiently { try $0.json("member", "list")["members"].array }
        let id = members.first { $0["name"].string == old.name }?["ID"].unsigned ?? 0
        old.killHard()
        kills += 1
        cluster.setMembers(Array(cluster.nodes.dropFirst()))
        _ = try patiently { try $0.run("member", "remove", String(id, radix: 16)) }
        let new = cluster.spares[0]
        _ = try patiently { try $0.run("member", "add", new.name, "--peer-urls=\(new.peerURL)") }
        try new.start()
        cluster.setMembers(cluster.nodes + [new])
    }

    private func revision() throws -> Int64 {
        try patiently { try $0.json("get", "counter/0")["header"]["revision"].int }
    }

    /// Asks again while there is no leader.
    private func patiently<Answer>(_ ask: (Etcdctl) throws -> Answer) throws -> Answer {
        let last = Patience.wait(.seconds(30), pauseMilliseconds: 100) { try? ask(client) }
        return try last ?? ask(client)
    }

    /// Every second one by time.
    private func noteMoment() throws {
        let low = try revision()
        if moments.count % 2 == 0 {
            record.keep(low)
            moments.append(Moment(low: low, high: low, flags: ["--to-revision", "\(low)"]))
        } else {
            record.keep(from: low, through: .max)
            let now = Self.milliseconds()
            moments.append(Moment(low: low, high: .max, flags: ["--to-time", "\(now)"]))
            // What was stamped before has been applied by then.
            try rest(Self.pace)
            try closeMoment()
        }
    }

    private func closeMoment() throws {
        let high = try revision()
        guard let last = moments.indices.last, moments[last].high == .max else { return }
        moments[last].high = high
        record.extend(moments[last].low, through: high)
    }

    /// Once nobody writes: waits until the watch and the archive have everything, and ends the
    /// archiver.
    func settle() throws {
        let last = try revision()
        record.keep(last)
        moments.append(Moment(low: last, high: last, flags: []))
        let isSeen = try Patience.wait(.seconds(120), pauseMilliseconds: 50) { () -> Bool? in
            try record.advance()
            return record.revision >= last ? true : nil
        }
        try #require(isSeen == true, "the watch ends at \(record.revision): \(record.complaint)")
        let isArchived = Patience.wait(.seconds(120), pauseMilliseconds: 1000) { () -> Bool? in
            let text = try? keelson(["backup", "verify", archive, "-o", "json"])
            let found = text.flatMap { try? JSON($0) }?["revision"].int ?? 0
            return found >= last ? true : nil
        }
        try #require(isArchived == true, "\(follower?.output ?? "")")
        follower?.send(signal: SIGTERM)
        #expect(follower?.waitForExit(.seconds(20)) == .exited(0))
        summary = String(
            follower?.output.split(separator: "\n").last { $0.hasPrefix("{") } ?? "{}")
    }

    /// Kills the members and removes all that they stored.
    func destroy() throws {
        cluster.killAll()
        for node in cluster.nodes + cluster.spares {
            try? FileManager.default.removeItem(atPath: node.dataDirectory)
        }
    }

    static func milliseconds() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return UInt64(now.tv_sec) * 1000 + UInt64(now.tv_nsec) / 1_000_000
    }
}
