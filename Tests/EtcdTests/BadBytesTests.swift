import Foundation
import LocalCluster
import Testing

@Suite("Bad input from the network", .serialized)
struct BadBytesTests {
    /// Sends something to a node of the shared cluster, and expects that all three processes live
    /// on and that the node serves others.
    private func survives(
        _ what: String, port: KeyPath<ServerNode, Int> = \.clientPort, _ attack: (Int) -> Void
    ) throws {
        let cluster = try SharedCluster.current
        let pids = cluster.nodes.compactMap { $0.current?.pid }
        for (position, node) in cluster.nodes.enumerated() {
            attack(node[keyPath: port])
            let ctl = try Etcdctl(node: position)
            #expect(try ctl.run("put", "bad/\(position)", what) == "OK", "after \(what)")
        }
        let alive = cluster.nodes.filter { $0.isRunning }.compactMap { $0.current?.pid }
        #expect(alive == pids, "processes after \(what)")
    }

    private func send(_ pieces: [[UInt8]], to port: Int, answerWithin milliseconds: Int32 = 100)
        -> [UInt8]
    {
        guard let connection = RawConnection(port: port) else { return [] }
        for piece in pieces { connection.send(piece) }
        return connection.receive(milliseconds)
    }

    @Test("malformed calls, frames and gateway bodies without end disturb nobody, nor fill memory")
    func malformedRequests() throws {
        let program = try ServerProgram.underTest()
        guard program.kind == .keelson else { return }
        let text = try Command.runSuccessfully(
            try ServerProgram.python(),
            [
                ServerProgram.scriptPath("malformed.py"), "--server", program.path, "--seconds",
                "25",
            ],
            limit: .seconds(120))
        print(text)
        #expect(text.contains("malformed requests in"), "\(text)")
    }

    @Test("random bytes to the client port disturb nobody")
    func garbageToClients() throws {
        try survives("garbage") { port in
            for index in 0..<20 { _ = send([Frames.garbage(index)], to: port, answerWithin: 10) }
        }
    }

    @Test("random bytes to the peer port disturb nobody")
    func garbageToPeers() throws {
        try survives("garbage", port: \.peerPort) { port in
            for index in 0..<20 { _ = send([Frames.garbage(index)], to: port, answerWithin: 10) }
        }
    }

    @Test("HTTP/2 that turns into random bytes disturbs nobody")
    func garbageAfterPreface() throws {
        try survives("broken HTTP/2") { port in
            for index in 0..<20 {
                let pieces = [Frames.preface, Frames.settings, Frames.garbage(index)]
                _ = send(pieces, to: port, answerWithin: 10)
            }
        }
    }

    @Test("frames of every type with random payloads disturb nobody")
    func framesOfEveryType() throws {
        try survives("odd frames") { port in
            for type in UInt8(0)...11 {
                for stream in [UInt32(0), 1, 2, 0x7FFF_FFFF] {
                    let payload = Array(Frames.garbage(Int(type) * 7 + 1).prefix(64))
                    let frame = Frames.frame(type: type, flags: type, stream: stream, payload)
                    _ = send([Frames.preface, Frames.settings, frame], to: port, answerWithin: 3)
                }
            }
        }
    }

    @Test("A23 a gRPC length that lies is refused, and the connection's end disturbs nobody")
    func lyingLengths() throws {
        let put = "/etcdserverpb.KV/Put"
        try survives("lying lengths") { port in
            for claimed in [UInt32(1), 100, 0x7FFF_FFFF, .max] {
                let pieces = [
                    Frames.preface, Frames.settings, Frames.call(put, stream: 1),
                    Frames.message(stream: 1, claimed: claimed, [10, 1, 97]),
                ]
                let answer = send(pieces, to: port)
                #expect(!answer.isEmpty, "a length of \(claimed) gets an answer")
            }
        }
    }

    @Test("A24 a message that is no protobuf gets an error")
    func brokenMessages() throws {
        try survives("broken messages") { port in
            for (index, method) in [
                "KV/Put", "KV/Range", "KV/Txn", "Lease/LeaseGrant", "Watch/Watch",
            ]
            .enumerated() {
                let body = Array(Frames.garbage(index + 40).prefix(200))
                let pieces = [
                    Frames.preface, Frames.settings,
                    Frames.call("/etcdserverpb.\(method)", stream: 1),
                    Frames.message(stream: 1, claimed: UInt32(body.count), body),
                ]
                #expect(!send(pieces, to: port).isEmpty, "\(method)")
            }
        }
    }

    @Test("A19 a hundred thousand resets keep nobody waiting, nor fill memory")
    func rapidResets() throws {
        let node = try SharedCluster.current.nodes[0]
        let pid = try #require(node.current?.pid)
        let text = try Command.runSuccessfully(
            try ServerProgram.python(),
            [ServerProgram.scriptPath("checks/rapid_reset.py"), node.endpoint, "\(pid)"],
            limit: .seconds(90))
        print(text)
        #expect(text.contains(" resets on "), "\(text)")
    }

    @Test("half a request, and then nothing, holds nobody up")
    func halfRequests() throws {
        let cluster = try SharedCluster.current
        let port = cluster.nodes[0].clientPort
        let whole =
            Frames.preface + Frames.settings + Frames.call("/etcdserverpb.KV/Put", stream: 1)
        let open = stride(from: 1, to: whole.count, by: 7).compactMap { count in
            let connection = RawConnection(port: port)
            connection?.send(Array(whole.prefix(count)))
            return connection
        }
        #expect(open.count > 10)
        #expect(try Etcdctl(node: 0).run("put", "bad/half", "x") == "OK")
        withExtendedLifetime(open) {}
    }

    @Test("an unknown method is unimplemented")
    func unknownMethod() throws {
        let answer = try runPython(
            """
            call = channel.unary_unary("/etcdserverpb.KV/Nonsense")
            expect("UNIMPLEMENTED", lambda: call(b"", timeout=10))
            call = channel.unary_unary("/no.such.Service/Method")
            expect("UNIMPLEMENTED", lambda: call(b"", timeout=10))
            """)
        #expect(answer == "done")
    }

    @Test("A28 a request that is too large is refused by size, and the node goes on")
    func oversizedRequests() throws {
        let answer = try runPython(
            """
            stub = rpc_pb2_grpc.KVStub(channel)
            big = rpc_pb2.PutRequest(key=b"bad/large", value=b"x" * 1_600_000)
            text = "etcdserver: request is too large"
            expect("INVALID_ARGUMENT", lambda: stub.Put(big, 10), text)
            huge = rpc_pb2.PutRequest(key=b"bad/large", value=b"x" * 8_000_000)
            expect("RESOURCE_EXHAUSTED", lambda: stub.Put(huge, 10))
            # Refused by what its length says: most of its bytes never come.
            endless = rpc_pb2.PutRequest(key=b"bad/large", value=b"x" * 100_000_000)
            expect("RESOURCE_EXHAUSTED", lambda: stub.Put(endless, 10))
            empty = rpc_pb2.PutRequest(key=b"", value=b"x")
            text = "etcdserver: key is not provided"
            expect("INVALID_ARGUMENT", lambda: stub.Put(empty, 10), text)
            stub.Put(rpc_pb2.PutRequest(key=b"bad/small", value=b""), 10)
            small = stub.Range(rpc_pb2.RangeRequest(key=b"bad/small"), 10)
            assert small.count == 1 and small.kvs[0].value == b"", small
            """)
        #expect(answer == "done")
    }

    /// Runs a few lines of Python against each node; `channel` and `expect` are theirs.
    private func runPython(_ lines: String) throws -> String {
        let program = """
            import sys, grpc
            from etcd3.etcdrpc import rpc_pb2, rpc_pb2_grpc
            def expect(code, call, text=None):
                try:
                    call()
                except grpc.RpcError as error:
                    found = (error.code().name, error.details())
                    assert found[0] == code and text in (None, found[1]), found
                else:
                    raise AssertionError("was to fail with " + code)
            for endpoint in sys.argv[1:]:
                channel = grpc.insecure_channel(endpoint)
            \(lines.split(separator: "\n").map { "    " + $0 }.joined(separator: "\n"))
            print("done")
            """
        let endpoints = try SharedCluster.current.endpoints
        let text = try Command.runSuccessfully(
            try ServerProgram.python(), ["-c", program] + endpoints)
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
