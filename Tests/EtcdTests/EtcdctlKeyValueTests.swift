import LocalCluster
import Testing

@Suite("etcdctl: keys and values", .serialized)
struct EtcdctlKeyValueTests {
    @Test("a put is read back through every node", arguments: SharedCluster.nodes)
    func putAndGet(node: Int) throws {
        let writer = try Etcdctl(node: node)
        #expect(try writer.run("put", "ctl/put/\(node)", "hello") == "OK")
        for reader in SharedCluster.nodes {
            let found = try Etcdctl(node: reader).run("get", "ctl/put/\(node)")
            #expect(found == "ctl/put/\(node)\nhello", "read through node \(reader)")
        }
        let local = try writer.run("get", "ctl/put/\(node)", "--consistency", "s")
        #expect(local == "ctl/put/\(node)\nhello")
        #expect(try writer.run("get", "ctl/put/missing") == "")
    }

    @Test("versions and revisions count as in etcd", arguments: SharedCluster.nodes)
    func revisions(node: Int) throws {
        let ctl = try Etcdctl(node: node)
        let key = "ctl/revisions/\(node)"
        let first = try ctl.json("put", key, "one")["header"]["revision"].int
        let second = try ctl.json("put", key, "two", "--prev-kv")
        #expect(second["header"]["revision"].int == first + 1)
        #expect(second["prev_kv"]["value"].decoded == "one")
        let answer = try ctl.json("get", key)
        let pair = answer["kvs"][0]
        #expect(pair["version"].int == 2)
        #expect(pair["create_revision"].int == first)
        #expect(pair["mod_revision"].int == first + 1)
        #expect(pair["value"].decoded == "two")
        #expect(answer["header"]["cluster_id"].unsigned != 0)
        #expect(answer["header"]["member_id"].unsigned != 0)
        #expect(answer["header"]["raft_term"].int > 0)
        #expect(try ctl.run("get", key, "--rev", "\(first)", "--print-value-only") == "one")
    }

    private func fill(_ ctl: Etcdctl, _ prefix: String, _ count: Int) throws {
        for number in 0..<count { try ctl.run("put", "\(prefix)\(number)", "v\(9 - number)") }
    }

    @Test("prefix, limit, order, sort target and keys-only", arguments: SharedCluster.nodes)
    func ranges(node: Int) throws {
        let ctl = try Etcdctl(node: node)
        let prefix = "ctl/range/\(node)/"
        try fill(ctl, prefix, 5)
        let all = try ctl.run("get", prefix, "--prefix", "--print-value-only")
        #expect(all == "v9\nv8\nv7\nv6\nv5")
        let limited = try ctl.json("get", prefix, "--prefix", "--limit", "2")
        #expect(limited["kvs"].array.map { $0["key"].decoded } == [prefix + "0", prefix + "1"])
        #expect(limited["more"].bool)
        #expect(limited["count"].int == 5)
        let down = try ctl.run(
            "get", prefix, "--prefix", "--order", "DESCEND", "--print-value-only")
        #expect(down == "v5\nv6\nv7\nv8\nv9")
        let byValue = try ctl.run(
            "get", prefix, "--prefix", "--sort-by", "VALUE", "--order", "ASCEND",
            "--print-value-only")
        #expect(byValue == "v5\nv6\nv7\nv8\nv9")
        let keys = try ctl.run("get", prefix, "--prefix", "--keys-only")
        #expect(keys.split(separator: "\n").map(String.init) == (0..<5).map { "\(prefix)\($0)" })
        let half = try ctl.run("get", prefix + "1", prefix + "3", "--print-value-only")
        #expect(half == "v8\nv7")
        let from = try ctl.json("get", prefix + "3", "--from-key", "--limit", "2")
        #expect(from["kvs"].array.map { $0["value"].decoded } == ["v6", "v5"])
    }

    @Test("a delete says how many went, and shows them when asked", arguments: SharedCluster.nodes)
    func deletes(node: Int) throws {
        let ctl = try Etcdctl(node: node)
        let prefix = "ctl/del/\(node)/"
        try fill(ctl, prefix, 4)
        #expect(try ctl.run("del", prefix + "0") == "1")
        #expect(try ctl.run("del", prefix + "0") == "0")
        let shown = try ctl.run("del", prefix + "1", "--prev-kv")
        #expect(shown == "1\n\(prefix)1\nv8")
        #expect(try ctl.run("del", prefix, "--prefix") == "2")
        #expect(try ctl.run("get", prefix, "--prefix") == "")
    }

    @Test(
        "a transaction takes the branch that its comparisons choose", arguments: SharedCluster.nodes
    )
    func transactions(node: Int) throws {
        let ctl = try Etcdctl(node: node)
        let key = "ctl/txn/\(node)"
        try ctl.run("put", key, "before")
        let script = """
            value("\(key)") = "before"
            version("\(key)") > "0"

            put \(key) after
            get \(key)

            put \(key) wrong


            """
        let won = try ctl.run("txn", input: script)
        #expect(won.split(separator: "\n") == ["SUCCESS", "OK", "\(key)", "after"])
        let lost = try ctl.run("txn", input: script)
        #expect(lost.split(separator: "\n") == ["FAILURE", "OK"])
        #expect(try ctl.run("get", key, "--print-value-only") == "wrong")
    }

    @Test("what was compacted cannot be read, what is kept can", arguments: SharedCluster.nodes)
    func compaction(node: Int) throws {
        let ctl = try Etcdctl(node: node)
        let key = "ctl/compact/\(node)"
        try ctl.run("put", key, "one")
        let kept = try ctl.json("put", key, "two")["header"]["revision"].int
        try ctl.run("put", key, "three")
        #expect(try ctl.run("compaction", "\(kept)") == "compacted revision \(kept)")
        let refusal = try ctl.fail("get", key, "--rev", "\(kept - 1)")
        #expect(refusal.contains("required revision has been compacted"))
        #expect(try ctl.run("get", key, "--rev", "\(kept)", "--print-value-only") == "two")
        let again = try ctl.fail("compaction", "\(kept)")
        #expect(again.contains("required revision has been compacted"))
        let future = try ctl.fail("compaction", "\(kept + 1_000_000)")
        #expect(future.contains("required revision is a future revision"))
    }

    @Test("a value of a megabyte goes through every node", arguments: SharedCluster.nodes)
    func largeValue(node: Int) throws {
        let ctl = try Etcdctl(node: node)
        let value = String(repeating: "0123456789abcdef", count: 65_536)
        #expect(try ctl.run("put", "ctl/large/\(node)", input: value) == "OK")
        let found = try ctl.run("get", "ctl/large/\(node)", "--print-value-only")
        #expect(found == value)
        try ctl.run("del", "ctl/large/\(node)")
    }
}
