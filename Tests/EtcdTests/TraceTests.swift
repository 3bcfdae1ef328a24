import Foundation
import LocalCluster
import Monitoring
import Testing

@Suite(
    "Traces of real servers (docs/monitoring.md)", .serialized,
    .enabled(if: BadStartTests.isKeelson))
struct TraceTests {
    private struct Span {
        let member: String
        let json: JSON

        var id: String { json["spanId"].string ?? "" }
        var parent: String { json["parentSpanId"].string ?? "" }
        var name: String { json["name"].string ?? "" }
        /// Nanoseconds since 1970.
        var began: Int64 { Int64(json["startTimeUnixNano"].string ?? "") ?? 0 }
        var ended: Int64 { Int64(json["endTimeUnixNano"].string ?? "") ?? 0 }

        func attribute(_ name: String) -> String? {
            let value = json["attributes"].array.first { $0["key"].string == name }?["value"]
            return value?["stringValue"].string ?? value?["intValue"].string
        }
    }

    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let caller = "00f067aa0ba902b7"
    /// Between two servers' looks at the clocks of one machine.
    private static let skewNanoseconds: Int64 = 20_000_000
    /// Within which moves of the log's positions may be told as one moment.
    private static let sampleNanoseconds: Int64 = 1_000_000

    private func spans(_ paths: [String], of trace: String) throws -> [Span] {
        try paths.flatMap { path -> [Span] in
            let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            return try text.split(separator: "\n").flatMap { line -> [Span] in
                let resource = try JSON(String(line))["resourceSpans"][0]
                let member =
                    resource["resource"]["attributes"].array
                    .first { $0["key"].string == "keelson.member.name" }?["value"]["stringValue"]
                    .string ?? ""
                return resource["scopeSpans"][0]["spans"].array
                    .filter { trace.isEmpty || $0["traceId"].string == trace }
                    .map { Span(member: member, json: $0) }
            }
        }
    }

    private func put(_ key: String, to node: ServerNode, headers: [String] = []) throws {
        let body = #"{"key":"\#(Data(key.utf8).base64EncodedString())","value":"eA=="}"#
        _ = try Command.runSuccessfully(
            "curl",
            ["-fsS", "--max-time", "10", "-d", body] + headers.flatMap { ["-H", $0] }
                + ["http://\(node.endpoint)/v3/kv/put"])
    }

    private func isLeader(_ node: ServerNode) throws -> Bool {
        let page = try Command.runSuccessfully("curl", ["-sS", "http://\(node.endpoint)/metrics"])
        return try MetricsReading(Array(page.utf8)).value("etcd_server_is_leader") == 1
    }

    @Test("a put through a follower is one trace of all three members, whose times nest")
    func throughFollower() throws {
        let name = "traces"
        let folder = ServerCluster.folder(name)
        let paths = (1...3).map { folder.appending(path: "node\($0).jsonl").path }
        let sites = paths.map { path -> ServerSite in
            var site = ServerSite()
            site.arguments = ["--trace-export", path]
            return site
        }
        let cluster = try ServerCluster(name, try ServerProgram.underTest(), sites: sites)
        try cluster.start()
        let follower = try #require(try cluster.nodes.first { try !isLeader($0) })
        try put("quiet", to: follower)
        try put(
            "traced", to: follower,
            headers: ["traceparent: 00-\(Self.trace)-\(Self.caller)-01"])
        let found = try Patience.wait(.seconds(15), pauseMilliseconds: 50) { () -> [Span]? in
            let spans = try spans(paths, of: Self.trace)
            return spans.count { $0.name == "entry" } == 2
                && spans.contains { $0.name == "etcdserverpb.KV/Put" } ? spans : nil
        }
        let all = try #require(found, "\(cluster.logTails())")
        try check(all, takenBy: follower.name)
        // Nobody asked for the other put.
        #expect(try spans(paths, of: "").count == all.count)
        try cluster.stopAll()
    }

    private func check(_ all: [Span], takenBy follower: String) throws {
        #expect(Set(all.map(\.member)).count == 3)
        #expect(Set(all.map(\.id)).count == all.count)
        let call = try #require(all.first { $0.name == "etcdserverpb.KV/Put" })
        #expect(call.member == follower && call.parent == Self.caller)
        #expect(call.attribute("rpc.service") == "etcdserverpb.KV")
        #expect(call.attribute("rpc.method") == "Put")
        #expect(call.attribute("keelson.raft.role") == "follower")
        let entries = all.filter { $0.name == "entry" }
        #expect(entries.allSatisfy { $0.parent == call.id && $0.member != follower })
        let index = try #require(call.attribute("keelson.log.index"))
        #expect(entries.allSatisfy { $0.attribute("keelson.log.index") == index })
        let leaders = entries.filter { $0.attribute("keelson.raft.role") == "leader" }
        let leader = try #require(leaders.first)
        #expect(leaders.count == 1)
        let stages = all.filter { $0.parent == leader.id }
        #expect(Set(stages.map(\.name)) == ["persisted", "committed", "applied"])
        for stage in stages {
            #expect(leader.began <= stage.began && stage.ended <= leader.ended, "\(stage.name)")
        }
        // What the client waited for is within what the client saw.
        let committed = try #require(stages.first { $0.name == "committed" })
        #expect(call.began - Self.skewNanoseconds <= committed.began)
        #expect(committed.ended <= call.ended + Self.skewNanoseconds)
        let own = all.filter { $0.parent == call.id && $0.name != "entry" }
        #expect(own.map(\.name).contains("queued") && own.map(\.name).contains("applied"))
        for stage in own where stage.name != "persisted" {
            #expect(call.began <= stage.began, "\(stage.name)")
            #expect(stage.ended <= call.ended + Self.sampleNanoseconds, "\(stage.name)")
        }
    }

    /// Answers each POST with 200 and writes its body as a line.
    private static let collector = """
        import http.server, sys
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    with open(sys.argv[2], "ab") as file: file.write(body + b"\\n")
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")
            def log_message(self, *words): pass
        http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
        """

    @Test("a collector is posted what is sampled, also what was done while it was away")
    func collector() throws {
        let port = try Ports.free(1)[0]
        let name = "traces-collector"
        let cluster = try ServerCluster(
            name, try ServerProgram.underTest(), nodeCount: 1,
            arguments: [
                "--trace-export", "http://127.0.0.1:\(port)", "--trace-service-name", "store",
                "--trace-sampling-per-million", "1000000",
            ])
        try cluster.start()
        let node = cluster.nodes[0]
        try put("before", to: node)
        let path = ServerCluster.folder(name).appending(path: "collected.jsonl").path
        let collector = try Command.start(
            try ServerProgram.python(), ["-c", Self.collector, "\(port)", path])
        defer { collector.killHard() }
        let found = try Patience.wait(.seconds(40), pauseMilliseconds: 100) { () -> Bool? in
            try spans([path], of: "").contains { $0.name == "etcdserverpb.KV/Put" } ? true : nil
        }
        #expect(found == true, "\(cluster.logTails())")
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.contains(#"{"key":"service.name","value":{"stringValue":"store"}}"#))
        let counted = Patience.wait(.seconds(10), pauseMilliseconds: 100) { () -> Bool? in
            guard
                let page = try? Command.runSuccessfully(
                    "curl", ["-sS", "http://\(node.endpoint)/metrics"]),
                let reading = try? MetricsReading(Array(page.utf8))
            else { return nil }
            return reading.sum("keelson_trace_spans_exported_total") >= 6 ? true : nil
        }
        #expect(counted == true)
        try cluster.stopAll()
    }
}
