import Foundation
import LocalCluster
import Testing

@Suite(
    "Backups that are interrupted go on, between real processes", .serialized,
    .enabled(if: BadStartTests.isKeelson))
struct ResumeBackupTests {
    private let program: String
    private static let values = 48
    private static let valueBytes = 300_000

    init() throws { program = try ServerProgram.underTest().path }

    private func keelson(_ words: [String]) throws -> String {
        try Command.runSuccessfully(program, words, limit: .seconds(120))
    }

    /// A cluster with some 14 MB that do not become smaller.
    private func filled(_ name: String, nodeCount: Int = 1) throws -> ServerCluster {
        let cluster = try ServerCluster(
            name, try ServerProgram.underTest(), nodeCount: nodeCount)
        try cluster.start()
        let client = Etcdctl(cluster.endpoints)
        for number in 0..<Self.values {
            try client.run("put", "big/\(number)", input: Self.noise())
        }
        return cluster
    }

    private static func noise() -> String {
        var random = SystemRandomNumberGenerator()
        var data = Data(capacity: valueBytes)
        while data.count < valueBytes / 4 * 3 {
            withUnsafeBytes(of: random.next()) { data.append(contentsOf: $0) }
        }
        return data.base64EncodedString()
    }

    private func path(_ cluster: ServerCluster, _ name: String) -> String {
        cluster.folder.appending(path: name).path
    }

    private func size(_ path: String) -> Int {
        let found = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
        return found ?? 0
    }

    /// The revisions in a backup, as one hash.
    private func content(_ file: String, _ more: [String] = []) throws -> String {
        let database = file + ".sqlite"
        _ = try keelson(["backup", "open", file, "--out", database] + more)
        return try Command.runSuccessfully(
            "bash", ["-c", "sqlite3 '\(database)' '.dump revisions' | sha256sum"],
            limit: .seconds(60))
    }

    /// Begins a slow backup and kills it once `bytes` of it are there.
    private func takeAndKill(
        _ endpoints: [String], _ file: String, _ more: [String] = [], bytes: Int = 3_000_000
    ) throws {
        let taking = try Command.start(
            program,
            [
                "backup", "take", "--endpoints", endpoints.joined(separator: ","), "--out", file,
                "--limit-rate", "4",
            ] + more)
        let came = Patience.wait(.seconds(30), pauseMilliseconds: 20) {
            size(file + ".part") >= bytes ? true : nil
        }
        try #require(came == true, "\(taking.output)")
        taking.killHard()
        #expect(!FileManager.default.fileExists(atPath: file))
        let refused = try Command.run(program, ["backup", "verify", file + ".part"] + more)
        #expect(refused.status == .exited(65), "\(refused.text)")
    }

    private func take(
        _ endpoints: [String], _ file: String, _ more: [String] = []
    ) throws -> String {
        try keelson(
            [
                "backup", "take", "--endpoints", endpoints.joined(separator: ","), "--out", file,
            ] + more)
    }

    @Test("a connection that is cut off, and again, costs nothing that came over it")
    func cutConnection() throws {
        let cluster = try filled("resume-cut")
        let node = cluster.nodes[0]
        let cuts = [4_000_000, 3_000_000]
        let proxy = try #require(
            CuttingProxy(on: try Ports.free(1)[0], to: node.clientPort, cuts: cuts))
        let file = path(cluster, "cut.kbk")
        let said = try take(["127.0.0.1:\(proxy.port)"], file)
        #expect(said.split(separator: "going on at").count == 3, "\(said)")
        #expect(!said.contains("beginning anew"), "\(said)")
        #expect(proxy.connectionCount == 3)
        _ = try keelson(["backup", "verify", file])
        let other = path(cluster, "other.kbk")
        _ = try take([node.endpoint], other)
        #expect(try content(file) == content(other))
    }

    @Test("a command that is killed is gone on with by the next, at the member that has the rest")
    func killedCommand() throws {
        let cluster = try filled("resume-kill", nodeCount: 3)
        let client = Etcdctl(cluster.endpoints)
        let whole = path(cluster, "whole.kbk")
        _ = try take([cluster.endpoints[0]], whole)
        let file = path(cluster, "killed.kbk")
        try takeAndKill([cluster.endpoints[1]], file)
        let before = size(file + ".part")
        try client.run("put", "later", "x")
        // The others are asked first.
        let said = try take(
            [cluster.endpoints[0], cluster.endpoints[2], cluster.endpoints[1]], file)
        #expect(said.contains("going on at"), "\(said)")
        #expect(!said.contains("beginning anew"), "\(said)")
        #expect(size(file) > before)
        #expect(try content(file) == content(whole))
        #expect(!FileManager.default.fileExists(atPath: file + ".part"))
    }

    @Test("encrypted backups as well, with the same key only; --restart begins anew")
    func encrypted() throws {
        let cluster = try filled("resume-seal")
        let key = path(cluster, "key")
        try Data((0..<32).map { UInt8($0) }).write(to: URL(filePath: key))
        let sealed = ["--key-file", key]
        let file = path(cluster, "sealed.kbk")
        try takeAndKill(cluster.endpoints, file, sealed)
        let refused = try Command.run(
            program,
            ["backup", "take", "--endpoints", cluster.endpoints[0], "--out", file])
        #expect(refused.status == .exited(64), "\(refused.text)")
        #expect(refused.text.contains("is encrypted") && refused.text.contains("--restart"))
        let said = try take(cluster.endpoints, file, sealed)
        #expect(said.contains("going on at"), "\(said)")
        let other = path(cluster, "open.kbk")
        try takeAndKill(cluster.endpoints, other)
        #expect(try !take(cluster.endpoints, other, ["--restart"]).contains("going on"))
        #expect(try content(file, sealed) == content(other))
    }

    @Test("where its server was started again the backup begins anew, and says so")
    func restartedServer() throws {
        let cluster = try filled("resume-restart")
        let file = path(cluster, "restart.kbk")
        try takeAndKill(cluster.endpoints, file)
        cluster.killAll()
        try cluster.start()
        try Etcdctl(cluster.endpoints).run("put", "later", "x")
        let said = try take(cluster.endpoints, file)
        #expect(said.contains("beginning anew") && !said.contains("going on"), "\(said)")
        _ = try keelson(["backup", "verify", file])
        let other = path(cluster, "other.kbk")
        _ = try take(cluster.endpoints, other)
        #expect(try content(file) == content(other))
    }
}
