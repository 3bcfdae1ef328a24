import Foundation
import LocalCluster
import Testing

@Suite(
    "An archive of a real cluster under kills", .serialized, .enabled(if: BadStartTests.isKeelson))
struct ArchiveChaosTests {
    /// A minute, or what `make chaos-archive` asks for.
    private static func setting(_ name: String, _ standard: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? standard
    }

    @Test("five moments of a cluster under load and kills come back as they were, to the revision")
    func fiveMoments() async throws {
        let seconds = Self.setting("KEELSON_ARCHIVE_SECONDS", 60)
        let keyCount = Self.setting("KEELSON_ARCHIVE_KEYS", 20_000)
        let chaos = try ArchiveChaos(length: .seconds(seconds))
        let load = try ArchiveLoad(chaos.endpoints, keyCount: keyCount)
        try await load.fill()
        try chaos.startFollowing()
        let writers = Task { await load.run() }
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await chaos.run()) } catch { outcome = .failure(error) }
        load.stop()
        await writers.value
        try outcome.get()
        try chaos.settle()
        #expect(chaos.record.missing.isEmpty && chaos.record.complaint.isEmpty)
        let summary = try JSON(chaos.summary)
        #expect(summary["gaps"].int == 0 && summary["entriesBehind"].int == 0, "\(chaos.summary)")
        #expect(summary["lagP50Milliseconds"].int < 1_000, "\(chaos.summary)")
        print(
            "archived \(chaos.record.revision) revisions, \(chaos.record.eventCount) events,"
                + " through \(chaos.kills) kills; lag p50 \(summary["lagP50Milliseconds"].int) ms,"
                + " p99 \(summary["lagP99Milliseconds"].int) ms,"
                + " most \(summary["lagMaxMilliseconds"].int) ms")
        try chaos.destroy()

        #expect(chaos.moments.count == 5)
        for (number, moment) in chaos.moments.enumerated() {
            try restore(moment, number, chaos)
        }
        try refusals(chaos)
        try speed(chaos)
        _ = try chaos.keelson(["backup", "prune", chaos.archive, "--keep", "1"])
        #expect(try chaos.keelson(["backup", "verify", chaos.archive]).contains("whole"))
    }

    /// A cluster of one is made of the moment, started, and asked for everything.
    private func restore(_ moment: ArchiveChaos.Moment, _ number: Int, _ chaos: ArchiveChaos) throws
    {
        let restored = try ServerCluster(
            "archive-moment", try ServerProgram.underTest(), nodeCount: 1)
        let node = restored.nodes[0]
        let said = try JSON(
            try chaos.keelson(
                ["restore", chaos.archive] + moment.flags + [
                    "--name", node.name, "--data-dir", node.dataDirectory, "--initial-cluster",
                    "\(node.name)=\(node.peerURL)", "--initial-advertise-peer-urls", node.peerURL,
                    "--nonce", "\(number)", "-o", "json",
                ]))
        let revision = said["oldRevision"].int
        #expect((moment.low...moment.high).contains(revision), "\(moment): \(revision)")
        let expected = try #require(chaos.record.keys(at: revision), "\(moment): \(revision)")
        try restored.start()
        var found: [String: WatchRecord.Version] = [:]
        for pair in try Etcdctl(restored.endpoints).json("get", "", "--prefix")["kvs"].array {
            found[pair["key"].string ?? ""] = WatchRecord.Version(pair)
        }
        restored.killAll()
        #expect(found == expected, "\(moment): \(Self.difference(found, expected))")
        #expect(expected.count > 1_000)
    }

    private static func difference(
        _ found: [String: WatchRecord.Version], _ expected: [String: WatchRecord.Version]
    ) -> String {
        let keys = Set(found.keys).union(expected.keys).sorted()
        let different = keys.filter { found[$0] != expected[$0] }
        let first = different.first.map {
            "\($0): \(String(describing: found[$0])), not \(String(describing: expected[$0]))"
        }
        return "\(different.count) of \(keys.count) differ, \(first ?? "")"
    }

    /// Moments that nobody archived.
    private func refusals(_ chaos: ArchiveChaos) throws {
        for (flags, reason) in [
            (["--to-revision", "999999999"], "ends at revision"),
            (["--to-revision", "1"], "begins at revision"),
            (["--to-time", "2020-02-30T00:00:00Z"], "is no time"),
        ] {
            let directory = chaos.archive + "-none"
            let output = try Command.run(
                chaos.program,
                ["restore", chaos.archive] + flags + [
                    "--name", "a", "--data-dir", directory, "--initial-cluster",
                    "a=http://127.0.0.1:1", "--initial-advertise-peer-urls", "http://127.0.0.1:1",
                ], limit: .seconds(120))
            #expect(output.status == .exited(64) && output.text.contains(reason), "\(output.text)")
            #expect(!FileManager.default.fileExists(atPath: directory))
        }
    }

    /// How long the same state takes here and with etcd's own tool.
    private func speed(_ chaos: ArchiveChaos) throws {
        let folder = chaos.cluster.folder
        let listed = try JSON(try chaos.keelson(["backup", "list", chaos.archive, "-o", "json"]))
        let base = try #require(listed["bases"].array.last?["path"].string)
        let snapshot = folder.appending(path: "state.db").path
        _ = try chaos.keelson(["backup", "export", "--etcd", base, "--out", snapshot])
        let state = try JSON(try chaos.keelson(["backup", "verify", base, "-o", "json"]))
        let megabytes = Double(state["backup"]["contentBytes"].int) / 1e6
        let keys = Double(state["keys"].int)
        func time(_ what: String, _ program: String, _ words: [String]) throws {
            let start = ContinuousClock.now
            _ = try Command.runSuccessfully(program, words, limit: .seconds(300))
            let seconds = (ContinuousClock.now - start).milliseconds / 1000
            print(
                "\(what): \(Self.text(seconds)) s, \(Self.text(megabytes / seconds)) MB/s,"
                    + " \(Int(keys / seconds)) keys/s")
        }
        defer { try? FileManager.default.removeItem(at: folder.appending(path: "speed")) }
        try FileManager.default.createDirectory(
            at: folder.appending(path: "speed"), withIntermediateDirectories: true)
        func words(_ source: String, _ target: String) -> [String] {
            [
                source, "--name", "a", "--data-dir", folder.appending(path: "speed/\(target)").path,
                "--initial-cluster", "a=http://127.0.0.1:1", "--initial-advertise-peer-urls",
                "http://127.0.0.1:1",
            ]
        }
        print(
            "restoring \(Int(keys)) keys in \(state["versions"].int) versions,"
                + " \(Self.text(megabytes)) MB:")
        try time("keelson restore", chaos.program, ["restore"] + words(base, "a"))
        let etcdutl = URL(filePath: try ServerProgram.etcd().path).deletingLastPathComponent()
            .appending(path: "etcdutl").path
        try time(
            "etcdutl snapshot restore", etcdutl, ["snapshot", "restore"] + words(snapshot, "b"))
        let last = chaos.moments.last?.low ?? 0
        let start = ContinuousClock.now
        _ = try chaos.keelson(["restore"] + words(chaos.archive, "c"))
        let seconds = (ContinuousClock.now - start).milliseconds / 1000
        print(
            "keelson restore of the archive's end, \(last - state["revision"].int) revisions"
                + " behind that: \(Self.text(seconds)) s")
    }

    private static func text(_ number: Double) -> String {
        String(format: "%.2f", number)
    }
}
