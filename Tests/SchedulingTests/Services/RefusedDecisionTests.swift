import Scheduling
import StateMachine
import Testing

@Suite("The scheduler of services, where what it asks for is refused")
struct RefusedDecisionTests {
    let cluster = ServiceCluster()

    private func service(_ id: String = "/web", role: String = "*") -> ServiceDefinition {
        ServiceCluster.service(id) { $0.role = ByteText(role) }
    }

    @Test("a launch that is refused is tried again, a few times a second at most")
    func launches() {
        cluster.add("h1")
        cluster.run(500)
        cluster.desk.refuses = { command in
            if case .launch = command { true } else { false }
        }
        cluster.put(service())
        cluster.run(10_000)
        #expect((10...21).contains(cluster.launches.count), "\(cluster.launches.count)")
        cluster.desk.refuses = { _ in false }
        cluster.run(2_000)
        #expect(cluster.placed("/web").count == 1)
    }

    @Test("what was accepted on a stream that has ended is tried again soon")
    func endedStream() throws {
        cluster.add("h1")
        cluster.run(500)
        cluster.put(service())
        // The launch never comes into the log, and nobody is there to be told so.
        for _ in 0..<20 where cluster.launches.isEmpty {
            cluster.tick()
            while cluster.launches.isEmpty, cluster.hasDecisions { cluster.commitOne() }
        }
        try #require(cluster.launches.count == 1)
        cluster.endStream()
        cluster.desk.refuse()
        cluster.run(7_000)
        #expect(cluster.placed("/web").count == 1 && cluster.launches.count == 2)
    }

    @Test("roles that the master did not take in are told again")
    func updates() {
        cluster.add("h1", "cpus(db):4;mem(db):4096;cpus:1;mem:1024")
        cluster.run(500)
        cluster.put(service())
        cluster.run()
        cluster.desk.refuses = { command in
            if case .subscribe(let subscription) = command { subscription.isUpdate } else { false }
        }
        cluster.put(service("/db", role: "db"))
        cluster.run(3_000)
        #expect(cluster.placed("/db").isEmpty)
        cluster.desk.refuses = { _ in false }
        cluster.run(3_000)
        #expect(cluster.placed("/db").count == 1)
    }

    @Test("a role that no framework may have costs only its own service, under any leader")
    func invalidRole() {
        cluster.add("h1")
        cluster.run(500)
        cluster.put(service("/bad", role: "a b"), service())
        cluster.run()
        #expect(cluster.placed("/web").count == 1 && cluster.placed("/bad").isEmpty)
        cluster.failOver()
        cluster.put(service("/next"))
        cluster.run(3_000)
        #expect(cluster.placed("/next").count == 1)
        let explanation = cluster.scheduler.explain("/bad", in: cluster.table)
        #expect(explanation?.reasons.map(\.refusal) == [.unfulfilledRole])
    }

    @Test("hundreds of roles are served under any leader")
    func manyRoles() {
        cluster.add("h1", "cpus:400;mem:40960")
        cluster.run(500)
        for number in 0..<300 {
            cluster.put(service("/s\(number)", role: "role-\(number)"))
        }
        cluster.failOver()
        cluster.run(3_000)
        #expect(cluster.table.tasks.count > 5, "\(cluster.table.tasks.count)")
    }

    @Test("a deletion that is taken back ends nothing that it had not ended yet")
    func cancelledEnd() throws {
        cluster.add("h1")
        cluster.run(500)
        cluster.put(ServiceCluster.service("/web", 3))
        cluster.run()
        cluster.apply(.change(ServiceChange([.remove("/web")])))
        cluster.tick()
        try #require(cluster.hasServiceDecisions)
        cluster.put(ServiceCluster.service("/web", 3), force: true)
        cluster.run()
        #expect(cluster.placed("/web").count == 3)
        #expect(cluster.machines[0].started.count == 3)
    }
}

@Suite("When services are looked at again")
struct WakesTests {
    @Test("each has one time, the earliest, and nothing piles up")
    func earliest() {
        var wakes = Wakes<ServiceID>()
        for _ in 0..<1_000 {
            wakes.add("/a", at: 50)
            wakes.add("/b", at: 60)
        }
        wakes.add("/b", at: 40)
        #expect(wakes.count == 3)
        #expect(wakes.take(until: 39).isEmpty)
        #expect(wakes.take(until: 60) == ["/b", "/a"])
        #expect(wakes.isEmpty && wakes.count == 0)
    }

    @Test("nor does what is asked for again and again, far ahead")
    func farAhead() {
        var wakes = Wakes<ServiceID>()
        for turn in 0..<1_000 {
            wakes.add("/a", at: .max)
            wakes.add("/a", at: UInt64(turn))
            #expect(wakes.take(until: UInt64(turn)) == ["/a"])
        }
        #expect(wakes.count < 100)
    }
}
