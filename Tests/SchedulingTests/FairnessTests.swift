import Scheduling
import StateMachine
import Testing

@Suite("Allocator: dominant-resource fairness (Ghodsi et al., NSDI 2011) in hierarchical roles")
struct FairnessTests {
    /// Runs tasks of fixed sizes until none fits, and counts them.
    private func fill(
        _ cluster: inout Cluster, _ tasks: [FrameworkID: Resources]
    ) throws -> [FrameworkID: Int] {
        var started: [FrameworkID: Int] = [:]
        while let offer = cluster.allocate().first {
            let task = try #require(tasks[offer.framework])
            if offer.resources.contains(task) {
                try cluster.allocator.accept(offer.number, allocated: task, until: nil)
                started[offer.framework, default: 0] += 1
            } else {
                try cluster.allocator.decline(offer.number, until: .max)
            }
        }
        return started
    }

    @Test("the paper's example: of 9 CPUs and 18 GB, A runs three tasks and B two (§4.1)")
    func paperExample() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a")
        try cluster.framework("B", "b")
        try cluster.agent("host", "cpus:9;mem:18432")
        let started = try fill(
            &cluster, ["A": parsed("cpus:1;mem:4096"), "B": parsed("cpus:3;mem:1024")])
        #expect(started == ["A": 3, "B": 2])
    }

    @Test("a role of twice the weight gets twice as much (§4.3)")
    func weights() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a")
        try cluster.framework("B", "b")
        try cluster.allocator.setWeight(2_000, of: "b")
        try cluster.agent("host", "cpus:12;mem:12000")
        let task = parsed("cpus:1;mem:1000")
        #expect(try fill(&cluster, ["A": task, "B": task]) == ["A": 4, "B": 8])
        // Back to the default it is even again.
        try cluster.allocator.setWeight(nil, of: "b")
        try cluster.agent("other", "cpus:4;mem:4000")
        #expect(try fill(&cluster, ["A": task, "B": task]) == ["A": 4])
    }

    @Test("a role shares with its siblings, and its sub-roles share what it gets")
    func hierarchy() throws {
        var cluster = Cluster()
        try cluster.framework("dev", "eng/dev")
        try cluster.framework("qa", "eng/qa")
        try cluster.framework("ops", "ops")
        try cluster.agent("host", "cpus:8;mem:8000")
        let task = parsed("cpus:1;mem:1000")
        let started = try fill(&cluster, ["dev": task, "qa": task, "ops": task])
        #expect(started == ["dev": 2, "qa": 2, "ops": 4])
    }

    @Test("a role's own frameworks count as one beside its sub-roles")
    func ownFrameworks() throws {
        var cluster = Cluster()
        try cluster.framework("own1", "eng")
        try cluster.framework("own2", "eng")
        try cluster.framework("dev", "eng/dev")
        try cluster.agent("host", "cpus:8;mem:8000")
        let task = parsed("cpus:1;mem:1000")
        let started = try fill(&cluster, ["own1": task, "own2": task, "dev": task])
        #expect(started == ["own1": 2, "own2": 2, "dev": 4])
    }

    @Test("at equal shares whoever was offered less comes first, then the name")
    func ties() throws {
        var cluster = Cluster()
        try cluster.framework("B", "r")
        try cluster.framework("A", "r")
        try cluster.agent("host", "cpus:1;mem:100")
        var turns: [FrameworkID] = []
        for _ in 0..<4 {
            let offer = try #require(cluster.allocate().first)
            turns.append(offer.framework)
            try cluster.allocator.rescind(offer.number)
        }
        #expect(turns == ["A", "B", "A", "B"])
    }

    @Test("agents are offered in the order of their registration, whole")
    func agentOrder() throws {
        var cluster = Cluster()
        try cluster.agent("z", "cpus:1;mem:100;ports:[1-2]")
        try cluster.agent("a", "cpus:2;mem:100")
        try cluster.framework("F", "*")
        #expect(
            cluster.offers() == [
                "F * z cpus:1;mem:100;ports:[1-2]", "F * a cpus:2;mem:100",
            ])
    }

    @Test("shares follow the cluster as it grows and shrinks")
    func totals() throws {
        var cluster = Cluster()
        try cluster.framework("cpu", "a")
        try cluster.framework("mem", "b")
        try cluster.agent("one", "cpus:10;mem:1000")
        try cluster.allocator.changeAllocation(
            onAgent: "one", framework: "cpu", role: "a", added: parsed("cpus:2"))
        try cluster.allocator.changeAllocation(
            onAgent: "one", framework: "mem", role: "b", added: parsed("mem:300"))
        // 2 of 10 CPUs against 300 of 1000 MB.
        #expect(cluster.allocate().first?.framework == "cpu")
        for number in cluster.allocator.offers(onAgent: "one") {
            try cluster.allocator.rescind(number)
        }
        // Much more memory: 2 of 11 CPUs against 300 of 9000 MB.
        try cluster.agent("two", "cpus:1;mem:8000")
        #expect(cluster.allocate().first?.framework == "mem")
    }
}
