import Primitives
import StateMachine
import Testing

@Suite("Services: changes and deployments, judged at apply")
struct ServiceChangeTests {
    let driver: ServiceDriver

    init() throws { driver = try ServiceDriver() }

    private func service(
        _ id: String, instances: UInt32 = 1, command: String = "run", after: [String] = []
    ) -> ServiceDefinition {
        ServiceDriver.service(id, instances: instances, command: command, after: after)
    }

    @Test("a new service has a version and a deployment, which locks it until it is done")
    func begins() throws {
        let id = try driver.put(service("/web", instances: 3))
        let record = try #require(driver.record("/web"))
        #expect(record.deployment == id && record.active == record.latest)
        #expect(driver.table.deployments[id]?.parts.map(\.action) == [.start])
        #expect(
            driver.error(.change(ServiceChange([.put(service("/web"), .any)])))
                == .locked("/web", by: [id]))
        driver.apply(.advance(id, step: 0))
        #expect(driver.record("/web")?.deployment == DeploymentID(0))
        #expect(driver.table.deployments.isEmpty)
        try driver.master.check()
    }

    @Test("what a change expects of a service is checked where it is applied")
    func basis() throws {
        driver.apply(.advance(try driver.put(service("/web")), step: 0))
        let latest = try #require(driver.record("/web")).latest
        let again = service("/web", instances: 2)
        #expect(
            driver.error(.change(ServiceChange([.put(again, .none)]))) == .exists("/web"))
        #expect(
            driver.error(.change(ServiceChange([.put(again, .version(latest + 1))])))
                == .moved("/web", known: latest, got: latest + 1))
        try driver.change([.put(again, .version(latest))])
        #expect(
            driver.error(.change(ServiceChange([.put(service("/other"), .version(1))])))
                == .unknownService("/other"))
    }

    @Test("another number of instances is no other configuration, anything else is")
    func configuration() throws {
        driver.apply(.advance(try driver.put(service("/web")), step: 0))
        let first = try #require(driver.table.services["/web"]?.active)
        let scaled = try driver.put(service("/web", instances: 5))
        #expect(driver.table.deployments[scaled]?.parts.map(\.action) == [.scale])
        driver.apply(.advance(scaled, step: 0))
        #expect(driver.table.services["/web"]?.active?.configuration == first.configuration)
        let changed = try driver.put(service("/web", instances: 5, command: "other"))
        #expect(driver.table.deployments[changed]?.parts.map(\.action) == [.restart])
        driver.apply(.advance(changed, step: 0))
        let second = try #require(driver.table.services["/web"]?.active)
        #expect(second.configuration == second.number && second.number > first.number)
        // The same again begins nothing.
        _ = try driver.put(service("/web", instances: 5, command: "other"))
        #expect(driver.table.deployments.isEmpty)
        // A restart does, of what is the same.
        try driver.change([.restart("/web")])
        let restarted = try #require(driver.table.services["/web"]?.active)
        #expect(restarted.configuration == restarted.number)
    }

    @Test("a step begins when the one before it is done, in the order of dependencies")
    func steps() throws {
        let id = try driver.change([
            .put(service("/app/web", after: ["/app/db", "/cache"]), .none),
            .put(service("/app/db"), .none),
            .put(service("/cache/one", after: ["/app/db"]), .none),
        ])
        let parts = try #require(driver.table.deployments[id]).parts
        #expect(parts.map(\.service) == ["/app/db", "/cache/one", "/app/web"])
        #expect(parts.map(\.step) == [0, 1, 2])
        #expect(driver.record("/app/db")?.active != 0)
        #expect(driver.record("/cache/one")?.active == 0)
        #expect(
            driver.error(.advance(id, step: 1)) == .staleStep(id, known: 0, got: 1))
        driver.apply(.advance(id, step: 0))
        #expect(driver.record("/cache/one")?.active != 0 && driver.record("/app/web")?.active == 0)
        // A leader that was late takes no step twice.
        #expect(
            driver.error(.advance(id, step: 0)) == .staleStep(id, known: 1, got: 0))
        driver.apply(.advance(id, step: 1))
        driver.apply(.advance(id, step: 2))
        #expect(driver.error(.advance(id, step: 2)) == .unknownDeployment(id))
        try driver.master.check()
    }

    @Test("services that others depend on go last, and none with instances goes")
    func ends() throws {
        let first = try driver.change([
            .put(service("/web", after: ["/db"]), .none), .put(service("/db"), .none),
        ])
        driver.apply(.advance(first, step: 0))
        driver.apply(.advance(first, step: 1))
        driver.begin("/web", 1)
        let id = try driver.change([.remove("/db"), .remove("/web")])
        #expect(driver.table.deployments[id]?.parts.map(\.service) == ["/web", "/db"])
        #expect(driver.record("/web")?.isEnding == true && driver.record("/db")?.isEnding == false)
        #expect(driver.error(.advance(id, step: 0)) == .instancesRemain("/web"))
        var adjustment = driver.adjustment("/web")
        adjustment.stops = driver.instances("/web")
        driver.apply(.adjust(adjustment))
        driver.apply(.advance(id, step: 0))
        #expect(driver.record("/web") == nil && driver.record("/db")?.isEnding == true)
        driver.apply(.advance(id, step: 1))
        #expect(driver.table == ServiceTable())
        try driver.master.check()
    }

    @Test("who depends on himself over others is told so, at any length")
    func cycles() throws {
        #expect(
            driver.error(
                .change(
                    ServiceChange([
                        .put(service("/a", after: ["/b"]), .none),
                        .put(service("/b", after: ["/c"]), .none),
                        .put(service("/c", after: ["/a"]), .none),
                    ]))) == .cyclicDependencies("/a"))
        // A chain that would exhaust a stack.
        let chain = (0..<900).map { place in
            ServiceChange.Part.put(service("/s\(place)", after: ["/s\(place + 1)"]), .none)
        }
        let id = try driver.change(chain)
        #expect(driver.table.deployments[id]?.stepCount == 900)
        #expect(
            driver.error(
                .change(
                    ServiceChange([.put(service("/s900", after: ["/s0"]), .none)])))
                == .cyclicDependencies("/s900"))
    }

    @Test("force ends what is in the way, and what that had begun becomes what it was to be")
    func force() throws {
        let first = try driver.change([
            .put(service("/web", after: ["/db"]), .none), .put(service("/db"), .none),
        ])
        let second = try driver.put(service("/db", command: "newer"), force: true)
        #expect(driver.table.deploymentIDs == [second])
        #expect(driver.record("/web")?.deployment == DeploymentID(0))
        #expect(driver.record("/web")?.active == driver.record("/web")?.latest)
        #expect(driver.error(.advance(first, step: 0)) == .unknownDeployment(first))
        try driver.master.check()
    }

    @Test("a deployment that is rolled back leaves what was there before, and nothing that was not")
    func rollBack() throws {
        driver.apply(.advance(try driver.put(service("/web", instances: 2)), step: 0))
        let before = try #require(driver.table.services["/web"]?.active)
        let id = try driver.change([
            .put(service("/web", instances: 4, command: "newer"), .any),
            .put(service("/new"), .none),
        ])
        let applied = driver.apply(.rollBack(id))
        guard case .datacenter(.service(.deployment(let back, _))) = applied.outcome else {
            throw try #require(applied.error)
        }
        let active = try #require(driver.table.services["/web"]?.active)
        #expect(active.definition == before.definition)
        // Instances that had not been replaced stay.
        #expect(active.configuration == before.configuration)
        driver.apply(.advance(back, step: 0))
        driver.apply(.advance(back, step: 1))
        #expect(driver.record("/new") == nil && driver.table.deployments.isEmpty)
        driver.apply(.advance(try driver.put(service("/web", command: "third")), step: 0))
        let third = try driver.put(service("/web", command: "fourth"))
        driver.apply(.cancel(third))
        #expect(driver.table.services["/web"]?.active?.definition.command == "fourth")
        try driver.master.check()
    }

    @Test("definitions that cannot be are refused with the field's path, and change nothing")
    func invalid() throws {
        var bad = service("/web")
        bad.constraints = [.init("hostname", .maxPer, "x"), .init("rack", .like, "(")]
        bad.minimumHealthCapacity = 1_001
        bad.dependencies = ["/web"]
        let error = driver.error(.change(ServiceChange([.put(bad, .none)])))
        guard case .invalid(_, let problems)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(
            problems.map(\.path) == [
                "/constraints(0)", "/constraints(1)", "/upgradeStrategy/minimumHealthCapacity",
                "/dependencies(0)",
            ])
        #expect(
            driver.error(
                .change(
                    ServiceChange([.put(service("/a"), .none), .put(service("/a"), .none)])))
                == .named(twice: "/a"))
        try driver.put(service("/a/b"))
        #expect(
            driver.error(.change(ServiceChange([.put(service("/a"), .none)])))
                == .conflictingPath("/a", with: "/a/b"))
        #expect(
            driver.error(.change(ServiceChange([.put(service("/a/b/c"), .none)])))
                == .conflictingPath("/a/b/c", with: "/a/b"))
        for id in ["", "/", "web", "/Web", "/a//b", "/a/", "/-a", "/a_b", "/é"] {
            #expect(!ServiceID(id).isValid, "\(id)")
        }
        for id in ["/web", "/a/b-c.d/e1"] { #expect(ServiceID(id).isValid, "\(id)") }
        try driver.master.check()
    }

    @Test("old versions go when nothing needs them")
    func versions() throws {
        for round in 0..<(ServiceLimits.versionsMax + 20) {
            driver.apply(.advance(try driver.put(service("/web", command: "\(round)")), step: 0))
            if round == 0 { driver.begin("/web", 1) }
        }
        let service = try #require(driver.table.services["/web"])
        #expect(service.versions.count == ServiceLimits.versionsMax)
        // The first instance still is of the first.
        #expect(service.versions.first?.definition.command == "0")
        try driver.master.check()
    }

    @Test("too many deployments at once are refused, and a group's dependencies count")
    func limits() throws {
        for place in 0..<ServiceLimits.deploymentsMax { try driver.put(service("/s\(place)")) }
        #expect(
            driver.error(.change(ServiceChange([.put(service("/more"), .none)])))
                == .tooManyDeployments(max: ServiceLimits.deploymentsMax))
        for id in driver.table.deploymentIDs { driver.apply(.advance(id, step: 0)) }
        let id = try driver.change([
            .putGroup("/front", dependencies: ["/back"]), .put(service("/front/a"), .none),
            .put(service("/back/b"), .none),
        ])
        #expect(
            driver.table.deployments[id]?.parts.map(\.service) == ["/back/b", "/front/a"])
        #expect(driver.table.groups["/front"]?.dependencies == ["/back"])
        try driver.master.check()
    }
}
