import EtcdSnapshot
import Foundation
import LocalCluster
import Testing

@Suite("Files that etcd itself wrote", .serialized)
struct EtcdFileTests {
    /// etcdutl beside the etcd of the tests.
    private static func etcdutl() throws -> String {
        let etcd = URL(filePath: try ServerProgram.etcd().path)
        return etcd.deletingLastPathComponent().appending(path: "etcdutl").path
    }

    private func filled(_ etcd: ServerCluster) throws -> String {
        let client = Etcdctl(etcd.endpoints)
        for start in stride(from: 0, to: 2_000, by: 100) {
            let puts = (start..<(start + 100)).map { number in
                "put many/\(number) \"\(String(repeating: "v", count: number % 300))\"\n"
            }
            try client.run("txn", input: "\n\(puts.joined())\n\n")
        }
        try client.run("txn", input: "\ndel many/17\nput many/18 x\ndel many/19\n\n\n")
        try client.run("del", "many/3")
        try client.run("del", "many/4")
        try client.run("put", "many/3", "again")
        try client.run("put", "large", input: String(repeating: "x", count: 1_200_000))
        let lease = try client.run("lease", "grant", "5000").split(separator: " ")[1]
        try client.run("put", "leased", "x", "--lease=\(lease)")
        try client.run("compact", "15")
        try client.run("user", "add", "root:secret")
        try client.run("user", "add", "reader", "--no-password")
        try client.run("role", "add", "readers")
        try client.run("role", "grant-permission", "readers", "read", "many/", "--prefix")
        try client.run("role", "grant-permission", "readers", "readwrite", "own")
        try client.run("user", "grant-role", "reader", "readers")
        try client.run("user", "grant-role", "root", "root")
        return String(lease)
    }

    private func sameStatus(_ file: String) throws {
        let ours = try Command.runSuccessfully(
            try ServerProgram.underTest().path, ["snapshot", "status", file, "-o", "json"])
        let theirs = try Command.runSuccessfully(
            try Self.etcdutl(), ["snapshot", "status", file, "-w", "json"])
        #expect(ours == theirs && ours.contains("\"totalKey\":"))
    }

    @Test("etcd 3.5.1's snapshot has what the server answers, and the status that etcdutl says")
    func wholeFile() throws {
        let etcd = try ServerCluster("etcd-file", try ServerProgram.etcd(), nodeCount: 1)
        try etcd.start()
        let lease = try filled(etcd)
        let client = Etcdctl(etcd.endpoints)
        let answered = try client.json("get", "", "--prefix")
        let member = try client.json("member", "list")["members"][0]
        let root = ["--user", "root:secret"]
        try client.run("auth", "enable")
        let file = etcd.folder.appending(path: "snapshot.db").path
        _ = try Command.runSuccessfully(
            "etcdctl", ["--endpoints", etcd.endpoints[0]] + root + ["snapshot", "save", file],
            environment: ["ETCDCTL_API": "3"])
        try sameStatus(file)

        let reader = try EtcdSnapshotReader(try BoltDiskFile(path: file))
        #expect(try reader.bolt.checkDigest())
        try compare(reader, with: answered)
        var leases = reader.leases()
        let found = try #require(try leases.next())
        #expect(found.id == Int64(lease, radix: 16) && found.seconds == 5000)
        #expect(try leases.next() == nil)
        var members = reader.members()
        let only = try #require(try members.next())
        #expect(only.id == member["ID"].unsigned && only.name == member["name"].string)
        #expect(only.peerURLs == member["peerURLs"].array.compactMap(\.string))
        // etcd 3.5.1 keeps where clients find a member elsewhere.
        #expect(only.clientURLs.isEmpty)
        try checkAuth(reader)
        let facts = try reader.facts()
        #expect(facts.finishedCompaction == facts.scheduledCompaction)
        #expect(facts.finishedCompaction == 15)
        #expect(facts.consistentIndex ?? 0 > 30 && facts.term ?? 0 >= 2)
        #expect(facts.isAuthEnabled && facts.authRevision ?? 0 > 5)
    }

    private func compare(
        _ reader: EtcdSnapshotReader<BoltDiskFile>, with answered: JSON
    ) throws {
        var live: [[UInt8]: EtcdRevision] = [:]
        var rows = reader.revisions()
        var deletions = 0
        while let row = try rows.next() {
            deletions += row.isTombstone ? 1 : 0
            live[row.key] = row.isTombstone ? nil : row
        }
        #expect(deletions == 4)
        let pairs = answered["kvs"].array
        #expect(pairs.count == live.count && pairs.count > 1_990)
        for pair in pairs {
            let key = Array(Data(base64Encoded: pair["key"].string ?? "") ?? Data())
            let row = try #require(live[key])
            #expect(
                pair["value"].string.flatMap { Data(base64Encoded: $0) } ?? Data()
                    == Data(row.value))
            #expect(pair["create_revision"].int == row.createRevision)
            #expect(pair["mod_revision"].int == row.modRevision)
            #expect(pair["version"].int == row.version && pair["lease"].int == row.lease)
        }
    }

    private func checkAuth(_ reader: EtcdSnapshotReader<BoltDiskFile>) throws {
        var users = reader.users()
        let nobody = try #require(try users.next())
        #expect(nobody.name == Array("reader".utf8) && nobody.hasNoPassword)
        #expect(nobody.password.isEmpty && nobody.roles == [Array("readers".utf8)])
        let root = try #require(try users.next())
        #expect(root.name == Array("root".utf8) && root.password.starts(with: Array("$2".utf8)))
        #expect(try users.next() == nil)
        var roles = reader.roles()
        let role = try #require(try roles.next())
        #expect(role.name == Array("readers".utf8))
        #expect(
            role.permissions.map(\.kind) == [.read, .readWrite]
                && role.permissions[0].rangeEnd == Array("many0".utf8)
                && role.permissions[1].key == Array("own".utf8))
        // A role that etcd knows without a record.
        #expect(try roles.next() == nil)
    }

    @Test("keelson snapshot status says of Keelson's own file what etcdutl says")
    func ownFile() throws {
        let ours = try ServerCluster("own-file", try ServerProgram.underTest(), nodeCount: 1)
        try ours.start()
        let client = Etcdctl(ours.endpoints)
        for number in 0..<200 { try client.run("put", "k\(number % 50)", "v\(number)") }
        try client.run("del", "k1", "k3")
        let file = ours.folder.appending(path: "snapshot.db").path
        try client.run("snapshot", "save", file)
        try sameStatus(file)
    }

    @Test("a damaged file is refused with 65, what is no file with 74, and both say why")
    func damaged() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "keelson-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "bad.db").path
        try Data(repeating: 7, count: 8192).write(to: URL(filePath: file))
        let program = try ServerProgram.underTest().path
        let bad = try Command.run(program, ["snapshot", "status", file])
        #expect(bad.status == .exited(65) && bad.text.contains("no valid meta page"))
        let missing = try Command.run(program, ["snapshot", "status", folder.path])
        #expect(missing.status == .exited(74) && missing.text.contains("cannot be read"))
    }
}
