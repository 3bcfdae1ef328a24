import Scheduling
import StateMachine
import Testing

@Suite("Allocator: quota guarantees and limits (Mesos, docs/quota.md)")
struct QuotaTests {
    @Test("what is guaranteed is kept free for a role that has no framework yet")
    func headroom() throws {
        var cluster = Cluster()
        try cluster.quota("gold", guarantees: "cpus:4;mem:400")
        try cluster.framework("greedy", "dirt")
        try cluster.agent("one", "cpus:4;mem:400")
        try cluster.agent("two", "cpus:3;mem:400")
        #expect(cluster.offers() == ["greedy dirt one cpus:3;mem:400"])
        #expect(try cluster.obstacle("greedy", "two") == .keptForGuarantees)
        try cluster.framework("gold", "gold")
        // What is left of both is what was guaranteed.
        #expect(
            cluster.offers() == ["gold gold one cpus:1", "gold gold two cpus:3;mem:400"])
        // The guarantee is met, and nothing has to be kept.
        try cluster.agent("three", "cpus:1;mem:100")
        #expect(cluster.offers() == ["greedy dirt three cpus:1;mem:100"])
    }

    @Test("guarantees are served before fairness, whoever is furthest below its share")
    func guaranteesFirst() throws {
        var cluster = Cluster()
        try cluster.agent("one", "cpus:2;mem:200")
        try cluster.framework("a", "a")
        try cluster.framework("z", "z")
        try cluster.quota("z", guarantees: "cpus:6")
        try cluster.agent("two", "cpus:4;mem:400")
        try cluster.allocator.changeAllocation(
            onAgent: "two", framework: "z", role: "z", added: parsed("cpus:4;mem:400"))
        #expect(cluster.offers() == ["z z one cpus:2;mem:200"])
    }

    @Test("a guarantee is chopped to what is missing; the rest goes by fairness")
    func chopped() throws {
        var cluster = Cluster()
        try cluster.framework("a", "a")
        try cluster.framework("z", "z")
        try cluster.quota("z", guarantees: "cpus:1;mem:100")
        try cluster.agent("one", "cpus:4;mem:400")
        #expect(cluster.offers() == ["z z one cpus:1;mem:100", "a a one cpus:3;mem:300"])
    }

    @Test("no offer exceeds a role's limit, in all its sub-roles together")
    func limits() throws {
        var cluster = Cluster()
        try cluster.quota("a", limits: "cpus:3")
        try cluster.framework("x", "a/x")
        try cluster.framework("y", "a/y")
        try cluster.agent("one", "cpus:2;mem:200")
        try cluster.agent("two", "cpus:2;mem:200")
        let first = cluster.allocate()
        #expect(first.map { $0.resources } == [parsed("cpus:2;mem:200"), parsed("cpus:1;mem:200")])
        #expect(cluster.offers() == [])
        try cluster.agent("three", "cpus:1;mem:16")
        #expect(cluster.offers() == [])
        #expect(try cluster.obstacle("x", "three") == .quotaLimitReached)
        // Room comes back on another agent than the ones that wait for it.
        try cluster.allocator.suppress("y")
        try cluster.allocator.decline(first[0].number, until: .max)
        #expect(cluster.offers() == ["x a/x two cpus:1", "x a/x three cpus:1;mem:16"])
    }

    @Test("reservations count as consumed, used or not")
    func reservationsCount() throws {
        var cluster = Cluster()
        try cluster.quota("a", limits: "cpus:3")
        try cluster.framework("A", "a")
        try cluster.agent("one", "cpus(a):2;mem(a):100")
        try cluster.agent("two", "cpus:2;mem:100")
        #expect(
            cluster.offers() == ["A a one cpus(a):2;mem(a):100", "A a two cpus:1;mem:100"])
    }

    @Test("a limit of zero forbids")
    func forbidden() throws {
        var cluster = Cluster()
        try cluster.allocator.setQuota(RoleQuota(forbidden: ["gpus", "cpus"]), of: "a")
        try cluster.framework("A", "a")
        try cluster.agent("one", "cpus:2;mem:100")
        #expect(cluster.offers() == ["A a one mem:100"])
    }

    @Test("a quota that cannot be is refused")
    func refused() throws {
        var cluster = Cluster()
        #expect(throws: AllocatorError.quotaOfNestedRole("a/b")) {
            try cluster.quota("a/b", limits: "cpus:1")
        }
        #expect(throws: AllocatorError.limitBelowGuarantee("cpus")) {
            try cluster.quota("a", guarantees: "cpus:2", limits: "cpus:1")
        }
        #expect(throws: AllocatorError.invalidWeight(0)) {
            try cluster.allocator.setWeight(0, of: "a")
        }
        cluster.allocator.checkInvariants()
    }

    @Test("a guarantee is met again when what it counted on goes away")
    func guaranteeAgain() throws {
        var cluster = Cluster()
        try cluster.framework("a", "a")
        try cluster.framework("z", "z")
        try cluster.quota("z", guarantees: "cpus:2")
        try cluster.agent("one", "cpus:2;mem:200")
        #expect(cluster.offers() == ["z z one cpus:2;mem:200"])
        try cluster.agent("two", "cpus:2;mem:200")
        let offer = try #require(cluster.allocate().first)
        #expect(offer.framework == "a")
        try cluster.allocator.removeAgent("one")
        try cluster.allocator.rescind(offer.number)
        #expect(cluster.offers() == ["z z two cpus:2;mem:200"])
    }
}
