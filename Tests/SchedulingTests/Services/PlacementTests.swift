import Scheduling
import StateMachine
import Testing

@Suite("Where instances of services are placed")
struct PlacementTests {
    let cluster = ServiceCluster()

    private func place(
        _ instances: UInt32, _ constraints: [ServiceDefinition.Constraint],
        on racks: [String] = ["a", "a", "b", "b", "c"]
    ) -> [String] {
        for (place, rack) in racks.enumerated() {
            cluster.add("h\(place)", "cpus:8;mem:8192;ports:[1-9]", "rack=\(rack)")
        }
        cluster.run(500)
        cluster.put(
            ServiceCluster.service("/web", instances) { $0.constraints = constraints })
        cluster.run(4_000)
        return cluster.placed("/web").map { String($0.agent.dropFirst("agent-".count)) }.sorted()
    }

    @Test("UNIQUE: none twice")
    func unique() {
        #expect(place(9, [.init("hostname", .unique)]) == ["h0", "h1", "h2", "h3", "h4"])
    }

    @Test("CLUSTER with a value: only there; without: all where the first is")
    func clusters() {
        #expect(place(3, [.init("rack", .cluster, "b")]).allSatisfy { ["h2", "h3"].contains($0) })
        cluster.put(
            ServiceCluster.service("/other", 4) { $0.constraints = [.init("rack", .cluster)] })
        cluster.run(4_000)
        let racks = cluster.placed("/other").map {
            $0.agent.last == "4" ? 2 : $0.agent < "agent-h2" ? 0 : 1
        }
        #expect(racks.count == 4 && Set(racks).count == 1)
    }

    @Test("GROUP_BY: no rack has two more than another")
    func groupBy() {
        let hosts = place(7, [.init("rack", .groupBy, "3")])
        let racks = [["h0", "h1"], ["h2", "h3"], ["h4"]].map { rack in
            hosts.count { rack.contains($0) }
        }
        #expect(racks.reduce(0, +) == 7 && racks.max()! - racks.min()! <= 1, "\(racks)")
    }

    @Test("LIKE, UNLIKE and IS compare whole texts; MAX_PER counts")
    func others() {
        #expect(
            place(4, [.init("rack", .like, "a|c")]).allSatisfy { ["h0", "h1", "h4"].contains($0) })
        for (id, constraint, allowed) in [
            ("/unlike", ServiceDefinition.Constraint("rack", .unlike, "[ab]"), ["agent-h4"]),
            ("/is", .init("rack", .equal, "b"), ["agent-h2", "agent-h3"]),
            ("/missing", .init("none", .unlike, ".*"), (0..<5).map { "agent-h\($0)" }),
        ] {
            cluster.put(ServiceCluster.service(id, 3) { $0.constraints = [constraint] })
            cluster.run(4_000)
            let agents = cluster.placed(id).map(\.agent)
            #expect(agents.count == 3 && agents.allSatisfy(allowed.contains), "\(id): \(agents)")
        }
        cluster.put(
            ServiceCluster.service("/max", 9) { $0.constraints = [.init("rack", .maxPer, "2")] })
        cluster.run(4_000)
        #expect(cluster.placed("/max").count == 6)
        cluster.put(
            ServiceCluster.service("/none", 1) { $0.constraints = [.init("none", .unique)] })
        cluster.run(4_000)
        #expect(cluster.placed("/none").isEmpty)
    }

    @Test("ports come from offers, each once; those that are required are exactly those")
    func ports() throws {
        cluster.add("h1", "cpus:8;mem:8192;ports:[100-105,8080-8080]")
        cluster.run(500)
        let definition = ServiceCluster.service("/web", 2) {
            $0.ports = [ServiceDefinition.Port(0), ServiceDefinition.Port(9)]
        }
        let fixed = ServiceCluster.service("/fixed", 2) {
            $0.ports = [ServiceDefinition.Port(0), ServiceDefinition.Port(8080)]
            $0.requiresPorts = true
        }
        cluster.put(definition, fixed)
        cluster.run(3_000)
        let web = cluster.placed("/web").map {
            ServicePorts.ports($0.task.resources, of: definition)
        }
        let all = web.flatMap { $0 }
        #expect(
            all.count == 4 && Set(all).count == 4 && all.allSatisfy { (100...105).contains($0) })
        // The machine has that port once.
        let one = try #require(cluster.placed("/fixed").first)
        #expect(cluster.placed("/fixed").count == 1)
        let ports = ServicePorts.ports(one.task.resources, of: fixed)
        #expect(ports.count == 2 && ports[1] == 8080 && (100...105).contains(ports[0]))
        let explanation = cluster.scheduler.explain("/fixed", in: cluster.table)
        #expect(explanation?.reasons.map(\.refusal) == [.insufficientPorts])
    }

    @Test("no more is launched with an offer than it has")
    func sums() {
        cluster.add("h1", "cpus:1;mem:4096")
        cluster.run(500)
        cluster.put(ServiceCluster.service("/web", 5))
        cluster.run(3_000)
        let accepted = cluster.calls.map { call in
            if case .accept(_, let operations, _) = call { operations.count } else { 0 }
        }
        #expect(accepted.max() == 2 && cluster.placed("/web").count == 2)
    }

    @Test("what an agent is told has the ports, the environment and the check")
    func taskInfo() throws {
        var definition = ServiceCluster.service("/prod/web", command: "serve $PORT0")
        definition.ports = [ServiceDefinition.Port(0), ServiceDefinition.Port(0)]
        definition.ports[1].name = "http-api"
        definition.environment = [.init("A", "1"), .init("PORT", "own")]
        definition.labels = [.init("team.name", "x")]
        let instance = InstanceRecord(
            id: InstanceID("prod_web.1"), service: "/prod/web", version: 1_709_296_200_123,
            configuration: 1, sequence: 1)
        let info = ServiceTaskInfo(
            instance: instance, definition: definition, agent: AgentID("a1"), hostname: "h1",
            resources: try ResourcesParser.parse("cpus:0.5;ports:[31000-31001]"),
            ports: [31_000, 31_001])
        let environment = Dictionary(
            uniqueKeysWithValues: info.environment.map { ($0.name.text, $0.value.text) })
        #expect(environment["PORT0"] == "31000" && environment["PORT1"] == "31001")
        #expect(environment["PORT"] == "own" && environment["PORTS"] == "31000,31001")
        #expect(environment["PORT_HTTP_API"] == "31001" && environment["HOST"] == "h1")
        #expect(environment["MARATHON_APP_VERSION"] == "2024-03-01T12:30:00.123Z")
        #expect(environment["MARATHON_APP_LABEL_TEAM_NAME"] == "x")
        #expect(environment["MARATHON_APP_RESOURCE_CPUS"] == "0.5")
        let bytes = info.encode()
        // name, then task_id
        #expect(Array(bytes.prefix(10)) == [0x0A, 8] + Array("web.prod".utf8))
    }

    @Test("no definition that is allowed makes a task of more bytes than a launch may have")
    func largestTaskInfo() throws {
        var definition = ServiceCluster.service("/prod/web")
        definition.labels = (0..<1_000).map { number in
            .init(ByteText("label-\(number)"), ByteText(String(repeating: "x", count: 490)))
        }
        #expect(definition.problems.isEmpty)
        func bytes() throws -> Int {
            let instance = InstanceRecord(
                id: InstanceID("prod_web.1"), service: "/prod/web", version: 1, configuration: 1,
                sequence: 1)
            return ServiceTaskInfo(
                instance: instance, definition: definition, agent: AgentID("a1"), hostname: "h1",
                resources: try ResourcesParser.parse("cpus:0.5"), ports: []
            ).encode().count
        }
        #expect(try bytes() <= DatacenterLimits.infoBytesMax)
        definition.labels = [.init("one", ByteText(String(repeating: "x", count: 400_000)))]
        definition.environment = [.init("E", ByteText(String(repeating: "x", count: 100_000)))]
        #expect(definition.problems.isEmpty)
        #expect(try bytes() <= DatacenterLimits.infoBytesMax)
    }

    @Test("versions are moments, and read back")
    func timestamps() {
        for milliseconds in [0, 1, 951_782_400_000, 1_709_210_096_999, 4_102_444_800_000]
            as [UInt64]
        {
            #expect(ServiceTimestamp.parse(ServiceTimestamp.text(milliseconds)) == milliseconds)
        }
        #expect(ServiceTimestamp.parse("2024-02-29T00:00:00Z") == 1_709_164_800_000)
        #expect(ServiceTimestamp.text(1_709_164_800_000) == "2024-02-29T00:00:00.000Z")
        for bad in ["", "2024-02-29", "2024-13-01T00:00:00Z", "2024-02-29T00:00:00.Z", "x"] {
            #expect(ServiceTimestamp.parse(bad) == nil)
        }
        _ = ServiceTimestamp.text(.max)
    }
}
