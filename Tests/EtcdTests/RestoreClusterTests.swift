import Foundation
import LocalCluster
import Testing

@Suite("Backing up and restoring real clusters", .serialized, .enabled(if: BadStartTests.isKeelson))
struct RestoreClusterTests {
    private let program: String

    init() throws { program = try ServerProgram.underTest().path }

    private func keelson(_ words: String...) throws -> String {
        try Command.runSuccessfully(program, words, limit: .seconds(60))
    }

    private func fails(_ words: String..., with status: Int32) throws -> String {
        let output = try Command.run(program, words)
        #expect(output.status == .exited(status), "\(output.text)")
        return output.text
    }

    private func fill(_ client: Etcdctl, count: Int = 1_000) throws {
        for start in stride(from: 0, to: count, by: 100) {
            let puts = (start..<(start + 100)).map { number in
                "put many/\(number) \"\(String(repeating: "v", count: number % 300))\"\n"
            }
            try client.run("txn", input: "\n\(puts.joined())\n\n")
        }
        try client.run("txn", input: "\ndel many/17\nput many/18 x\ndel many/19\n\n\n")
        for number in 0..<20 { try client.run("put", "often", "\(number)") }
        try client.run("del", "many/3")
    }

    /// Gives each of the cluster's servers, none of which runs, a directory of a new cluster's.
    /// Returns what the command said of that cluster.
    @discardableResult
    private func restore(_ file: String, to cluster: ServerCluster, _ more: [String] = []) throws
        -> [JSON]
    {
        let members = cluster.nodes.map { "\($0.name)=\($0.peerURL)" }.joined(separator: ",")
        return try cluster.nodes.map { node in
            let words =
                [
                    "restore", file, "--name", node.name, "--data-dir", node.dataDirectory,
                    "--initial-cluster", members, "--initial-advertise-peer-urls", node.peerURL,
                    "--initial-cluster-token", cluster.folder.lastPathComponent, "-o", "json",
                ] + more
            return try JSON(try Command.runSuccessfully(program, words, limit: .seconds(60)))
        }
    }

    private func pairs(_ answer: JSON) -> [String] {
        answer["kvs"].array.map { pair in
            "\(pair["key"].string ?? "") \(pair["value"].string ?? "")"
                + " \(pair["create_revision"].int) \(pair["mod_revision"].int)"
                + " \(pair["version"].int) \(pair["lease"].int)"
        }
    }

    private func asRoot(_ endpoints: [String], _ words: String...) throws -> String {
        try Command.runSuccessfully(
            "etcdctl",
            ["--endpoints", endpoints.joined(separator: ","), "--user", "root:secret"] + words,
            environment: ["ETCDCTL_API": "3"])
    }

    @Test("a cluster that is destroyed comes back from a backup: keys, leases, users, all")
    func disaster() throws {
        let cluster = try ServerCluster("backup", try ServerProgram.underTest())
        try cluster.start()
        let client = Etcdctl(cluster.endpoints)
        try fill(client)
        let lease = String(try client.run("lease", "grant", "5000").split(separator: " ")[1])
        try client.run("put", "leased", "x", "--lease=\(lease)")
        try client.run("user", "add", "root:secret")
        try client.run("user", "grant-role", "root", "root")
        try client.run("role", "add", "readers")
        try client.run("role", "grant-permission", "readers", "read", "many/", "--prefix")
        try client.run("user", "add", "alice:wonder")
        try client.run("user", "grant-role", "alice", "readers")
        let before = try client.json("get", "", "--prefix")
        let oldCluster = before["header"]["cluster_id"].unsigned
        try client.run("auth", "enable")

        // From each member, while others write.
        let writer = try Command.start(
            "bash",
            [
                "-c",
                "while etcdctl --user root:secret --endpoints \(cluster.endpoints[0]) put load x;"
                    + " do :; done",
            ], environment: ["ETCDCTL_API": "3"])
        var files: [String] = []
        for (number, endpoint) in cluster.endpoints.enumerated() {
            let file = cluster.folder.appending(path: "b\(number).kbk").path
            _ = try keelson(
                "backup", "take", "--endpoints", endpoint, "--out", file, "--user",
                "root:secret")
            files.append(file)
        }
        writer.killHard()
        let anonymous = try fails(
            "backup", "take", "--endpoints", cluster.endpoints[0], "--out", "/nowhere/x", with: 74)
        #expect(anonymous.contains("/nowhere/x"))
        let denied = cluster.folder.appending(path: "denied").path
        _ = try fails(
            "backup", "take", "--endpoints", cluster.endpoints[0], "--out", denied, "--user",
            "alice:wonder", with: 1)
        #expect(!FileManager.default.fileExists(atPath: denied + ".part"))

        cluster.killAll()
        for node in cluster.nodes {
            try FileManager.default.removeItem(atPath: node.dataDirectory)
        }
        let said = try restore(files[2], to: cluster)
        #expect(Set(said.compactMap { $0["cluster"].string }).count == 1)
        try cluster.start()
        try check(cluster, before, lease: lease, oldCluster: oldCluster)
        // A restart knows who it is, whatever the flags for a new cluster say.
        cluster.killAll()
        try cluster.start()
        _ = try asRoot(cluster.endpoints, "put", "many/1", "after")
    }

    private func check(
        _ cluster: ServerCluster, _ before: JSON, lease: String, oldCluster: UInt64
    ) throws {
        for endpoint in cluster.endpoints {
            let after = try JSON(
                try asRoot([endpoint], "get", "", "--prefix", "-w", "json"))
            let found = pairs(after).filter { !$0.hasPrefix("bG9hZA== ") }
            #expect(found == pairs(before) && found.count > 990)
            #expect(after["header"]["cluster_id"].unsigned != oldCluster)
            #expect(after["header"]["revision"].int > 1_000_000_000)
        }
        let time = try JSON(
            try asRoot(cluster.endpoints, "lease", "timetolive", lease, "--keys", "-w", "json"))
        #expect(time["ttl"].int > 4900 && time["granted-ttl"].int == 5000)
        #expect(time["keys"][0].decoded == "leased")
        let users = try asRoot(cluster.endpoints, "user", "list")
        #expect(users.split(separator: "\n") == ["alice", "root"])
        let alice = try Command.run(
            "etcdctl",
            ["--endpoints", cluster.endpoints[1], "--user", "alice:wonder", "get", "many/5"],
            environment: ["ETCDCTL_API": "3"])
        #expect(alice.status == .exited(0) && alice.text.hasPrefix("many/5"))
        // Who watches from where the old cluster was is told to read anew.
        let old = before["header"]["revision"].int + 1
        let watch = try Command.run(
            "etcdctl",
            [
                "--endpoints", cluster.endpoints[0], "--user", "root:secret", "watch", "many/1",
                "--rev", "\(old)",
            ], environment: ["ETCDCTL_API": "3"])
        #expect(watch.text.contains("required revision has been compacted"), "\(watch.text)")
    }

    @Test("from etcd and back: every key, revision, lease, user and role")
    func roundTrip() throws {
        let etcd = try ServerCluster("restore-from-etcd", try ServerProgram.etcd(), nodeCount: 1)
        try etcd.start()
        let client = Etcdctl(etcd.endpoints)
        try fill(client)
        let lease = String(try client.run("lease", "grant", "5000").split(separator: " ")[1])
        try client.run("put", "leased", "x", "--lease=\(lease)")
        try client.run("user", "add", "reader", "--no-password")
        try client.run("role", "add", "readers")
        try client.run("role", "grant-permission", "readers", "read", "many/", "--prefix")
        try client.run("user", "grant-role", "reader", "readers")
        let before = pairs(try client.json("get", "", "--prefix"))
        let role = try client.run("role", "get", "readers")
        let snapshot = etcd.folder.appending(path: "old.db").path
        try client.run("snapshot", "save", snapshot)

        let ours = try ServerCluster("restored-from-etcd", try ServerProgram.underTest())
        try restore(snapshot, to: ours)
        try ours.start()
        let middle = Etcdctl(ours.endpoints)
        #expect(pairs(try middle.json("get", "", "--prefix")) == before && before.count > 990)
        #expect(try middle.run("role", "get", "readers") == role)
        #expect(try middle.run("user", "get", "reader").contains("readers"))
        try middle.run("put", "in-between", "x")
        let after = pairs(try middle.json("get", "", "--prefix"))

        let file = ours.folder.appending(path: "now.kbk").path
        let export = ours.folder.appending(path: "now.db").path
        _ = try keelson("backup", "take", "--endpoints", ours.endpoints[1], "--out", file)
        _ = try keelson("backup", "export", "--etcd", file, "--out", export)
        let back = try ServerCluster("back-to-etcd", try ServerProgram.etcd(), nodeCount: 1)
        let etcdutl = URL(filePath: try ServerProgram.etcd().path).deletingLastPathComponent()
            .appending(path: "etcdutl").path
        let node = back.nodes[0]
        _ = try Command.runSuccessfully(
            etcdutl,
            [
                "snapshot", "restore", export, "--name", node.name, "--data-dir",
                node.dataDirectory, "--initial-cluster", "\(node.name)=\(node.peerURL)",
                "--initial-advertise-peer-urls", node.peerURL,
            ])
        try back.start()
        let etcdAgain = Etcdctl(back.endpoints)
        #expect(pairs(try etcdAgain.json("get", "", "--prefix")) == after)
        #expect(try etcdAgain.run("role", "get", "readers") == role)
        #expect(try etcdAgain.run("lease", "list").contains(lease))
    }

    @Test("a backup is a database for the sqlite3 shell, and says what it holds")
    func database() throws {
        let cluster = try ServerCluster("backup-open", try ServerProgram.underTest(), nodeCount: 1)
        try cluster.start()
        let client = Etcdctl(cluster.endpoints)
        try fill(client, count: 200)
        let file = cluster.folder.appending(path: "b.kbk").path
        let database = cluster.folder.appending(path: "b.sqlite").path
        let taken = try JSON(
            try keelson(
                "backup", "take", "--endpoints", cluster.endpoints[0], "--out", file, "-o", "json"))
        let verified = try JSON(try keelson("backup", "verify", file, "-o", "json"))
        #expect(verified["backup"]["sha256"].string == taken["sha256"].string)
        let keys = try client.json("get", "", "--prefix", "--keys-only")["count"].int
        #expect(verified["keys"].int == keys && keys > 190)
        _ = try keelson("backup", "open", file, "--out", database)
        func ask(_ sql: String) throws -> String {
            try Command.runSuccessfully("sqlite3", [database, sql])
        }
        #expect(try ask("SELECT count(*) FROM keys") == "\(keys)\n")
        #expect(try ask("SELECT value_text FROM keys WHERE key_text = 'often'") == "19\n")
        #expect(try ask("SELECT count(*) FROM history WHERE key_text = 'often'") == "20\n")
        #expect(try ask("SELECT name FROM members") == "node1\n")
        #expect(
            try ask("SELECT value FROM about WHERE name = 'revision'")
                == "\(taken["revision"].int)\n")
        _ = try fails("backup", "open", file, "--out", database, with: 74)

        let dry = cluster.folder.appending(path: "dry").path
        let plan = try keelson(
            "restore", file, "--name", "a", "--data-dir", dry, "--initial-cluster",
            "a=http://127.0.0.1:1", "--initial-advertise-peer-urls", "http://127.0.0.1:1",
            "--dry-run")
        #expect(plan.contains("would be member a") && plan.contains("\(keys) keys"))
        #expect(!FileManager.default.fileExists(atPath: dry))
    }

    @Test("files that are no whole backups are refused with 65, and nothing is made of them")
    func badFiles() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "keelson-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let target = folder.appending(path: "data").path
        func refused(_ bytes: [UInt8], _ reason: String) throws {
            let file = folder.appending(path: "bad.kbk")
            try Data(bytes).write(to: file)
            let text = try fails(
                "restore", file.path, "--name", "a", "--data-dir", target, "--initial-cluster",
                "a=http://127.0.0.1:1", "--initial-advertise-peer-urls", "http://127.0.0.1:1",
                with: 65)
            #expect(text.contains(reason), "\(text)")
            #expect(!FileManager.default.fileExists(atPath: target))
        }
        try refused(Array("something else".utf8), "neither a backup of keelson nor")
        try refused(Array("KEELBKUP".utf8) + [9, 0, 0, 0, 0, 0, 0, 0], "backup format 9")
        try refused(Array("KEELBKUP".utf8) + [1, 0, 0, 0], "was cut off")
        try refused([UInt8](repeating: 7, count: 4096), "neither a backup of keelson nor")
    }
}
