import ControlPlane
import StateMachine
import Testing

@Suite("Marathon's apps: JSON to definitions and back")
struct MarathonAppTests {
    private func decode(_ text: String) throws -> ServiceDefinition {
        try MarathonAppDecoder.decode(try MarathonJSON.of(text))
    }

    private func problems(_ text: String) -> [String] {
        do {
            _ = try decode(text)
            return []
        } catch let refusal as MarathonRefusal {
            return refusal.details.map(\.path)
        } catch {
            return ["\(error)"]
        }
    }

    @Test("what is not said has Marathon's default")
    func defaults() throws {
        let app = try decode(#"{"id": "web", "cmd": "sleep 1"}"#)
        #expect(app.id == "/web" && app.command == "sleep 1")
        #expect(app.cpus == 1_000 && app.mem == 128_000 && app.disk == 0 && app.instances == 1)
        #expect(app.backoffMilliseconds == 1_000 && app.backoffFactor == 1_150)
        #expect(app.backoffMaxMilliseconds == 300_000)
        #expect(app.minimumHealthCapacity == 1_000 && app.maximumOverCapacity == 1_000)
        #expect(app.killSelection == .youngestFirst && app.role == "*")
        #expect(app.unreachable == .replaced(inactiveAfter: 0, expungeAfter: 0))
        #expect(app.ports == [ServiceDefinition.Port(0)])
        let checked = try decode(
            #"{"id": "/a", "cmd": "x", "healthChecks": [{"protocol": "HTTP"}]}"#)
        let check = try #require(checked.healthChecks.first)
        #expect(check.graceMilliseconds == 300_000 && check.intervalMilliseconds == 60_000)
        #expect(check.timeoutMilliseconds == 20_000 && check.failuresMax == 3)
    }

    @Test("what the client of PyPI sends is understood, and comes back as it was")
    func roundTrip() throws {
        let sent = """
            {"id": "//prod/web", "cmd": "serve", "cpus": 0.1, "mem": 16, "instances": 3,
             "constraints": [["hostname", "UNIQUE"], ["rack", "MAX_PER", "2"]],
             "env": {"A": "1", "B": "x\\u00e9\\n"}, "labels": {"team": "core"},
             "healthChecks": [{"protocol": "MESOS_HTTP", "path": "/ok", "portIndex": 0,
               "gracePeriodSeconds": 3, "intervalSeconds": 1.5, "timeoutSeconds": 2,
               "maxConsecutiveFailures": 2}],
             "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.2},
             "unreachableStrategy": {"inactiveAfterSeconds": 60, "expungeAfterSeconds": 120},
             "portDefinitions": [{"port": 0, "name": "http", "protocol": "tcp", "labels": {}}],
             "uris": ["http://h/a.tgz"], "killSelection": "OLDEST_FIRST", "user": "nobody",
             "dependencies": ["../db", "/cache"], "backoffFactor": 2, "requirePorts": false,
             "taskKillGracePeriodSeconds": 5, "acceptedResourceRoles": ["*"]}
            """
        let app = try decode(sent)
        #expect(app.id == "/prod/web" && app.cpus == 100)
        #expect(app.dependencies == ["/db", "/cache"])
        #expect(app.environment.last?.value == "xé\n")
        #expect(app.healthChecks[0].intervalMilliseconds == 1_500)
        let json = MarathonAppEncoder.encode(app)
        #expect(try MarathonAppDecoder.decode(json) == app)
        #expect(try MarathonAppDecoder.decode(try MarathonJSON.of(json.string)) == app)
        #expect(json["cpus"] == .decimal(0.1) && json["mem"] == 16)
        #expect(json["constraints", "1"] == ["rack", "MAX_PER", "2"])
        #expect(json["healthChecks", "0", "protocol"] == "MESOS_HTTP")
        #expect(json["args"] == .null)
    }

    @Test("no field is sent that clients of Marathon 1.10 refuse")
    func strictClients() throws {
        let known: Set<String> = [
            "acceptedResourceRoles", "args", "backoffFactor", "backoffSeconds", "cmd",
            "constraints", "container", "cpus", "dependencies", "deployments", "disk", "env",
            "executor", "healthChecks", "id", "role", "instances", "killSelection", "labels",
            "lastTaskFailure", "maxLaunchDelaySeconds", "mem", "ports", "requirePorts",
            "storeUrls", "taskRateLimit", "tasks", "tasksRunning", "tasksStaged", "tasksHealthy",
            "taskKillGracePeriodSeconds", "tasksUnhealthy", "upgradeStrategy",
            "unreachableStrategy", "uris", "user", "version", "versionInfo", "ipAddress", "fetch",
            "taskStats", "readinessChecks", "readinessCheckResults", "secrets",
            "portDefinitions", "residency", "gpus", "networks",
        ]
        let store = MarathonStore()
        store.finish(
            try store.create(#"{"id": "/web", "cmd": "x", "taskKillGracePeriodSeconds": 1}"#))
        let instance = try store.run("/web", "cpus:1;ports:[31000-31000]")
        store.report(instance, .failed, [])
        guard case .object(let members)? = store.view.app("/web", withTasks: true) else {
            Issue.record("no app")
            return
        }
        #expect(Set(members.map(\.name)).isSubset(of: known))
        #expect(Set(members.map(\.name)).count == members.count)
    }

    @Test("what cannot be is said field by field, with its path")
    func problemPaths() {
        #expect(problems(#"{"id": "/a", "cmd": "x", "instances": -1}"#) == ["/instances"])
        #expect(
            problems(#"{"id": "/a", "cmd": "x", "cpus": "1", "mem": -2}"#) == ["/cpus", "/mem"])
        #expect(problems(#"{"id": "/a"}"#) == [""])
        #expect(problems(#"{"cmd": "x"}"#) == ["/id"])
        #expect(problems(#"{"id": "/A_b", "cmd": "x"}"#) == ["/id"])
        #expect(problems(#"{"id": "/a", "cmd": "x", "args": ["y"]}"#) == ["/"])
        #expect(
            problems(#"{"id": "/a", "cmd": "x", "constraints": [["h", "NEAR"], ["h"], 3]}"#)
                == ["/constraints(0)", "/constraints(1)", "/constraints(2)"])
        #expect(problems(#"{"id": "/a", "cmd": "x", "ports": [80, 70000]}"#) == ["/ports(1)"])
        #expect(
            problems(#"{"id": "/a", "cmd": "x", "portDefinitions": [{"port": 99999}]}"#)
                == ["/portDefinitions(0)/port"])
        #expect(
            problems(#"{"id": "/a", "cmd": "x", "healthChecks": [{"protocol": "SMTP"}]}"#)
                == ["/healthChecks(0)/protocol"])
        #expect(
            problems(#"{"id": "/a", "cmd": "x", "container": {"type": "DOCKER"}}"#)
                == ["/container"])
        #expect(
            problems(#"{"id": "/a", "cmd": "x", "networks": [{"mode": "container"}]}"#)
                == ["/networks(0)/mode"])
        #expect(
            problems(#"{"id": "/a", "cmd": "x", "dependencies": ["/a"]}"#) == ["/dependencies(0)"])
        #expect(problems(#"[]"#).isEmpty == false)
    }

    @Test("an update changes what it says, and cmd and args take each other's place")
    func partial() throws {
        var base = try decode(#"{"id": "/a", "cmd": "x", "instances": 4, "env": {"A": "1"}}"#)
        func update(_ text: String) throws -> ServiceDefinition {
            try MarathonAppDecoder.decode(try MarathonJSON.of(text), id: "/a", over: base)
        }
        let scaled = try update(#"{"instances": 2}"#)
        base.instances = 2
        #expect(scaled == base)
        let other = try update(#"{"args": ["a", "b"]}"#)
        #expect(other.command == nil && other.arguments == ["a", "b"])
        base = other
        #expect(try update(#"{"cmd": "y"}"#).arguments == nil)
        #expect(throws: MarathonRefusal.self) { try update(#"{"id": "/b"}"#) }
    }

    @Test("any bytes are JSON or an error with its place")
    func json() throws {
        for bad in [
            "", "{", "[1,", "{\"a\" 1}", "\"\u{1}\"", "\"\\x\"", "01x", "nul", "[1] 2", "-", "+1",
            "\"\\ud800\"", "{1:2}", "1e999",
        ] {
            #expect(throws: MarathonJSONParser.Problem.self, "\(bad)") {
                try MarathonJSON.of(bad)
            }
        }
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: MarathonJSONParser.Problem.self) { try MarathonJSON.of(deep) }
        #expect(throws: MarathonJSONParser.Problem.self) {
            try MarathonJSONParser.parse([0x22, 0xFF, 0x22])
        }
        #expect(try MarathonJSON.of(#" {"a":[1,-2.5,true,null,"\ud83d\ude00"]} "#)["a", "4"] == "😀")
        let text = #"{"a":"\"\\\n","b":[]}"#
        #expect(try MarathonJSON.of(text).string == text)
    }
}
