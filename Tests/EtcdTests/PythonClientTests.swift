import Foundation
import LocalCluster
import Testing

@Suite("The PyPI client etcd3 0.12.0", .serialized)
struct PythonClientTests {
    @Test(
        "put, get, del, txn, watch, lease, compaction and status work",
        arguments: SharedCluster.nodes)
    func everything(node: Int) throws {
        let script = ServerProgram.scriptPath("checks/python_client.py")
        let endpoint = try SharedCluster.current.nodes[node].endpoint
        let text = try Command.runSuccessfully(
            try ServerProgram.python(), [script, endpoint], limit: .seconds(90))
        let passed = text.split(separator: "\n").filter { $0.hasPrefix("ok ") }
        #expect(passed.count == 11, "\(text)")
    }
}

@Suite("Answers compared with etcd's, request by request", .serialized)
struct DifferentialTests {
    @Test("a thousand random operations get etcd's answers", arguments: [1, 2])
    func randomOperations(seed: Int) throws {
        let etcd = try ServerCluster("differential-etcd", try ServerProgram.etcd())
        let ours = try ServerCluster("differential", try ServerProgram.underTest())
        try etcd.start()
        try ours.start()
        let script = ServerProgram.scriptPath("differential.py")
        _ = try Command.runSuccessfully(
            try ServerProgram.python(),
            [
                script, "--left", etcd.endpoints.joined(separator: ","),
                "--right", ours.endpoints.joined(separator: ","),
                "--seed", "\(seed)", "--operations", "1000",
            ], limit: .seconds(60))
    }

    @Test("the conformance suite: every case is answered as by etcd, or differs as listed")
    func conformance() throws {
        let etcd = try ServerCluster("conformance-etcd", try ServerProgram.etcd(), nodeCount: 1)
        let ours = try ServerCluster("conformance", try ServerProgram.underTest(), nodeCount: 1)
        try etcd.start()
        try ours.start()
        let text = try Command.runSuccessfully(
            try ServerProgram.python(),
            [
                ServerProgram.scriptPath("../Tests/Conformance/run.py"), "--left",
                etcd.endpoints[0], "--right", ours.endpoints[0],
            ], limit: .seconds(120))
        #expect(text.contains("578 cases: 566 alike, 12 differ as listed"), "\(text)")
    }
}

@Suite("Snapshots that etcd's own tools take", .serialized)
struct SnapshotTests {
    @Test("etcdctl saves one, etcdutl restores it, and etcd goes on from there")
    func restored() throws {
        let ours = try ServerCluster("snapshot", try ServerProgram.underTest(), nodeCount: 1)
        try ours.start()
        let ports = try Ports.free(2)
        let text = try Command.runSuccessfully(
            try ServerProgram.python(),
            [
                ServerProgram.scriptPath("checks/snapshot.py"), ours.endpoints[0],
                ours.folder.appending(path: "etcd").path, "\(ports[0])", "\(ports[1])",
            ], limit: .seconds(120))
        #expect(text.contains("7902 pairs alike"), "\(text)")
    }

    @Test("X03 snapshots and defragmentation at once, under writes, leave all nodes alike")
    func snapshotsBesideDefragmentation() throws {
        let program = try ServerProgram.underTest()
        let cluster = try ServerCluster("snapshot-defrag", program)
        try cluster.start()
        let endpoints = cluster.endpoints.joined(separator: ",")
        let load = try Command.start(
            program.path,
            [
                "bench", "--duration", "10s", "--rate", "2000", "--connections", "4",
                "--key-count", "500", "--endpoints", endpoints,
            ])
        for round in 0..<4 {
            for node in cluster.nodes {
                let client = Etcdctl([node.endpoint])
                let file = cluster.folder.appending(path: "\(node.name)-\(round).db").path
                let saving = try client.start("snapshot", "save", file)
                let defragmentation = try client.start("defrag")
                #expect(defragmentation.waitForExit(.seconds(20)) == .exited(0))
                #expect(saving.waitForExit(.seconds(20)) == .exited(0))
                let status = try client.json("snapshot", "status", file)
                #expect(status["totalKey"].int > 0)
            }
        }
        #expect(load.waitForExit(.seconds(40)) == .exited(0))
        let revision = try Etcdctl(cluster.endpoints).json("get", "none")["header"]["revision"].int
        let hashes = try cluster.nodes.map { node in
            let client = Etcdctl([node.endpoint])
            _ = try client.run("get", "none")
            let answer = try client.json("endpoint", "hashkv", "--rev", "\(revision)")
            return answer[0]["HashKV"]["hash"].unsigned
        }
        #expect(Set(hashes).count == 1 && hashes[0] != 0, "\(hashes)")
    }
}

@Suite("One connection for everything", .serialized)
struct SharedConnectionTests {
    @Test("X10 huge reads beside a watch, on one connection, hold up no event")
    func hugeReads() throws {
        let ours = try ServerCluster("shared", try ServerProgram.underTest(), nodeCount: 1)
        try ours.start()
        let text = try Command.runSuccessfully(
            try ServerProgram.python(),
            [ServerProgram.scriptPath("checks/shared_connection.py"), ours.endpoints[0]],
            limit: .seconds(120))
        print(text)
        #expect(text.contains(" events beside "), "\(text)")
    }
}
