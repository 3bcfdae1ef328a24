import Foundation
import LocalCluster
import Testing

@Suite("Archiving a real cluster's log", .serialized, .enabled(if: BadStartTests.isKeelson))
struct ArchiveClusterTests {
    private let program: String

    init() throws { program = try ServerProgram.underTest().path }

    private func keelson(_ words: [String]) throws -> String {
        try Command.runSuccessfully(program, words, limit: .seconds(60))
    }

    private func pairs(_ answer: JSON) -> [String] {
        answer["kvs"].array.map { pair in
            "\(pair["key"].string ?? "") \(pair["value"].string ?? "")"
                + " \(pair["create_revision"].int) \(pair["mod_revision"].int)"
                + " \(pair["version"].int) \(pair["lease"].int)"
        }
    }

    /// Writes a hundred keys in one transaction, and two revisions more.
    private func write(_ client: Etcdctl, _ round: Int) throws -> Int64 {
        let puts = (0..<100).map { number in
            "put many/\((round * 37 + number) % 500) round-\(round)\n"
        }
        try client.run("txn", input: "\n\(puts.joined())\n\n")
        try client.run("put", "round", "\(round)")
        try client.run("del", "many/\(round * 11 % 500)")
        return try client.json("get", "round")["header"]["revision"].int
    }

    @Test("a cluster that loses members meanwhile is restored to five moments, to the revision")
    func moments() throws {
        let cluster = try ServerCluster("archive", try ServerProgram.underTest())
        try cluster.start()
        let client = Etcdctl(cluster.endpoints)
        let archive = cluster.folder.appending(path: "archive").path
        let follow = try Command.start(
            program,
            [
                "backup", "follow", "--endpoints", cluster.endpoints.joined(separator: ","),
                "--to", archive, "--base-every", "2s", "-o", "json",
            ])
        // What is written before the first backup is in that, and in no log.
        let began = Patience.wait(.seconds(30)) {
            (try? keelson(["backup", "list", archive])) == nil ? nil : true
        }
        try #require(began == true, "\(follow.output)")
        var moments: [Int64] = []
        for round in 0..<30 {
            let revision = try write(client, round)
            if [2, 9, 15, 21, 29].contains(round) { moments.append(revision) }
            if round == 10 { cluster.nodes[0].killHard() }
            if round == 14 { try cluster.nodes[0].start() }
            if round == 18 { cluster.nodes[1].killHard() }
            if round == 22 { try cluster.nodes[1].start() }
        }
        let history = try moments.map { revision in
            pairs(try client.json("get", "", "--prefix", "--rev", "\(revision)"))
        }
        let isThere = Patience.wait(.seconds(30)) { () -> Bool? in
            let text = try? keelson(["backup", "verify", archive, "-o", "json"])
            let found = text.flatMap { try? JSON($0) }?["revision"].int ?? 0
            return found >= moments[4] ? true : nil
        }
        #expect(isThere == true)
        follow.send(signal: SIGTERM)
        #expect(follow.waitForExit(.seconds(10)) == .exited(0))
        let summary = try JSON(
            String(follow.output.split(separator: "\n").last { $0.hasPrefix("{") } ?? "{}"))
        #expect(summary["entries"].int > 60 && summary["gaps"].int == 0, "\(follow.output)")
        #expect(summary["lagP50Milliseconds"].int < 1_000, "\(follow.output)")
        cluster.killAll()

        for (number, revision) in moments.enumerated() {
            let restored = try ServerCluster(
                "archive-moment", try ServerProgram.underTest(), nodeCount: 1)
            let node = restored.nodes[0]
            _ = try keelson([
                "restore", archive, "--to-revision", "\(revision)", "--name", node.name,
                "--data-dir", node.dataDirectory, "--initial-cluster",
                "\(node.name)=\(node.peerURL)", "--initial-advertise-peer-urls", node.peerURL,
                "--nonce", "\(number)",
            ])
            try restored.start()
            let found = pairs(try Etcdctl(restored.endpoints).json("get", "", "--prefix"))
            #expect(found == history[number] && found.count > 100)
            restored.killAll()
        }
        let beyond = try Command.run(
            program,
            [
                "restore", archive, "--to-revision", "999999", "--name", "a", "--data-dir",
                archive + "-none", "--initial-cluster", "a=http://127.0.0.1:1",
                "--initial-advertise-peer-urls", "http://127.0.0.1:1",
            ])
        #expect(beyond.status == .exited(64) && beyond.text.contains("ends at revision"))
        _ = try keelson(["backup", "prune", archive, "--keep", "1"])
        #expect(try keelson(["backup", "verify", archive]).contains("whole"))
    }
}
