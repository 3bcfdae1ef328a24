import Primitives
import StateMachine
import Testing

@Suite("Services: drawn histories, and any bytes")
struct ServiceHistoryTests {
    @Test("a deployment's step that has none behind it is refused", arguments: [false, true])
    func lastStep(isOfPart: Bool) throws {
        let driver = try ServiceDriver()
        let id = try driver.put(ServiceDriver.service("/a"))
        var record = try #require(driver.table.deployments[id])
        #expect(record.encode().withUnsafeBytes { DeploymentRecord($0) } == record)
        if isOfPart { record.parts[0].step = .max } else { record.step = .max }
        #expect(record.encode().withUnsafeBytes { DeploymentRecord($0) } == nil)
    }

    private struct Users {
        var random: SplitMix64
        let driver: ServiceDriver
        var number = 0

        init(seed: UInt64) throws {
            random = SplitMix64(seed: seed)
            driver = try ServiceDriver()
        }

        mutating func draw(_ below: Int) -> Int { Int(random.next(below: UInt64(below))) }

        mutating func name() -> String { ["/a", "/b", "/g/c", "/g/d", "/g/e/f"][draw(5)] }

        mutating func definition() -> ServiceDefinition {
            let id = name()
            var definition = ServiceDriver.service(
                id, instances: UInt32(draw(4)), command: "\(draw(3))",
                after: draw(3) == 0 ? [["/a", "/b", "/g"][draw(3)]] : [])
            definition.killGraceMilliseconds = draw(2) == 0 ? nil : 5
            return definition
        }

        mutating func deployment() -> DeploymentID {
            let known = driver.table.deploymentIDs
            return known.isEmpty || draw(8) == 0
                ? DeploymentID(UInt64(draw(50))) : known[draw(known.count)]
        }

        mutating func instance() -> InstanceID {
            let known = driver.table.instances.keys.sorted()
            return known.isEmpty ? InstanceID("web.none") : known[draw(known.count)]
        }

        mutating func step() throws {
            driver.master.driver.clock += UInt64(draw(1_000))
            driver.master.driver.clusterTime = (driver.master.driver.clusterTime ?? 0) + 100
            switch draw(16) {
            case 0...3: driver.apply(.change(change()))
            case 4...6:
                let id = deployment()
                let step = driver.table.deployments[id]?.step ?? 0
                driver.apply(.advance(id, step: draw(8) == 0 ? 1 : step))
            case 7: driver.apply(draw(2) == 0 ? .rollBack(deployment()) : .cancel(deployment()))
            case 8...10:
                var adjustment = driver.adjustment(name())
                adjustment.starts = UInt32(draw(4))
                if draw(3) == 0 { adjustment.stops = [instance()] }
                if draw(6) == 0 { adjustment.forgets = [instance()] }
                if draw(8) == 0 { adjustment.begun += 1 }
                driver.apply(.adjust(adjustment))
            case 11, 12: _ = try driver.launch(instance())
            case 13: driver.apply(.stop([instance()], scales: draw(2) == 0, isForced: true))
            case 14:
                number += 1
                let states: [TaskState] = [.running, .failed, .killed, .finished]
                _ = driver.report(instance(), states[draw(4)], "u\(number)")
            default: driver.apply(.resetDelay(ServiceID(name())))
            }
        }

        mutating func change() -> ServiceChange {
            var change = ServiceChange([], isForced: draw(2) == 0)
            for _ in 0...draw(3) {
                switch draw(6) {
                case 0...3: change.parts.append(.put(definition(), .any))
                case 4: change.parts.append(.remove(ServiceID(name())))
                default: change.parts.append(.restart(ServiceID(name())))
                }
            }
            if draw(5) == 0 { change.parts.append(.putGroup("/g", dependencies: ["/a"])) }
            return change
        }
    }

    @Test(
        "whatever is decided, records load as they are and locks are where deployments are",
        arguments: 0..<15)
    func books(seed: UInt64) throws {
        var users = try Users(seed: seed)
        var most = 0
        for turn in 0..<400 {
            try users.step()
            users.driver.master.table.checkInvariants()
            if turn % 80 == 0 { try users.driver.master.check() }
            most = max(most, users.driver.table.instances.count)
        }
        try users.driver.master.check()
        users.driver.master.driver.store.checkInvariants()
        #expect(most > 2)
    }

    @Test("any bytes are a command or an error, and nothing traps", arguments: 0..<10)
    func garbage(seed: UInt64) throws {
        var users = try Users(seed: 100 + seed)
        for _ in 0..<60 { try users.step() }
        var random = SplitMix64(seed: seed)
        for entry in users.driver.master.driver.log {
            var payload = entry.payload
            for _ in 0...random.next(below: 3) {
                let place = Int(random.next(below: UInt64(payload.count)))
                payload[place] = UInt8(truncatingIfNeeded: random.next())
            }
            if random.next(below: 4) == 0 { payload.removeLast(min(payload.count, 7)) }
            users.driver.master.driver.apply(payload: payload)
            users.driver.master.table.checkInvariants()
        }
    }

    @Test("every command and a definition with everything are read as they were written")
    func coding() throws {
        var full = ServiceDefinition(id: "/a/b")
        full.arguments = ["x", ""]
        full.environment = [.init("A", "1"), .init("B", "")]
        full.labels = [.init("l", "é")]
        full.artifacts = [.init(uri: "http://h/a.tgz")]
        var port = ServiceDefinition.Port(80)
        (port.name, port.networkProtocol, port.labels) = ("http-api", "udp,tcp", [.init("V", "1")])
        full.ports = [port, .init(0)]
        full.requiresPorts = true
        full.constraints = [.init("rack", .groupBy, "3"), .init("@zone", .unique)]
        full.healthChecks = [.init(.https)]
        full.healthChecks[0].port = 0
        full.readinessChecks = [.init()]
        full.unreachable = .disabled
        full.killSelection = .oldestFirst
        full.killGraceMilliseconds = 0
        (full.user, full.role, full.acceptedRoles) = ("u", "r", ["*", "r"])
        (full.cpus, full.gpus, full.instances) = (1, 2, 0)
        let bytes = full.encode()
        #expect(bytes.withUnsafeBytes { ServiceDefinition($0) } == full)
        #expect(full.problems == [])
        var adjustment = ServiceAdjustment(service: "/a", configuration: 7, begun: 9)
        (adjustment.starts, adjustment.stops, adjustment.forgets) =
            (2, [InstanceID("a")], [InstanceID("b"), InstanceID("c")])
        var based = adjustment
        based.basis = ServiceAdjustment.Basis(active: 11, isEnding: true)
        let level = DatacenterCommand.service(.adjust(based)).level
        #expect(level == .adjustmentBasis && level > FeatureLevel.services)
        #expect(DatacenterCommand.service(.adjust(adjustment)).level == .services)
        let commands: [ServiceCommand] = [
            .adjust(based),
            .change(
                ServiceChange(
                    [
                        .put(full, .none), .put(full, .any), .put(full, .version(5)),
                        .remove("/x"), .restart("/y"), .putGroup("/g", dependencies: ["/h"]),
                        .removeGroup("/g"),
                    ], isForced: true)),
            .rollBack(DeploymentID(5)), .cancel(DeploymentID(6)),
            .advance(DeploymentID(1), step: 2), .adjust(adjustment),
            .stop([InstanceID("a")], scales: true, isForced: false), .resetDelay("/a"),
        ]
        for command in commands {
            let encoded = DatacenterCommand.service(command).encode()
            let decoded = try encoded.withUnsafeBytes { raw in try DatacenterCommand.decode(raw) }
            #expect(decoded == .service(command))
        }
        let id = DeploymentID(0xABCD_0000_1234_5678)
        #expect(DeploymentID(id.description) == id)
        #expect(DeploymentID("00000000-0000-0000-0000-00000000000g") == nil)
    }

    @Test("patterns match whole texts, and none costs more than its size times the text's")
    func patterns() throws {
        func matches(_ pattern: String, _ text: String) -> Bool? {
            TextPattern(ByteText(pattern))?.matches(ByteText(text))
        }
        #expect(matches("rack-[1-3]", "rack-2") == true)
        #expect(matches("rack-[1-3]", "rack-22") == false)
        #expect(matches("rack-[^1-3]+", "rack-abc") == true)
        #expect(matches("(a|bc)*d?", "abcabcd") == true)
        #expect(matches("^a{2,3}$", "aaaa") == false && matches("^a{2,3}$", "aaa") == true)
        #expect(matches(".*\\.example\\.com", "h1.example.com") == true)
        #expect(matches(".*\\.example\\.com", "h1-example.com") == false)
        #expect(matches("\\w+-\\d+", "node-17") == true)
        #expect(matches("", "") == true && matches("", "x") == false)
        for bad in ["(", ")", "[a", "*", "a{3,2}", "a{999}", "\\", "(?=a)", "\\1", "a**"] {
            #expect(TextPattern(ByteText(bad)) == nil, "\(bad)")
        }
        // What backtracking would never finish.
        #expect(matches("(a*)*b", String(repeating: "a", count: 2_000)) == false)
        #expect(TextPattern(ByteText("((a{200}){200}){200}")) == nil)
    }
}
