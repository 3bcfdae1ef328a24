internal import API
internal import Foundation
internal import Monitoring
internal import Primitives
internal import StateMachine

extension ClusterOverview {
    /// Looks at the disk: not for an event loop.
    func json() -> [UInt8] {
        JSONWriter.object { writer in
            writer.field("time", WallClock.milliseconds())
            writer.field("version", KeelsonVersion.keelson)
            writer.field("id", "\(memberID)")
            writer.field("name", name)
            writer.field("cluster", String(clusterID, radix: 16))
            writer.field("role", role)
            writer.field("leader", ifSet: leader.map { "\($0)" })
            writer.field("term", term)
            writer.field("revision", revision)
            writer.field("compacted", compactedRevision)
            writer.field("records_compacted", recordsCompactedRevision)
            writer.field("level", clusterLevel)
            writer.field("leader_changes", leaderChangesSeen)
            writer.field("pending", proposalsPending)
            writer.array("troubles", of: troubles)
            writeStore(&writer)
            writer.array("members", of: members) { Self.write($1, into: &$0) }
            writer.array("leaders", of: offices) { writer, office in
                writer.field("member", "\(NodeID(office.record.member))")
                writer.field("term", office.record.term)
                writer.field("time", office.record.clock)
                writer.field("revision", office.revision)
            }
        }
    }

    private func writeStore(_ writer: inout JSONWriter) {
        writer.object("log") { writer in
            writer.field("last", lastIndex)
            writer.field("durable", durableIndex)
            writer.field("committed", commitIndex)
            writer.field("applied", appliedIndex)
            writer.field("bytes", DiskFigures.bytes(below: dataDirectory + "/log"))
            syncDurations.write(into: &writer)
        }
        writer.object("store") { writer in
            writer.field("keys", keyCount)
            writer.field("bytes", bytesInUse)
            writer.field("quota", quotaBytes)
        }
        if let disk = DiskFigures(dataDirectory) {
            writer.object("disk") { writer in
                writer.field("total", disk.totalBytes)
                writer.field("free", disk.freeBytes)
            }
        }
    }

    private static func write(_ member: Member, into writer: inout JSONWriter) {
        writer.field("id", "\(member.id)")
        writer.field("name", member.name)
        writer.field("learner", member.isLearner)
        writer.array("client_urls", of: member.clientURLs)
        writer.array("peer_urls", of: member.peerURLs)
        writer.field("level", member.level)
        if let isConnected = member.isConnected { writer.field("connected", isConnected) }
        if let isActive = member.isActive { writer.field("active", isActive) }
        if let matchIndex = member.matchIndex { writer.field("match", matchIndex) }
        writer.field("http", ifSet: member.httpAuthority)
        if member.isHTTPGuessed { writer.field("guessed", true) }
    }
}

extension DurationHistogram {
    /// The bounds, in whole milliseconds, that half of the durations and 99 of 100 are at most.
    fileprivate func write(into writer: inout JSONWriter) {
        let total = count
        writer.field("syncs", total)
        guard total > 0 else { return }
        for (name, hundredths) in [("sync_p50", 50), ("sync_p99", 99)] as [(String, UInt64)] {
            var seen: UInt64 = 0
            let slot = counts.firstIndex { count in
                seen += count
                return seen * 100 >= total * hundredths
            }
            let bound = Self.bound(min(slot ?? Self.boundsCount, Self.boundsCount - 1))
            writer.field(name, max(1, Int((bound * 1000).rounded(.up))))
        }
    }
}

/// What the file system says. Not for an event loop: a disk may take its time.
struct DiskFigures {
    var totalBytes: UInt64
    /// That this process may use.
    var freeBytes: UInt64

    init?(_ path: String) {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        totalBytes = UInt64(status.f_blocks) &* UInt64(status.f_frsize)
        freeBytes = UInt64(status.f_bavail) &* UInt64(status.f_frsize)
    }

    /// Of the files in a folder; zero where there is none.
    static func bytes(below folder: String) -> UInt64 {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.reduce(0) { sum, name in
            var status = stat()
            guard stat(folder + "/" + name, &status) == 0 else { return sum }
            return sum &+ UInt64(clamping: status.st_size)
        }
    }
}
