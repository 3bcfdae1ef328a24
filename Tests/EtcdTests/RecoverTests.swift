import Foundation
import LocalCluster
import Testing

@Suite(
    "What one surviving member is good for", .serialized, .enabled(if: BadStartTests.isKeelson))
struct RecoverTests {
    private let program: String

    init() throws { program = try ServerProgram.underTest().path }

    private func keelson(_ words: [String]) throws -> Command.Output {
        try Command.run(program, words, limit: .seconds(120))
    }

    private func recover(_ old: ServerNode, to new: ServerNode, _ more: [String] = []) throws
        -> Command.Output
    {
        try keelson(
            [
                "recover", old.dataDirectory, "--name", new.name, "--data-dir", new.dataDirectory,
                "--initial-advertise-peer-urls", new.peerURL, "-o", "json",
            ] + more)
    }

    private func fill(_ client: Etcdctl) throws {
        for start in stride(from: 0, to: 500, by: 100) {
            let puts = (start..<(start + 100)).map { number in
                "put many/\(number) \"\(number) \(UInt64.random(in: 0 ... .max))\"\n"
            }
            try client.run("txn", input: "\n\(puts.joined())\n\n")
        }
        try client.run("put", "many/5", "again")
        try client.run("del", "many/7")
    }

    private func pairs(_ answer: JSON) -> [String] {
        answer["kvs"].array.map { pair in
            "\(pair["key"].string ?? "") \(pair["value"].string ?? "")"
                + " \(pair["create_revision"].int) \(pair["mod_revision"].int)"
        }
    }

    /// Waits until the member has all that was acknowledged.
    private func catchUp(_ node: ServerNode, _ revision: Int64) {
        let isThere = Patience.wait(.seconds(20), pauseMilliseconds: 20) { () -> Bool? in
            let answer = try? Etcdctl([node.endpoint]).json("get", "x", "--consistency", "s")
            return (answer?["header"]["revision"].int ?? 0) >= revision ? true : nil
        }
        #expect(isThere == true)
    }

    @Test("a cluster of one has everything that the member had, and grows to three")
    func survivor() throws {
        let lost = try ServerCluster("recover-lost", try ServerProgram.underTest())
        try lost.start()
        try fill(Etcdctl(lost.endpoints))
        let before = try Etcdctl(lost.endpoints).json("get", "", "--prefix")
        let survivor = lost.nodes[2]
        catchUp(survivor, before["header"]["revision"].int)
        let found = try ServerCluster(
            "recover-found", try ServerProgram.underTest(), nodeCount: 1, spareCount: 2)
        let node = found.nodes[0]

        let busy = try recover(survivor, to: node, ["--force-new-cluster"])
        #expect(busy.status == .exited(74) && busy.text.contains("locked by another process"))
        lost.killAll()
        let unsure = try recover(survivor, to: node)
        #expect(unsure.status == .exited(64) && unsure.text.contains("--force-new-cluster"))
        let dry = try recover(survivor, to: node, ["--dry-run"])
        #expect(dry.status == .exited(0))
        #expect(try JSON(dry.text)["logTerm"].int > 0)
        #expect(!FileManager.default.fileExists(atPath: node.dataDirectory))
        let made = try recover(survivor, to: node, ["--force-new-cluster"])
        #expect(made.status == .exited(0), "\(made.text)")
        let said = try JSON(made.text)
        #expect(said["oldRevision"].int == before["header"]["revision"].int)
        let again = try recover(survivor, to: node, ["--force-new-cluster"])
        #expect(again.status == .exited(64) && again.text.contains("nothing is restored over"))

        try found.start()
        let after = try Etcdctl(found.endpoints).json("get", "", "--prefix")
        #expect(pairs(after) == pairs(before) && pairs(after).count == 499)
        #expect(after["header"]["cluster_id"].unsigned != before["header"]["cluster_id"].unsigned)
        try grow(found)
        // What is left of the lost cluster is whole, and as it was.
        #expect(try keelson(["verify", survivor.dataDirectory]).status == .exited(0))
    }

    /// Adds two members, and does without the first.
    private func grow(_ cluster: ServerCluster) throws {
        for spare in cluster.spares {
            let client = Etcdctl(cluster.endpoints)
            let added = Patience.wait(.seconds(30), pauseMilliseconds: 200) {
                try? client.run("member", "add", spare.name, "--peer-urls=\(spare.peerURL)")
            }
            try #require(added != nil)
            try spare.start()
            cluster.setMembers(cluster.nodes + [spare])
        }
        let rest = Etcdctl(Array(cluster.endpoints.dropFirst()))
        let voters = Patience.wait(.seconds(30), pauseMilliseconds: 100) { () -> Bool? in
            // Of a member that joins the list does not say that it has no vote yet.
            let answers = (try? rest.json("endpoint", "status").array) ?? []
            let vote = answers.allSatisfy { !$0["Status"]["isLearner"].bool }
            return answers.count == 2 && vote ? true : nil
        }
        #expect(voters == true)
        cluster.nodes[0].killHard()
        let written = Patience.wait(.seconds(30), pauseMilliseconds: 100) {
            try? rest.run("put", "after", "x")
        }
        #expect(written == "OK")
        #expect(try rest.run("get", "many/5", "--print-value-only") == "again")
    }

    @Test("a damaged directory is refused with the reason, and gives what it has when asked to")
    func damaged() throws {
        let lost = try ServerCluster(
            "recover-damaged", try ServerProgram.underTest(), nodeCount: 1)
        try lost.start()
        try fill(Etcdctl(lost.endpoints))
        lost.killAll()
        let old = lost.nodes[0]
        let log = old.dataDirectory + "/log"
        let segment = try #require(
            try FileManager.default.contentsOfDirectory(atPath: log).filter {
                let size = try FileManager.default.attributesOfItem(atPath: log + "/" + $0)[.size]
                return ((size as? NSNumber)?.intValue ?? 0) > 100_000
            }.sorted().first)
        let file = try FileHandle(forUpdating: URL(filePath: log + "/" + segment))
        try file.seek(toOffset: 12_000)
        try file.write(contentsOf: Data(repeating: 0xA5, count: 64))
        try file.close()

        let found = try ServerCluster(
            "recover-rest", try ServerProgram.underTest(), nodeCount: 1)
        let node = found.nodes[0]
        let refused = try recover(old, to: node, ["--force-new-cluster"])
        #expect(refused.status == .exited(65), "\(refused.text)")
        #expect(refused.text.contains("are damaged") && refused.text.contains("--accept-loss"))
        #expect(!FileManager.default.fileExists(atPath: node.dataDirectory))
        let taken = try recover(old, to: node, ["--force-new-cluster", "--accept-loss"])
        #expect(taken.status == .exited(0) && taken.text.contains("are damaged"), "\(taken.text)")
        try found.start()
        let left = try Etcdctl(found.endpoints).json("get", "", "--prefix")["kvs"].array.count
        #expect(left < 499)

        let nothing = try keelson([
            "recover", "/", "--force-new-cluster", "--name", "a", "--data-dir",
            node.dataDirectory + "-b", "--initial-advertise-peer-urls", "http://127.0.0.1:1",
        ])
        #expect(nothing.status != .exited(0) && nothing.status != .exited(1), "\(nothing.text)")
    }

    @Test("a log, a checkpoint and a backup can be looked into, by index, term and key")
    func inspect() throws {
        let cluster = try ServerCluster(
            "inspect", try ServerProgram.underTest(), nodeCount: 1,
            arguments: ["--snapshot-count", "100"])
        try cluster.start()
        let client = Etcdctl(cluster.endpoints)
        try fill(client)
        let node = cluster.nodes[0]
        let more = try keelson([
            "bench", "--endpoints", node.endpoint, "--total", "500", "--connections", "1",
            "--streams", "4", "--key-count", "10",
        ])
        #expect(more.status == .exited(0), "\(more.text)")
        let backup = cluster.folder.appending(path: "b.kbk").path
        _ = try keelson(["backup", "take", "--endpoints", node.endpoint, "--out", backup])
        let hasCheckpoint = Patience.wait(.seconds(30), pauseMilliseconds: 50) { () -> Bool? in
            let names = try? FileManager.default.contentsOfDirectory(
                atPath: node.dataDirectory + "/checkpoint")
            return names?.contains("manifest") == true ? true : nil
        }
        #expect(hasCheckpoint == true)
        let busy = try keelson(["inspect", "log", node.dataDirectory])
        #expect(busy.status == .exited(74) && busy.text.contains("locked by another process"))
        try cluster.stopAll()

        let touched = try keelson([
            "inspect", "log", node.dataDirectory, "--key", "many/7", "-o", "json",
        ])
        let entries = try touched.text.split(separator: "\n").map { try JSON(String($0)) }
        #expect(entries.map { $0["kind"].string } == ["txn", "deleteRange"], "\(touched.text)")
        let index = try #require(entries.last?["index"].int)
        let one = try keelson(["inspect", "log", node.dataDirectory, "--index", "\(index)"])
        #expect(one.text.split(separator: "\n").count == 1)
        let term = entries.last?["term"].int ?? 0
        #expect(one.text.contains("\(index)  term \(term)  deleteRange  many/7"), "\(one.text)")
        let none = try keelson([
            "inspect", "log", node.dataDirectory, "--term", "1000-", "--index", "1-",
        ])
        #expect(none.status == .exited(0) && none.text.isEmpty)
        #expect(try keelson(["inspect", "log", backup]).status != .exited(0))

        let checkpoint = try keelson(["inspect", "checkpoint", node.dataDirectory])
        #expect(checkpoint.status == .exited(0) && checkpoint.text.contains("many/"))
        let versions = try keelson(["inspect", "backup", backup, "--key", "many/5", "-o", "json"])
        let records = try JSON(versions.text)["records"].array
        #expect(records.count == 2 && records[1]["value"].decoded == "again")
        #expect(records[1]["version"].int == 2)
    }
}
