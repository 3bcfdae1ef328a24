import Scheduling
import StateMachine
import Testing

@Suite("The scheduler of services")
struct ServiceSchedulerTests {
    let cluster = ServiceCluster()

    private func service(
        _ id: String = "/web", _ instances: UInt32 = 1, command: String = "run",
        _ change: (inout ServiceDefinition) -> Void = { _ in }
    ) -> ServiceDefinition {
        ServiceCluster.service(id, instances, command: command, change)
    }

    private func agents(_ id: String = "/web") -> [String] {
        cluster.placed(id).map(\.agent).sorted()
    }

    @Test("as many instances run as the definition says, and the deployment is done")
    func starts() {
        for name in ["h1", "h2", "h3"] { cluster.add(name) }
        cluster.run(500)
        cluster.put(service("/web", 3))
        cluster.run()
        #expect(cluster.placed("/web").map(\.task.state) == [.running, .running, .running])
        #expect(agents() == ["agent-h1", "agent-h2", "agent-h3"])
        #expect(cluster.services.deployments.isEmpty)
        // At rest it decides nothing, and wants no offers.
        cluster.decided = []
        cluster.calls = []
        cluster.run(10_000)
        #expect(cluster.decided.isEmpty && cluster.calls.isEmpty)
    }

    @Test("a deployment whose step could not be committed tries again, though nothing happens")
    func triesAgain() {
        cluster.add("h1")
        cluster.run(500)
        cluster.refuses = { command in
            if case .service(.advance) = command { true } else { false }
        }
        cluster.put(service())
        cluster.run()
        #expect(cluster.placed("/web").count == 1 && !cluster.services.deployments.isEmpty)
        cluster.refuses = { _ in false }
        cluster.run(1_000)
        #expect(cluster.services.deployments.isEmpty)
    }

    @Test("one entry of the log does not have to take all that fits on a machine")
    func boundsLaunches() {
        cluster.add("h1", "cpus:40;mem:40960")
        cluster.settings.launchBytesMax = 50_000
        cluster.failOver()
        cluster.put(
            service("/web", 20) {
                let text = String(repeating: "x", count: 20_000)
                $0.environment = [ServiceDefinition.Pair("BIG", ByteText(text))]
            })
        cluster.run(5_000)
        #expect(cluster.placed("/web").count == 20)
        let sizes = cluster.calls.compactMap { call -> Int? in
            guard case .accept(_, let operations, _) = call else { return nil }
            return operations.reduce(0) { sum, operation in
                guard case .launch(let task) = operation else { return sum }
                return sum + task.info.count
            }
        }
        #expect(sizes.count > 5 && sizes.allSatisfy { $0 < 75_000 }, "\(sizes)")
    }

    @Test("scaling down ends the youngest, or the oldest, and suspending all")
    func scales() {
        cluster.add("h1")
        cluster.run(500)
        cluster.put(service("/web", 4))
        cluster.run()
        let all = cluster.placed("/web").map(\.instance)
        cluster.put(service("/web", 3))
        cluster.run()
        #expect(cluster.placed("/web").map(\.instance) == Array(all.dropLast()))
        let oldest = service("/web", 3) { $0.killSelection = .oldestFirst }
        cluster.put(oldest)
        cluster.run()
        let renewed = cluster.placed("/web").map(\.instance)
        #expect(renewed.count == 3 && Set(renewed).isDisjoint(with: all))
        cluster.put(service("/web", 1) { $0.killSelection = .oldestFirst })
        cluster.run()
        #expect(cluster.placed("/web").map(\.instance) == Array(renewed.suffix(1)))
        cluster.put(service("/web", 0) { $0.killSelection = .oldestFirst })
        cluster.run()
        #expect(cluster.placed("/web").isEmpty && cluster.services.deployments.isEmpty)
    }

    @Test(
        "a rolling upgrade stays within its capacities, whatever they are",
        arguments: [(1_000, 1_000), (1_000, 0), (500, 0), (500, 500), (0, 0), (750, 250)])
    func rolls(minimum: UInt32, over: UInt32) throws {
        cluster.add("h1", "cpus:40;mem:40960")
        cluster.run(500)
        func version(_ command: String) -> ServiceDefinition {
            service("/web", 4, command: command) {
                ($0.minimumHealthCapacity, $0.maximumOverCapacity) = (minimum, over)
                $0.healthChecks = [ServiceDefinition.HealthCheck(.command)]
                $0.healthChecks[0].command = "true"
            }
        }
        cluster.put(version("one"))
        cluster.run()
        cluster.runsAtOnce = false
        cluster.put(version("two"))
        var (fewest, most) = (Int.max, 0)
        for _ in 0..<60 {
            cluster.run(200)
            let placed = cluster.placed("/web")
            fewest = min(fewest, placed.count { $0.task.state == .running })
            most = max(most, placed.count)
            // One more is healthy now.
            let machine = cluster.machines[0]
            if let next = cluster.live(machine).first(where: {
                machine.tasks[$0]?.state == .starting
            }) {
                cluster.report(machine, next, .running)
            }
        }
        let active = try #require(cluster.services.services["/web"]?.active)
        #expect(fewest >= active.definition.minimumHealthy)
        #expect(most <= active.definition.maximumTotal)
        #expect(cluster.services.deployments.isEmpty)
        #expect(cluster.placed("/web").count == 4)
    }

    @Test("an upgrade waits for those that end to have ended, where it may not exceed")
    func slowEnds() {
        cluster.add("h1", "cpus:40;mem:40960")
        cluster.run(500)
        func version(_ command: String) -> ServiceDefinition {
            service("/web", 4, command: command) {
                ($0.minimumHealthCapacity, $0.maximumOverCapacity) = (0, 0)
            }
        }
        cluster.put(version("one"))
        cluster.run()
        cluster.put(version("two"))
        for _ in 0..<5 {
            cluster.tick()
            while cluster.hasDecisions { cluster.commitOne() }
        }
        #expect(cluster.placed("/web").allSatisfy { $0.task.killIndex > 0 })
        #expect(cluster.services.services["/web"]?.instances.count == 4)
        cluster.run()
        #expect(cluster.placed("/web").count == 4 && cluster.services.deployments.isEmpty)
    }

    @Test("a new leader goes on in the middle of an upgrade, and repeats nothing")
    func continues() throws {
        cluster.add("h1", "cpus:40;mem:40960")
        cluster.run(500)
        cluster.put(service("/web", 6, command: "one") { $0.maximumOverCapacity = 0 })
        cluster.run()
        cluster.put(service("/web", 6, command: "two") { $0.maximumOverCapacity = 0 })
        let id = try #require(cluster.services.deploymentIDs.first)
        for _ in 0..<8 {
            cluster.tick()
            for _ in 0..<5 where cluster.hasDecisions { cluster.commitOne() }
            for _ in 0..<5 { cluster.deliverOrder() }
            cluster.failOver()
            cluster.run(300)
        }
        cluster.run(5_000)
        #expect(cluster.placed("/web").count == 6 && cluster.services.deployments.isEmpty)
        let ends = cluster.changes.filter { $0 == .deployment(id, .done) }
        #expect(ends.count == 1)
        #expect(cluster.machines[0].started.values.allSatisfy { $0 == 1 })
        // Six of the first, six of the second: none was started in vain.
        #expect(cluster.machines[0].started.count == 12)
    }

    @Test("instances that die at once are started at longer and longer intervals")
    func backsOff() {
        let machine = cluster.add("h1")
        cluster.run(500)
        cluster.put(service("/web", 1) { $0.backoffFactor = 2_000 })
        cluster.runsAtOnce = false
        var starts: [UInt64] = []
        for _ in 0..<150 {
            cluster.run(100)
            guard let key = cluster.live(machine).first else { continue }
            starts.append(cluster.desk.now)
            cluster.report(machine, key, .failed)
            cluster.settle()
        }
        let gaps = zip(starts.dropFirst(), starts).map { $0 - $1 }
        #expect(gaps.count >= 3)
        for (place, gap) in gaps.enumerated() {
            #expect(gap >= 1_000 << place && gap <= 1_000 << place + 500, "\(gaps)")
        }
        let explanation = cluster.scheduler.explain("/web", in: cluster.table)
        #expect(explanation?.waiting == 1 && (explanation?.delayedUntil ?? 0) > cluster.desk.now)
    }

    @Test(
        "instances of a lost machine are replaced when the definition says, and end if it is back")
    func unreachable() {
        let lost = cluster.add("h1")
        cluster.run(500)
        cluster.put(service("/web", 1))
        cluster.put(
            service("/slow", 1) {
                $0.unreachable = .replaced(inactiveAfter: 20_000, expungeAfter: 60_000)
            })
        cluster.put(service("/patient", 1) { $0.unreachable = .disabled })
        cluster.run()
        cluster.add("h2")
        cluster.cutOff(lost)
        cluster.run(12_000)
        #expect(agents("/web") == ["agent-h2"])
        #expect(agents("/slow") == ["agent-h1"] && agents("/patient") == ["agent-h1"])
        cluster.run(20_000)
        #expect(agents("/slow") == ["agent-h1", "agent-h2"])
        lost.isCutOff = false
        cluster.run(3_000)
        #expect(agents("/slow").count == 1 && agents("/patient") == ["agent-h1"])
        // The one that was replaced has ended.
        let key = cluster.live(lost).map(\.task.description)
        #expect(!key.contains { $0.hasPrefix("web.") })
        cluster.cutOff(lost)
        cluster.run(100_000)
        #expect(agents("/slow") == ["agent-h2"] && agents("/patient") == ["agent-h1"])
    }

    @Test("an instance that is not ready holds the upgrade up")
    func readiness() {
        cluster.add("h1", "cpus:40;mem:40960;ports:[1-50]")
        cluster.run(500)
        func version(_ command: String) -> ServiceDefinition {
            service("/web", 2, command: command) {
                $0.ports = [ServiceDefinition.Port(0)]
                $0.ports[0].name = "http-api"
                $0.readinessChecks = [ServiceDefinition.ReadinessCheck()]
            }
        }
        // check_status.http.status_code
        cluster.status = [0x7A, 0x05, 0x1A, 0x03, 0x08, 0xC8, 0x01]
        cluster.put(version("one"))
        cluster.run()
        #expect(cluster.services.deployments.isEmpty)
        let before = cluster.placed("/web").map(\.instance)
        cluster.status = [0x7A, 0x05, 0x1A, 0x03, 0x08, 0xF7, 0x03]
        cluster.put(version("two"))
        cluster.run()
        #expect(cluster.placed("/web").count == 4)
        let machine = cluster.machines[0]
        for key in cluster.live(machine) where !before.contains(key.task) {
            cluster.report(
                machine, key, .running, status: [0x7A, 0x05, 0x1A, 0x03, 0x08, 0xC8, 0x01])
        }
        cluster.run()
        #expect(cluster.services.deployments.isEmpty && cluster.placed("/web").count == 2)
    }

    @Test("services start behind those that they depend on, and end before them")
    func dependencies() {
        cluster.add("h1", "cpus:40;mem:40960")
        cluster.run(500)
        cluster.runsAtOnce = false
        cluster.put(service("/web", 1) { $0.dependencies = ["/db"] }, service("/db", 1))
        cluster.run()
        #expect(cluster.placed("/db").count == 1 && cluster.placed("/web").isEmpty)
        let machine = cluster.machines[0]
        for key in cluster.live(machine) { cluster.report(machine, key, .running) }
        cluster.run()
        #expect(cluster.placed("/web").count == 1)
        for key in cluster.live(machine) { cluster.report(machine, key, .running) }
        cluster.run()
        cluster.apply(.change(ServiceChange([.remove("/db"), .remove("/web")])))
        cluster.tick()
        cluster.commitOne()
        #expect(cluster.placed("/web").first?.task.killIndex != 0)
        #expect(cluster.placed("/db").first?.task.killIndex == 0)
        cluster.run()
        #expect(cluster.services == ServiceTable())
    }

    @Test("who asks why nothing starts is told which offers were refused, and for what")
    func explains() {
        cluster.add("h1", "cpus:1;mem:64;ports:[1-2]")
        cluster.add("h2", "cpus:8;mem:4096;ports:[1-2]", "rack=b")
        cluster.run(500)
        cluster.put(
            service("/web", 1) { $0.constraints = [.init("rack", .equal, "a")] },
            service("/big", 1) { $0.mem = 64_000_000 })
        cluster.run(12_000)
        let web = cluster.scheduler.explain("/web", in: cluster.table)
        #expect(web?.waiting == 1 && web?.reasons.map(\.refusal) == [.unfulfilledConstraint])
        #expect(web?.offersUnused == web?.offersSeen && (web?.offersSeen ?? 0) >= 4)
        let big = cluster.scheduler.explain("/big", in: cluster.table)
        #expect(big?.reasons.map(\.refusal) == [.insufficientMemory])
        #expect(cluster.scheduler.explain("/none", in: cluster.table) == nil)
    }

    @Test("one that is asked to end is replaced before it has ended")
    func stopping() {
        cluster.add("h1")
        cluster.run(500)
        cluster.put(service("/web", 1))
        cluster.run()
        let old = cluster.placed("/web")[0].instance
        cluster.apply(.stop([old], scales: false, isForced: false))
        cluster.tick()
        while cluster.hasDecisions { cluster.commitOne() }
        let both = cluster.services.services["/web"]?.instances ?? []
        #expect(both.count == 2 && both[0] == old)
        cluster.run()
        #expect(cluster.placed("/web").map(\.instance) == [both[1]])
    }

    @Test("services of a role get that role's offers")
    func roles() {
        cluster.add("h1", "cpus(db):4;mem(db):4096;cpus:1;mem:1024")
        cluster.run(500)
        cluster.put(service("/db", 3) { $0.role = "db" }, service("/web", 3))
        cluster.run(5_000)
        #expect(cluster.placed("/db").count == 3)
        #expect(cluster.placed("/db").allSatisfy { $0.task.role == "db" })
        // Of what is not reserved there is enough for two.
        #expect(cluster.placed("/web").count == 2)
    }
}
