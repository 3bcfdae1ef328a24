import Foundation
import LocalCluster
import Monitoring
import Testing

@Suite(
    "Metrics of real servers (docs/monitoring.md)", .serialized,
    .enabled(if: BadStartTests.isKeelson))
struct MetricsTests {
    private func page(_ node: Int, _ path: String = "/metrics") throws -> String {
        let endpoint = try SharedCluster.current.endpoints[node]
        return try Command.runSuccessfully(
            "curl", ["-sS", "--max-time", "10", "http://\(endpoint)\(path)"])
    }

    private func read(_ node: Int) throws -> MetricsReading {
        try MetricsReading(Array(try page(node).utf8))
    }

    private func file(_ name: String) throws -> String {
        let url = ServerProgram.repositoryRoot.appending(path: "docs/\(name)")
        return try String(contentsOf: url, encoding: .utf8)
    }

    /// Names and types of the tables of docs/monitoring.md.
    private func documented() throws -> [String: String] {
        var found: [String: String] = [:]
        for match in try file("monitoring.md").matches(
            of: /(?m)^\| `([a-z_]+)` \| (counter|gauge|histogram) \|/)
        {
            found[String(match.1)] = String(match.2)
        }
        return found
    }

    @Test("a server prints the metrics that are documented, and no others", arguments: [0, 1, 2])
    func names(node: Int) throws {
        try Etcdctl(node: node).run("put", "metrics/names", "x")
        var served: [String: String] = [:]
        for (name, type) in try read(node).types { served[name] = type }
        #expect(try documented() == served)
    }

    @Test("no sample is there twice, and each belongs to a name with a type", arguments: [0, 1, 2])
    func samples(node: Int) throws {
        let page = try read(node)
        let types = Dictionary(
            page.types.map { ($0.name, $0.type) }, uniquingKeysWith: { $0 + $1 })
        var seen: Set<String> = []
        for sample in page.samples {
            let labels = sample.labels.map { "\($0.name)=\($0.value)" }.sorted()
            #expect(seen.insert("\(sample.name)\(labels)").inserted, "\(sample)")
            let base = ["_bucket", "_sum", "_count"].first(where: sample.name.hasSuffix).map {
                String(sample.name.dropLast($0.count))
            }
            #expect(types[sample.name] != nil || types[base ?? ""] == "histogram", "\(sample)")
        }
    }

    @Test("a put moves what counts puts, proposals, syncs, bytes and calls")
    func moves() throws {
        let before = try read(0)
        let client = try Etcdctl(node: 0)
        for number in 1...5 { try client.run("put", "metrics/moves", "\(number)") }
        // A page may be a tenth of a second old.
        let moved = Patience.wait(.seconds(5), pauseMilliseconds: 20) { () -> MetricsReading? in
            guard let page = try? read(0),
                page.sum("etcd_mvcc_put_total") == before.sum("etcd_mvcc_put_total") + 5
            else { return nil }
            return page
        }
        let after = try #require(moved)
        let put = [
            MetricLabel("grpc_service", "etcdserverpb.KV"), MetricLabel("grpc_method", "Put"),
        ]
        func grown(_ name: String, _ labels: [MetricLabel] = []) -> Double {
            after.sum(name, labels) - before.sum(name, labels)
        }
        #expect(grown("etcd_mvcc_put_total") == 5)
        #expect(grown("grpc_server_started_total", put) == 5)
        #expect(grown("grpc_server_handled_total", put + [MetricLabel("grpc_code", "OK")]) == 5)
        #expect(grown("etcd_server_proposals_applied_total") >= 5)
        #expect(grown("etcd_server_proposals_committed_total") >= 5)
        #expect(grown("etcd_debugging_mvcc_current_revision") >= 5)
        #expect(grown("etcd_disk_wal_fsync_duration_seconds_count") >= 1)
        #expect(grown("etcd_network_client_grpc_received_bytes_total") > 100)
        #expect(grown("etcd_network_client_grpc_sent_bytes_total") > 100)
        let took = after.buckets("grpc_server_handling_seconds", put)
            .since(before.buckets("grpc_server_handling_seconds", put))
        #expect(took.count == 5)
        #expect(took.quantile(0.99).map { $0 < 10 } == true)
        #expect(took.sum > 0)
    }

    @Test("one member leads, all know it, and the kernel has measured the way to each other one")
    func cluster() throws {
        let pages = try SharedCluster.nodes.map(read)
        #expect(pages.map { $0.sum("etcd_server_is_leader") }.reduce(0, +) == 1)
        for page in pages {
            #expect(page.value("etcd_server_has_leader") == 1)
            #expect(page.value("keelson_member_takes_part") == 1)
            #expect(page.sum("etcd_network_active_peers") == 2)
            #expect(page.value("os_fd_limit").map { $0 > 100 } == true)
            #expect(page.value("keelson_log_bytes").map { $0 > 0 } == true)
            #expect(page.value("keelson_disk_total_bytes").map { $0 > 0 } == true)
            #expect(page.value("process_start_time_seconds").map { $0 > 1.7e9 } == true)
        }
        let measured = Patience.wait(.seconds(10), pauseMilliseconds: 100) { () -> Bool? in
            guard let page = try? read(0) else { return nil }
            let counts = page.all("etcd_network_peer_round_trip_time_seconds_count")
            return counts.count == 2 && counts.allSatisfy { $0.value > 0 } ? true : nil
        }
        #expect(measured == true)
    }

    @Test(
        "alert rules and dashboard name only metrics that are documented",
        arguments: ["monitoring/alerts.yml", "monitoring/grafana-dashboard.json"])
    func references(name: String) throws {
        let known = try documented()
        var used: Set<String> = []
        let text = try file(name)
        for match in text.matches(of: /\b(etcd|keelson|grpc_server|process|os)_[a-z_]+/) {
            used.insert(String(match.0))
        }
        #expect(used.count > 15)
        for metric in used.sorted() {
            let base = ["_bucket", "_sum", "_count"].first(where: metric.hasSuffix).map {
                String(metric.dropLast($0.count))
            }
            #expect(
                known[metric] != nil || known[base ?? ""] == "histogram", "\(name) has \(metric)")
        }
    }

    @Test("the dashboard is JSON, with panels that all ask something")
    func dashboard() throws {
        let dashboard = try JSON(try file("monitoring/grafana-dashboard.json"))
        #expect(dashboard["panels"].array.count > 15)
        for panel in dashboard["panels"].array {
            for target in panel["targets"].array {
                #expect(target["expr"].string?.isEmpty == false)
            }
            #expect(!panel["targets"].array.isEmpty)
        }
    }

    private static var promtoolPath: String {
        ServerProgram.repositoryRoot.appending(path: ".build/prometheus/usr/bin/promtool").path
    }

    @Test(
        "promtool takes the alert rules and a server's page",
        .enabled(if: FileManager.default.isExecutableFile(atPath: promtoolPath)))
    func promtool() throws {
        let rules = ServerProgram.repositoryRoot.appending(path: "docs/monitoring/alerts.yml").path
        let checked = try Command.run(Self.promtoolPath, ["check", "rules", rules])
        #expect(checked.status == .exited(0), "\(checked.text)")
        // Its exit status is 3 for remarks about style: etcd's names are etcd's.
        let page = try Command.run(Self.promtoolPath, ["check", "metrics"], input: try page(0))
        #expect([.exited(0), .exited(3)].contains(page.status), "\(page.text)")
        #expect(!page.text.contains("error while linting"), "\(page.text)")
    }
}

@Suite("Slow requests", .serialized, .enabled(if: BadStartTests.isKeelson))
struct SlowRequestTests {
    private func slowRequests(_ node: ServerNode) throws -> Double {
        let page = try Command.runSuccessfully("curl", ["-sS", "http://\(node.endpoint)/metrics"])
        return try MetricsReading(Array(page.utf8)).sum("keelson_slow_requests_total")
    }

    /// Puts through the leader while nobody else takes part for a quarter of a second.
    private func putSlowly(_ cluster: ServerCluster) throws -> ServerNode {
        let leader = try #require(
            Patience.wait(.seconds(10), pauseMilliseconds: 20) { () -> ServerNode? in
                cluster.nodes.first { node in
                    let page = try? Command.runSuccessfully(
                        "curl", ["-sS", "http://\(node.endpoint)/metrics"])
                    return page?.contains("\netcd_server_is_leader 1\n") == true
                }
            })
        // A server's first call waits until it knows what is committed.
        try Etcdctl([leader.endpoint]).run("put", "warm", "x")
        let others = cluster.nodes.filter { $0.name != leader.name }
        for node in others { node.current?.send(signal: SIGSTOP) }
        defer { for node in others { node.current?.send(signal: SIGCONT) } }
        let put = try Etcdctl([leader.endpoint]).start("put", "slow", "x")
        #expect(put.waitForExit(.milliseconds(250)) == nil)
        for node in others { node.current?.send(signal: SIGCONT) }
        #expect(put.waitForExit(.seconds(15)) == .exited(0), "\(put.output)")
        return leader
    }

    @Test("a put that waits for the others is one line of the log, which says so")
    func waitsForTheOthers() throws {
        let cluster = try ServerCluster(
            "slow-request", try ServerProgram.underTest(),
            arguments: ["--election-timeout", "5000"])
        try cluster.start()
        let leader = try putSlowly(cluster)
        let line = Patience.wait(.seconds(5)) { () -> String? in
            let log = try? String(contentsOfFile: leader.logPath, encoding: .utf8)
            return log?.split(separator: "\n").first { $0.contains("slow_request") }
                .map(String.init)
        }
        let found = try #require(line)
        for word in ["slow request", "/etcdserverpb.KV/Put", "took_ms", "committed_ms", "index"] {
            #expect(found.contains(word), "\(found)")
        }
        #expect(found.contains(/longest[=:] ?"?committed/), "\(found)")
        #expect(try slowRequests(leader) >= 1)
    }

    @Test("--slow-request-log-threshold 0 logs none")
    func off() throws {
        let cluster = try ServerCluster(
            "slow-request-off", try ServerProgram.underTest(),
            arguments: ["--election-timeout", "5000", "--slow-request-log-threshold", "0"])
        try cluster.start()
        let leader = try putSlowly(cluster)
        let log = try String(contentsOfFile: leader.logPath, encoding: .utf8)
        #expect(!log.contains("slow_request"))
        #expect(try slowRequests(leader) == 0)
    }
}
