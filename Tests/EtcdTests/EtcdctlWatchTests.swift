import Glibc
import LocalCluster
import Testing

@Suite("etcdctl: watches, leases and the cluster's state", .serialized)
struct EtcdctlWatchTests {
    private static let limit = Duration.seconds(15)

    /// Waits for a watch to have printed all of `lines`, in this order and nothing between them.
    private func expect(_ lines: [String], from watch: ChildProcess) throws {
        defer { watch.killHard() }
        let wanted = lines.joined(separator: "\n") + "\n"
        let found = watch.waitForOutput(wanted, Self.limit)
        #expect(found, "the watch printed:\n\(watch.output)\nand was to print:\n\(wanted)")
    }

    @Test("a watch from a revision gets history and then news", arguments: SharedCluster.nodes)
    func watchFromRevision(node: Int) throws {
        let ctl = try Etcdctl(node: node)
        let key = "ctl/watch/\(node)"
        let start = try ctl.json("put", key, "one")["header"]["revision"].int
        try ctl.run("put", key, "two")
        let watch = try ctl.start("watch", key, "--rev", "\(start)")
        #expect(watch.waitForOutput("two", Self.limit))
        let other = try Etcdctl(node: (node + 1) % 3)
        try other.run("put", key, "three")
        try other.run("del", key)
        try expect(
            ["PUT", key, "one", "PUT", key, "two", "PUT", key, "three", "DELETE", key, ""],
            from: watch)
    }

    @Test("a watch with previous values shows them", arguments: SharedCluster.nodes)
    func watchWithPreviousValue(node: Int) throws {
        let ctl = try Etcdctl(node: node)
        let key = "ctl/previous/\(node)"
        try ctl.run("put", key, "one")
        let start = try ctl.json("put", key, "two")["header"]["revision"].int
        try ctl.run("del", key)
        let watch = try ctl.start("watch", key, "--rev", "\(start)", "--prev-kv")
        try expect(["PUT", key, "one", key, "two", "DELETE", key, "two", key, ""], from: watch)
    }

    @Test("watches of a prefix and of a range see their keys alone", arguments: SharedCluster.nodes)
    func watchRange(node: Int) throws {
        let ctl = try Etcdctl(node: node)
        let prefix = "ctl/watchrange/\(node)/"
        let start = try ctl.json("put", prefix + "a", "1")["header"]["revision"].int
        for (key, value) in [("b", "2"), ("c", "3"), ("d", "4")] {
            try ctl.run("put", prefix + key, value)
        }
        try ctl.run("put", "ctl/watchrange/elsewhere", "5")
        let ofPrefix = try ctl.start("watch", prefix, "--prefix", "--rev", "\(start)")
        let ofRange = try ctl.start("watch", prefix + "b", prefix + "d", "--rev", "\(start)")
        let events = ["a", "b", "c", "d"].enumerated().flatMap {
            ["PUT", prefix + $0.element, "\($0.offset + 1)"]
        }
        try expect(events, from: ofPrefix)
        try expect(Array(events[3..<9]), from: ofRange)
    }

    private func leaseID(in text: String) -> String? {
        let words = text.split(separator: " ").map(String.init)
        return words.firstIndex(of: "lease").map { words[$0 + 1] }
    }

    @Test("a lease is granted, kept alive, looked up and revoked", arguments: SharedCluster.nodes)
    func leases(node: Int) throws {
        let ctl = try Etcdctl(node: node)
        let other = try Etcdctl(node: (node + 1) % 3)
        let granted = try ctl.run("lease", "grant", "300")
        let id = try #require(leaseID(in: granted), "\(granted)")
        #expect(granted.hasSuffix("granted with TTL(300s)"))
        let key = "ctl/lease/\(node)"
        try ctl.run("put", key, "x", "--lease", id)
        #expect(try other.run("lease", "list").contains(id))
        let renewed = try other.run("lease", "keep-alive", "--once", id)
        #expect(renewed == "lease \(id) keepalived with TTL(300)")
        let left = try other.run("lease", "timetolive", id, "--keys")
        #expect(left.contains("granted with TTL(300s), remaining("))
        #expect(left.contains("attached keys([\(key)])"))
        #expect(try other.run("lease", "revoke", id) == "lease \(id) revoked")
        #expect(try ctl.run("get", key) == "")
        #expect(try ctl.run("lease", "timetolive", id) == "lease \(id) already expired")
        #expect(try ctl.fail("lease", "revoke", id).contains("requested lease not found"))
        #expect(try ctl.fail("put", key, "x", "--lease", id).contains("requested lease not found"))
    }

    @Test("a lease that nobody renews takes its keys with it")
    func leaseExpires() throws {
        let ctl = try Etcdctl(node: 0)
        let id = try #require(leaseID(in: try ctl.run("lease", "grant", "2")))
        try ctl.run("put", "ctl/expiring", "x", "--lease", id)
        let watch = try Etcdctl(node: 1).start("watch", "ctl/expiring")
        defer { watch.killHard() }
        let gone = Patience.wait(Self.limit, pauseMilliseconds: 50) {
            (try? ctl.run("get", "ctl/expiring")) == "" ? true : nil
        }
        #expect(gone == true)
    }

    @Test("a lease that is kept alive outlives its time")
    func leaseKeptAlive() throws {
        let ctl = try Etcdctl(node: 2)
        let id = try #require(leaseID(in: try ctl.run("lease", "grant", "2")))
        try ctl.run("put", "ctl/kept", "x", "--lease", id)
        let keeper = try ctl.start("lease", "keep-alive", id)
        // Each line is a renewal; etcdctl renews three times in a lease's time.
        let renewals = Patience.wait(.seconds(20), pauseMilliseconds: 50) {
            keeper.output.split(separator: "\n").count >= 6 ? true : nil
        }
        #expect(renewals == true, "\(keeper.output)")
        #expect(try ctl.run("get", "ctl/kept", "--print-value-only") == "x")
        keeper.killHard()
        try ctl.run("lease", "revoke", id)
    }

    @Test("status names one leader, the same through every endpoint")
    func endpointStatus() throws {
        let cluster = try SharedCluster.current
        let ctl = Etcdctl(cluster.endpoints)
        let statuses = try ctl.json("endpoint", "status").array.map { $0["Status"] }
        #expect(statuses.count == 3)
        #expect(Set(statuses.map { $0["leader"].unsigned }).count == 1)
        #expect(Set(statuses.map { $0["header"]["member_id"].unsigned }).count == 3)
        #expect(Set(statuses.map { $0["header"]["cluster_id"].unsigned }).count == 1)
        #expect(
            statuses.map { $0["header"]["member_id"].unsigned }
                .contains(statuses[0]["leader"].unsigned))
        for status in statuses {
            let version = status["version"].string ?? ""
            #expect(version.split(separator: ".").compactMap { Int($0) }.count == 3, "\(version)")
            #expect(status["raftIndex"].int > 0)
            #expect(status["raftTerm"].int > 0)
            #expect(status["dbSize"].int > 0)
        }
        let table = try ctl.run("endpoint", "status", "-w", "table")
        #expect(table.split(separator: "\n").count == 7)
    }

    @Test("every endpoint is healthy")
    func endpointHealth() throws {
        let cluster = try SharedCluster.current
        let text = try Etcdctl(cluster.endpoints).run("endpoint", "health")
        for endpoint in cluster.endpoints {
            #expect(text.contains("\(endpoint) is healthy: successfully committed proposal"))
        }
    }

    @Test(
        "the three members are listed by their names and addresses", arguments: SharedCluster.nodes)
    func memberList(node: Int) throws {
        let cluster = try SharedCluster.current
        let members = try Etcdctl(node: node).json("member", "list")["members"].array
        let listed = members.map {
            "\($0["name"].string ?? "") \($0["clientURLs"][0].string ?? "")"
                + " \($0["peerURLs"][0].string ?? "")"
        }
        let expected = cluster.nodes.map {
            "\($0.name) http://\($0.endpoint) http://127.0.0.1:\($0.peerPort)"
        }
        #expect(listed.sorted() == expected)
    }

    @Test("there are no alarms", arguments: SharedCluster.nodes)
    func alarmList(node: Int) throws {
        #expect(try Etcdctl(node: node).run("alarm", "list") == "")
    }
}
