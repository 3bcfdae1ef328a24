import Scheduling
import StateMachine
import Testing

@Suite("Allocator: who may be offered what, and for how long")
struct OfferTests {
    @Test("nothing is offered twice")
    func once() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a")
        try cluster.framework("B", "b")
        try cluster.agent("one", "cpus:1;mem:100")
        #expect(cluster.allocate().count == 1)
        #expect(cluster.allocate().isEmpty)
        #expect(try cluster.obstacle("B", "one") == .noFreeResources)
    }

    @Test("what was declined is not offered until the filter's tick, unless there is more")
    func filters() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a")
        try cluster.agent("one", "cpus:2;mem:100")
        let offer = try #require(cluster.allocate().first)
        try cluster.allocator.accept(offer.number, allocated: parsed("cpus:1"), until: 10)
        cluster.now = 9
        #expect(cluster.offers() == [])
        let explanation = try cluster.allocator.explain(framework: "A", now: 9)
        let count = try #require(explanation.roles.first?.counts.first)
        #expect(count.obstacle == .filtered && count.until == 10 && count.agents == 1)
        cluster.now = 10
        let second = try #require(cluster.allocate().first)
        #expect(second.resources == parsed("cpus:1;mem:100"))
        try cluster.allocator.decline(second.number, until: 100)
        #expect(cluster.offers() == [])
        // The task ends: that is more than was refused.
        try cluster.allocator.changeAllocation(
            onAgent: "one", framework: "A", role: "a", removed: parsed("cpus:1"))
        #expect(cluster.offers() == ["A a one cpus:2;mem:100"])
    }

    @Test("a filter is one framework's, in one role, on one agent; others are asked at once")
    func filtersOfOne() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a", "b")
        try cluster.agent("one", "cpus:1;mem:100")
        let offer = try #require(cluster.allocate().first)
        #expect(offer.role == "a")
        try cluster.allocator.decline(offer.number, until: 100)
        #expect(cluster.offers() == ["A b one cpus:1;mem:100"])
        try cluster.agent("two", "cpus:1;mem:100")
        #expect(cluster.offers() == ["A a two cpus:1;mem:100"])
    }

    @Test("reviving forgets what was refused, suppressing stops offers")
    func reviveAndSuppress() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a")
        try cluster.agent("one", "cpus:1;mem:100")
        let offer = try #require(cluster.allocate().first)
        try cluster.allocator.decline(offer.number, until: .max)
        #expect(cluster.offers() == [])
        try cluster.allocator.revive("A")
        let again = try #require(cluster.allocate().first)
        try cluster.allocator.suppress("A", roles: ["a"])
        try cluster.allocator.rescind(again.number)
        #expect(cluster.offers() == [])
        #expect(try cluster.obstacle("A", "one") == .roleSuppressed)
        try cluster.allocator.revive("A", roles: ["a"])
        #expect(cluster.offers() == ["A a one cpus:1;mem:100"])
    }

    @Test("an old life's deadline takes no filter of the next one away")
    func lives() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a")
        try cluster.agent("one", "cpus:1;mem:100")
        try cluster.allocator.decline(
            try #require(cluster.allocate().first).number, until: 10)
        try cluster.allocator.revive("A")
        try cluster.allocator.decline(
            try #require(cluster.allocate().first).number, until: 100)
        cluster.now = 20
        #expect(cluster.offers() == [])
        cluster.now = 100
        #expect(cluster.offers() == ["A a one cpus:1;mem:100"])
    }

    @Test("a framework has fifty offers outstanding at most, and one more for each it settles")
    func outstanding() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a")
        for index in 0..<60 { try cluster.agent(AgentID(ByteText("\(index)")), "cpus:1;mem:100") }
        let first = cluster.allocate()
        #expect(first.count == AllocatorLimits.offersOutstandingMax)
        #expect(try cluster.obstacle("A", "59") == .tooManyOffers)
        try cluster.allocator.accept(first[0].number, allocated: first[0].resources, until: nil)
        #expect(cluster.offers() == ["A a 50 cpus:1;mem:100"])
    }

    @Test("less than a hundredth CPU and 32 MB is not offered")
    func smallest() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a")
        try cluster.agent("cpu", "cpus:0.01;ports:[1-9]")
        try cluster.agent("mem", "mem:32")
        try cluster.agent("less", "cpus:0.009;mem:31.999;disk:1000")
        #expect(cluster.offers() == ["A a cpu cpus:0.01;ports:[1-9]", "A a mem mem:32"])
    }

    @Test("what is reserved goes to its role and those below it, and to no other")
    func reservations() throws {
        var cluster = Cluster()
        try cluster.framework("up", "eng")
        try cluster.framework("down", "eng/dev/x")
        try cluster.framework("other", "engine")
        try cluster.agent("one", "cpus(eng/dev):1;mem(eng/dev):100")
        #expect(try cluster.obstacle("up", "one") == .reservedToOthers)
        #expect(try cluster.obstacle("other", "one") == .reservedToOthers)
        #expect(cluster.offers() == ["down eng/dev/x one cpus(eng/dev):1;mem(eng/dev):100"])
    }

    @Test("agents with gpus are for frameworks that know what to do with them")
    func gpus() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a")
        try cluster.agent("one", "cpus:1;mem:100;gpus:1")
        #expect(cluster.offers() == [])
        #expect(try cluster.obstacle("A", "one") == .needsGPUCapability)
        try cluster.framework("B", "b", capabilities: [.gpuResources])
        #expect(cluster.offers() == ["B b one cpus:1;gpus:1;mem:100"])
    }

    @Test("agents of another region are for frameworks that know of regions")
    func regions() throws {
        var cluster = Cluster()
        cluster.allocator = Allocator(region: "here")
        try cluster.framework("A", "a")
        try cluster.agent("far", "cpus:1;mem:100", region: "there")
        try cluster.agent("near", "cpus:1;mem:100", region: "here")
        #expect(cluster.offers() == ["A a near cpus:1;mem:100"])
        #expect(try cluster.obstacle("A", "far") == .otherRegion)
        try cluster.framework("B", "b", capabilities: [.regionAware])
        #expect(cluster.offers() == ["B b far cpus:1;mem:100"])
    }

    @Test("refined reservations are left out for frameworks without the capability")
    func refinement() throws {
        let stack = [Reservation(.fixed, role: "a"), Reservation(.dynamic, role: "a/x")]
        let refined = try Resources([
            ResourceEntry("cpus", .scalar(1_000), reservations: stack),
            ResourceEntry("mem", .scalar(100_000)),
        ])
        var cluster = Cluster()
        try cluster.framework("old", "a/x", capabilities: [])
        try cluster.allocator.addAgent("one", AllocatorAgent(total: refined))
        #expect(cluster.offers() == ["old a/x one mem:100"])
    }

    @Test("a shared volume is offered to several at once, where they can share")
    func shared() throws {
        let volume = ResourceEntry(
            "disk", .scalar(5_000), reservations: [Reservation(.dynamic, role: "a")],
            disk: DiskInformation(persistence: .init(id: "v"), containerPath: "p"),
            isShared: true)
        let total = try parsed("cpus:2;mem:100").adding(Resources([volume]))
        var cluster = Cluster()
        try cluster.framework("A", "a", capabilities: [.sharedResources])
        try cluster.framework("B", "a", capabilities: [.sharedResources])
        try cluster.allocator.addAgent("one", AllocatorAgent(total: total))
        for framework: FrameworkID in ["A", "B"] {
            let offer = try #require(cluster.allocate().first { $0.framework == framework })
            #expect(offer.resources.shared == (try Resources([volume])))
            let used = try parsed("cpus:0.5;mem:10").adding(Resources([volume]))
            try cluster.allocator.accept(offer.number, allocated: used, until: .max)
        }
        try cluster.framework("C", "a/c", capabilities: [])
        #expect(cluster.offers() == ["C a/c one cpus:1;mem:80"])
    }

    @Test("constraints choose agents: all of one group (Mesos 1.11)")
    func constraints() throws {
        var cluster = Cluster()
        let groups: [[OfferConstraints.Constraint]] = [
            [.init(.attribute("rack"), .textEquals("r1")), .init(.region, .exists)],
            [.init(.attribute("rack"), .notExists)],
        ]
        try cluster.framework("A", "a", constraints: [.init(role: "a", groups: groups)])
        try cluster.agent("both", "cpus:1;mem:100", region: "x", rack: "r1")
        try cluster.agent("half", "cpus:1;mem:100", rack: "r1")
        try cluster.agent("other", "cpus:1;mem:100", region: "x", rack: "r2")
        try cluster.agent("none", "cpus:1;mem:100")
        #expect(cluster.offers() == ["A a both cpus:1;mem:100", "A a none cpus:1;mem:100"])
        #expect(try cluster.obstacle("A", "half") == .constraintNotMet)
        // The agent gets what was missing.
        try cluster.allocator.updateAgent(
            "half",
            AllocatorAgent(
                total: parsed("cpus:1;mem:100"), region: "x",
                attributes: [AgentAttribute("rack", .scalar(1))]))
        #expect(cluster.offers() == ["A a half cpus:1;mem:100"])
    }

    @Test("agents that are not available are not offered, and say why")
    func availability() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a")
        try cluster.agent("one", "cpus:1;mem:100")
        let reasons: [(AgentAvailability, Obstacle)] = [
            (.deactivated, .agentDeactivated), (.draining, .agentDraining),
            (.unreachable, .agentUnreachable),
        ]
        for (availability, obstacle) in reasons {
            try cluster.allocator.setAvailability(availability, of: "one")
            #expect(cluster.offers() == [])
            #expect(try cluster.obstacle("A", "one") == obstacle)
        }
        try cluster.allocator.setAvailability(.available, of: "one")
        #expect(cluster.offers() == ["A a one cpus:1;mem:100"])
    }

    @Test("a framework that disconnects is offered nothing, and everything when it is back")
    func disconnected() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a")
        try cluster.agent("one", "cpus:1;mem:100")
        try cluster.allocator.decline(
            try #require(cluster.allocate().first).number, until: .max)
        try cluster.allocator.setActive(false, framework: "A")
        #expect(try cluster.obstacle("A", "one") == .frameworkInactive)
        try cluster.allocator.setActive(true, framework: "A")
        #expect(cluster.offers() == ["A a one cpus:1;mem:100"])
    }

    @Test("what a removed framework was offered is free, what it runs is not")
    func removed() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a")
        try cluster.agent("one", "cpus:2;mem:100")
        let offer = try #require(cluster.allocate().first)
        try cluster.allocator.accept(offer.number, allocated: parsed("cpus:1"), until: nil)
        let second = try #require(cluster.allocate().first)
        #expect(try cluster.allocator.removeFramework("A") == [second.number])
        try cluster.framework("B", "b")
        #expect(cluster.offers() == ["B b one cpus:1;mem:100"])
        #expect(throws: AllocatorError.unknownOffer(second.number)) {
            try cluster.allocator.rescind(second.number)
        }
        try cluster.allocator.setAllocations([], onAgent: "one")
        #expect(cluster.offers() == ["B b one cpus:1"])
        #expect(cluster.allocator.frameworkCount == 1)
    }

    @Test("calls that cannot be are refused, and change nothing")
    func refused() throws {
        var cluster = Cluster()
        try cluster.framework("A", "a")
        try cluster.agent("one", "cpus:2;mem:100")
        #expect(throws: AllocatorError.agentExists("one")) { try cluster.agent("one", "cpus:1") }
        #expect(throws: AllocatorError.frameworkExists("A")) { try cluster.framework("A", "a") }
        #expect(throws: AllocatorError.unknownAgent("x")) {
            try cluster.allocator.removeAgent("x")
        }
        #expect(throws: AllocatorError.unknownFramework("X")) {
            try cluster.allocator.revive("X")
        }
        #expect(throws: AllocatorError.notSubscribed("b")) {
            try cluster.allocator.revive("A", roles: ["b"])
        }
        #expect(throws: AllocatorError.needsMultiRole(roles: 2)) {
            try cluster.framework("B", "a", "b", capabilities: [])
        }
        #expect(throws: AllocatorError.duplicateRole("a")) { try cluster.framework("B", "a", "a") }
        #expect(throws: AllocatorError.emptyConstraints("a")) {
            try cluster.framework("B", "a", constraints: [.init(role: "a", groups: [])])
        }
        #expect(throws: AllocatorError.notAllocated("one", "A", "a")) {
            try cluster.allocator.changeAllocation(
                onAgent: "one", framework: "A", role: "a", removed: parsed("cpus:1"))
        }
        cluster.allocator.checkInvariants()
        #expect(cluster.offers() == ["A a one cpus:2;mem:100"])
    }
}
