import Foundation
import Glibc
import LocalCluster
import Testing

@Suite("What a server refuses to start with", .serialized)
struct BadStartTests {
    static var isKeelson: Bool { (try? ServerProgram.underTest())?.kind == .keelson }

    /// Flags that are out of range, and a word that the message must have beside the flag's name.
    private static let unusable: [[String]] = [
        ["--heartbeat-interval", "0"], ["--heartbeat-interval", "many"],
        ["--election-timeout", "120"], ["--election-timeout", "60000"],
        ["--snapshot-count", "0"], ["--quota-backend-bytes", "-1"],
        ["--max-request-bytes", "1"],
        ["--max-request-bytes", "33554433"], ["--max-txn-ops", "0"],
        ["--slow-request-log-threshold", "-1"], ["--trace-service-name", ""],
        ["--trace-sampling-per-million", "1000001"], ["--trace-sampling-per-million", "5"],
        ["--trace-export", "grpc://127.0.0.1:4317"], ["--trace-export", "/nowhere/to/traces"],
        ["--initial-cluster-state", "old"], ["--initial-cluster", "elsewhere=http://127.0.0.1:1"],
        ["--listen-client-urls", "nonsense"], ["--listen-peer-urls", "http://127.0.0.1:99999"],
        ["--auto-compaction-mode", "sometimes"], ["--auto-compaction-retention", "-1"],
        ["--record-history-retention", "1d"],
        ["--rejoin-policy", "sometimes"], ["--replace-dead-member-after", "9"],
        ["--replace-dead-member-after", "-1"], ["--replace-dead-member-after", "soon"],
        ["--auth-token", "paper"], ["--auth-token", "jwt,sign-method=none"],
        ["--auth-token", "jwt,sign-method=RS256,priv-key=/no/such/file"],
    ]

    @Test(
        "A40 a flag out of range is wrong usage, and the message names it",
        .enabled(if: isKeelson, "etcd words this its own way"), arguments: unusable)
    func flags(arguments: [String]) throws {
        let cluster = try ServerCluster("bad-flags", try ServerProgram.underTest(), nodeCount: 1)
        let node = cluster.nodes[0]
        let child = try node.launch(more: arguments)
        let status = child.waitForExit(.seconds(10))
        child.killHard()
        #expect(status == .exited(64), "\(node.logTail())")
        #expect(node.logTail().contains(arguments[0]), "\(node.logTail())")
        #expect(!FileManager.default.fileExists(atPath: node.dataDirectory + "/identity"))
    }

    @Test("A40 an unknown flag is wrong usage", .enabled(if: isKeelson))
    func unknownFlag() throws {
        let program = try ServerProgram.underTest()
        let output = try Command.run(program.path, ["server", "--no-such-flag"])
        #expect(output.status == .exited(64))
        #expect(output.text.contains("--no-such-flag"))
    }

    @Test(
        "A40 addresses that overlap, and a member that is its own peer, are refused in one line",
        .enabled(if: isKeelson))
    func overlaps() throws {
        let program = try ServerProgram.underTest()
        let cluster = try ServerCluster("overlaps", program, nodeCount: 1)
        let node = cluster.nodes[0]
        for (flag, value) in [
            ("--listen-client-urls", node.peerURL),
            ("--initial-cluster", "node1=\(node.peerURL),twin=\(node.peerURL)"),
        ] {
            let output = try Command.run(program.path, node.arguments + [flag, value])
            #expect(output.status == .exited(64), "\(output.text)")
            #expect(output.text.contains(flag), "\(output.text)")
            #expect(output.text.split(separator: "\n").count <= 3, "\(output.text)")
        }
    }

    @Test(
        "A36 a data directory that everybody may write, or of another user, is refused",
        .enabled(if: isKeelson))
    func unsafeDirectory() throws {
        let cluster = try ServerCluster("unsafe", try ServerProgram.underTest(), nodeCount: 1)
        let node = cluster.nodes[0]
        try FileManager.default.createDirectory(
            atPath: node.dataDirectory, withIntermediateDirectories: true)
        func refusal() throws -> String {
            let output = try Command.run(try ServerProgram.underTest().path, node.arguments)
            #expect(output.status == .exited(65), "\(output.text)")
            #expect(!FileManager.default.fileExists(atPath: node.dataDirectory + "/identity"))
            return output.text
        }
        #expect(chmod(node.dataDirectory, 0o777) == 0)
        #expect(try refusal().contains("everybody may write into it"))
        #expect(chmod(node.dataDirectory, 0o700) == 0)
        guard geteuid() == 0 else { return }
        #expect(chown(node.dataDirectory, 12_345, 12_345) == 0)
        #expect(try refusal().contains("it belongs to another user"))
        #expect(chown(node.dataDirectory, 0, 0) == 0)
        try cluster.start()
    }

    @Test("a data directory of another cluster is refused and left alone", .enabled(if: isKeelson))
    func foreignDirectory() throws {
        let program = try ServerProgram.underTest()
        let first = try ServerCluster("foreign-a", program, nodeCount: 1)
        try first.start()
        try Etcdctl(first.endpoints).run("put", "mine", "yes")
        try first.stopAll()

        let second = try ServerCluster("foreign-b", program, nodeCount: 1)
        let stolen = first.nodes[0].dataDirectory
        let child = try second.nodes[0].launch(more: ["--data-dir", stolen])
        let status = child.waitForExit(.seconds(10))
        child.killHard()
        #expect(status == .exited(65), "\(second.nodes[0].logTail())")
        #expect(second.nodes[0].logTail().contains(stolen))

        try first.start()
        #expect(try Etcdctl(first.endpoints).run("get", "mine", "--print-value-only") == "yes")
    }

    @Test("a data directory that another process uses is refused", .enabled(if: isKeelson))
    func directoryInUse() throws {
        let cluster = try ServerCluster("in-use", try ServerProgram.underTest(), nodeCount: 1)
        try cluster.start()
        let ports = try Ports.free(2)
        let node = cluster.nodes[0]
        let output = try Command.run(
            try ServerProgram.underTest().path,
            node.arguments + [
                "--listen-client-urls", "http://127.0.0.1:\(ports[0])",
                "--listen-peer-urls", "http://127.0.0.1:\(ports[1])",
            ], limit: .seconds(10))
        #expect(output.status != .exited(0))
        #expect(output.text.contains(node.dataDirectory), "\(output.text)")
        #expect(try Etcdctl(cluster.endpoints).run("put", "still", "here") == "OK")
    }

    @Test("a directory whose identity is damaged is refused", .enabled(if: isKeelson))
    func damagedIdentity() throws {
        let cluster = try ServerCluster("damaged", try ServerProgram.underTest(), nodeCount: 1)
        try cluster.start()
        try cluster.stopAll()
        let node = cluster.nodes[0]
        let identity = try #require(
            DataFiles.all(under: node.dataDirectory).first { $0.hasSuffix("/identity") })
        try DataFiles.change(identity) { $0 == 0 ? 0 : ~$0 }
        let child = try node.launch()
        let status = child.waitForExit(.seconds(10))
        child.killHard()
        #expect(status == .exited(65), "\(node.logTail())")
        #expect(node.logTail().contains(identity), "\(node.logTail())")
    }

    @Test(
        "a rotten log is named, stops no other node, and is mended from the others by itself",
        .enabled(if: isKeelson))
    func corruptSegment() throws {
        let cluster = try ServerCluster("rot", try ServerProgram.underTest())
        try cluster.start()
        let ctl = Etcdctl(cluster.endpoints)
        for number in 0..<40 {
            try ctl.run("put", "rot/\(number)", String(repeating: "v\(number) ", count: 200))
        }
        let node = cluster.nodes[1]
        node.killHard()
        let segment = try #require(
            DataFiles.all(under: node.dataDirectory).filter {
                $0.hasSuffix(".seg") || $0.contains("/log")
            }
            .max { DataFiles.usedBytes(of: $0) < DataFiles.usedBytes(of: $1) })
        try DataFiles.flipByte(of: segment, where: "rot/20")
        let child = try node.launch()
        let named = child.waitForOutput("damaged", .seconds(10))
        #expect(named, "\(node.logTail())")
        let others = Etcdctl([cluster.nodes[0].endpoint, cluster.nodes[2].endpoint])
        #expect(try others.run("put", "rot/after", "x") == "OK")
        for number in 0..<40 {
            let value = try others.run("get", "rot/\(number)", "--print-value-only")
            #expect(value == String(repeating: "v\(number) ", count: 200))
        }
        #expect(child.waitForOutput("is whole again", .seconds(30)), "\(node.logTail())")
        // It counts again: with another node gone there is no quorum without it.
        cluster.nodes[0].killHard()
        let rest = Etcdctl([node.endpoint, cluster.nodes[2].endpoint])
        let written = Patience.wait(.seconds(20)) {
            (try? rest.run("put", "rot/after", "y")) == "OK" ? true : nil
        }
        #expect(written == true, "\(node.logTail())")
        for number in 0..<40 {
            let value = try Etcdctl([node.endpoint]).run(
                "get", "rot/\(number)", "--print-value-only")
            #expect(value == String(repeating: "v\(number) ", count: 200))
        }
    }

    @Test("O04 a peer of another cluster is turned away, changes nothing", .enabled(if: isKeelson))
    func peerOfAnotherCluster() throws {
        let program = try ServerProgram.underTest()
        let cluster = try ServerCluster("home", program)
        try cluster.start()
        let ctl = Etcdctl(cluster.endpoints)
        try ctl.run("put", "home", "sweet")
        let before = try ctl.json("endpoint", "status")[0]["Status"]["raftTerm"].int

        // It takes node2's address for its own neighbour, under another token.
        let stranger = try ServerCluster("stranger", program, nodeCount: 1, token: "another")
        let own = stranger.nodes[0]
        let members = [
            "node1=http://127.0.0.1:\(own.peerPort)",
            "other2=http://127.0.0.1:\(cluster.nodes[1].peerPort)",
            "other3=http://127.0.0.1:\(cluster.nodes[2].peerPort)",
        ]
        let child = try own.launch(more: ["--initial-cluster", members.joined(separator: ",")])
        let ready = child.waitForOutput("ready to serve client requests", .seconds(4))
        #expect(!ready)
        #expect(try ctl.run("put", "home", "sweet home") == "OK")
        let after = try ctl.json("endpoint", "status")[0]["Status"]["raftTerm"].int
        #expect(after == before)
        child.killHard()
    }
}

/// Files of a data directory, and damage to them.
enum DataFiles {
    static func all(under folder: String) -> [String] {
        let names =
            FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        return names.sorted().map { folder + "/" + $0 }.filter {
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: $0, isDirectory: &isFolder)
                && !isFolder.boolValue
        }
    }

    /// Where the last byte other than zero is: segments are filled with zeros in advance.
    static func usedBytes(of path: String) -> Int {
        let data = FileManager.default.contents(atPath: path) ?? Data()
        return data.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0
    }

    /// Turns every bit of the first byte of `text`, which the file holds as it is.
    static func flipByte(of path: String, where text: String) throws {
        let data = try Data(contentsOf: URL(filePath: path))
        let found = try #require(data.range(of: Data(text.utf8)), "\(path) does not hold \(text)")
        var index = data.startIndex
        try change(path) { byte in
            defer { index += 1 }
            return index == found.lowerBound ? ~byte : byte
        }
    }

    /// Rewrites a file in place, byte by byte.
    static func change(_ path: String, _ transform: (UInt8) -> UInt8) throws {
        let data = Data(try Data(contentsOf: URL(filePath: path)).map(transform))
        let file = open(path, O_WRONLY)
        defer { close(file) }
        let written = data.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
        #expect(written == data.count)
    }
}
