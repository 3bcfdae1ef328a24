import Primitives
import StateMachine
import Testing

@Suite("Services: instances, judged at apply")
struct InstanceTests {
    let driver: ServiceDriver

    init() throws { driver = try ServiceDriver() }

    private func start(_ id: String = "/web", command: String = "run") throws {
        var definition = ServiceDriver.service(id, instances: 3, command: command)
        definition.backoffMilliseconds = 1_000
        definition.backoffFactor = 2_000
        definition.backoffMaxMilliseconds = 3_000
        driver.apply(.advance(try driver.put(definition), step: 0))
    }

    @Test("a decision that was made in view of what was is refused")
    func stale() throws {
        try start()
        var old = driver.adjustment("/web")
        old.starts = 2
        driver.apply(.adjust(old))
        #expect(driver.instances("/web").count == 2)
        #expect(driver.error(.adjust(old)) == .staleAdjustment("/web"))
        var other = driver.adjustment("/web")
        other.starts = 1
        try start(command: "newer")
        #expect(driver.error(.adjust(other)) == .staleAdjustment("/web"))
        #expect(driver.instances("/web").count == 2)
        try driver.master.check()
    }

    @Test("ends that were decided for a service that goes are refused for one that stays")
    func basis() throws {
        try start()
        driver.begin("/web", 3)
        let ids = driver.instances("/web")
        for id in ids { _ = try driver.launch(id) }
        driver.apply(.change(ServiceChange([.remove("/web")])))
        var ends = driver.adjustment("/web")
        ends.stops = ids
        ends.basis = driver.record("/web").map(ServiceAdjustment.Basis.init)
        #expect(ends.basis?.isEnding == true)
        try driver.put(
            ServiceDriver.service("/web", instances: 3, command: "run"), force: true)
        #expect(driver.record("/web")?.isEnding == false)
        #expect(driver.error(.adjust(ends)) == .staleAdjustment("/web"))
        #expect(driver.instances("/web") == ids)
        // Nor where another number of them is wanted by now.
        var fewer = driver.adjustment("/web")
        fewer.stops = [ids[0]]
        fewer.basis = ServiceAdjustment.Basis(active: 1, isEnding: false)
        #expect(driver.error(.adjust(fewer)) == .staleAdjustment("/web"))
        try driver.master.check()
    }

    @Test("an instance is launched once, and not when it is wanted no more")
    func launches() throws {
        try start()
        driver.begin("/web", 3)
        let ids = driver.instances("/web")
        #expect(try driver.launch(ids[0]) == nil)
        #expect(driver.table.instances[ids[0]]?.phase == .launched)
        let key = TaskKey(ServiceFramework.id, ids[0])
        #expect(try driver.launch(ids[0]) == .datacenter(.duplicateTask(key)))
        var adjustment = driver.adjustment("/web")
        adjustment.stops = [ids[1]]
        driver.apply(.adjust(adjustment))
        #expect(try driver.launch(ids[1]) == .datacenter(.service(.notWaiting(ids[1]))))
        // Nobody but the services' scheduler makes up names.
        #expect(
            try driver.launch(InstanceID("web.other"))
                == .datacenter(.service(.notWaiting(InstanceID("web.other")))))
        try start(command: "newer")
        #expect(try driver.launch(ids[2]) == .datacenter(.service(.notWaiting(ids[2]))))
        try driver.master.check()
    }

    @Test("an instance that dies goes with its task, and delays the next ones more and more")
    func delays() throws {
        try start()
        var delays: [UInt64] = []
        for round in 0..<4 {
            driver.begin("/web", 1)
            let id = try #require(driver.instances("/web").first)
            #expect(try driver.launch(id) == nil)
            _ = driver.report(id, .running, "r\(round)")
            #expect(driver.report(id, .failed, "f\(round)") == .committed)
            #expect(driver.instances("/web").isEmpty)
            let record = try #require(driver.record("/web"))
            delays.append(record.delayedUntil - (driver.master.driver.clusterTime ?? 0))
            #expect(record.lastFailure?.instance == id && record.lastFailure?.state == .failed)
        }
        #expect(delays == [1_000, 2_000, 3_000, 3_000])
        driver.apply(.resetDelay("/web"))
        #expect(driver.record("/web")?.delayedUntil == 0)
        try driver.master.check()
    }

    @Test("one that was asked to end, or whose machine is gone, delays nothing")
    func noDelay() throws {
        try start()
        driver.begin("/web", 2)
        let ids = driver.instances("/web")
        for id in ids { #expect(try driver.launch(id) == nil) }
        driver.apply(.stop([ids[0]], scales: false, isForced: false))
        #expect(driver.master.table.tasks[TaskKey(ServiceFramework.id, ids[0])]?.killIndex != 0)
        _ = driver.report(ids[0], .killed, "k")
        driver.master.apply(.agentGone(AgentID("a1"), byOperator: true))
        #expect(driver.instances("/web").isEmpty)
        #expect(driver.record("/web")?.delayedUntil == 0)
        try driver.master.check()
    }

    @Test("one that ran for long begins anew with its delay")
    func longRun() throws {
        try start()
        for (round, ran) in [UInt64(0), 0, 3_000].enumerated() {
            driver.begin("/web", 1)
            let id = try #require(driver.instances("/web").first)
            #expect(try driver.launch(id) == nil)
            _ = driver.report(id, .running, "r\(round)")
            driver.master.driver.clock += ran
            _ = driver.report(id, .finished, "f\(round)")
        }
        #expect(driver.record("/web")?.backoffMilliseconds == 1_000)
    }

    @Test("stopping instances for good takes as many away, in one entry")
    func scales() throws {
        try start()
        driver.begin("/web", 3)
        let ids = driver.instances("/web")
        let applied = driver.apply(.stop([ids[0], ids[2]], scales: true, isForced: false))
        guard case .datacenter(.service(.deployment(let id, _))) = applied.outcome else {
            throw try #require(applied.error)
        }
        #expect(driver.table.services["/web"]?.active?.definition.instances == 1)
        #expect(driver.instances("/web") == [ids[1]])
        #expect(
            driver.error(.stop([ids[1]], scales: true, isForced: false))
                == .locked("/web", by: [id]))
        #expect(driver.instances("/web") == [ids[1]])
        try driver.master.check()
    }

    @Test("what is forgotten counts no more, and is to end")
    func forgets() throws {
        try start()
        driver.begin("/web", 1)
        let id = driver.instances("/web")[0]
        #expect(try driver.launch(id) == nil)
        var adjustment = driver.adjustment("/web")
        adjustment.forgets = [id]
        driver.apply(.adjust(adjustment))
        #expect(driver.instances("/web").isEmpty)
        let task = driver.master.table.tasks[TaskKey(ServiceFramework.id, id)]
        #expect(task?.killIndex != 0 && task?.holdsResources == true)
        try driver.master.check()
    }

    @Test("the framework of the services is not torn down")
    func teardown() throws {
        try start()
        #expect(
            driver.master.error(.endFramework(ServiceFramework.id, session: 0))
                == .service(.ownFramework))
    }

    @Test("a build that does not know services stops at the first of their entries")
    func level() throws {
        let change = ServiceCommand.change(
            ServiceChange([.put(ServiceDriver.service("/web"), .none)]))
        driver.master.driver.store = Store(known: .datacenter)
        #expect(driver.apply(change).mustStop)
        #expect(
            DatacenterCommand.level(of: DatacenterCommand.service(change).encode()) == .services)
        #expect(DatacenterCommand.level(of: DatacenterCommand.time.encode()) == .datacenter)
    }
}
