import API
import Agent
import AgentLogic
import Foundation
import KeelsonClient
import SwiftProtobuf
import Testing

@Suite("An agent's session: where it dials, and what its messages mean")
struct SessionValueTests {
    private func endpoints(_ count: Int) -> [Endpoint] {
        (0..<count).map { Endpoint(host: "h\($0)", port: 2379) }
    }

    @Test("every endpoint is tried once without a pause, then pauses double up to their limit")
    func rounds() {
        var plan = DialPlan(endpoints: endpoints(3), seed: 1)
        let settings = DialPlan.Settings()
        var pause = settings.pauseMin
        for round in 0..<12 {
            var hosts: Set<String> = []
            for place in 0..<3 {
                let (endpoint, wait) = plan.next()
                hosts.insert(endpoint.host)
                if place > 0 || round == 0 {
                    #expect(wait == 0)
                } else {
                    #expect((pause / 2...pause).contains(wait), "round \(round)")
                    pause = min(pause * 2, settings.pauseMax)
                }
            }
            #expect(hosts.count == 3)
        }
    }

    @Test("a redirection is followed at once, and a ring of them ends")
    func redirects() {
        var plan = DialPlan(endpoints: endpoints(1), seed: 2)
        _ = plan.next()
        var followed = 0
        for _ in 0..<100 {
            plan.redirected(to: [Endpoint(host: "leader", port: 1)])
            let (endpoint, wait) = plan.next()
            if wait > 0 { break }
            #expect(endpoint.host == "leader")
            followed += 1
        }
        #expect((1...8).contains(followed))
    }

    @Test("agents whose master is gone do not come back in one moment")
    func spread() {
        var waits: Set<UInt64> = []
        for seed in 0..<100 {
            var plan = DialPlan(endpoints: endpoints(3), seed: UInt64(seed))
            _ = plan.next()
            plan.registered()
            plan.lost()
            let wait = plan.next().afterMillis
            #expect(wait <= DialPlan.Settings().spreadMax)
            waits.insert(wait)
        }
        #expect(waits.count > 50)
    }

    private func launch(_ change: (inout MesosTaskInfo) -> Void) throws -> WireLaunchTask {
        var framework = MesosFrameworkInfo()
        framework.user = ""
        framework.name = "f"
        var info = MesosTaskInfo()
        info.name = "n"
        info.taskID.value = "t"
        info.agentID.value = "a"
        info.command.value = "true"
        change(&info)
        var task = WireLaunchTask()
        task.sequence = 1
        task.frameworkID = "F"
        task.frameworkInfo = try framework.serializedBytes()
        task.taskInfo = try info.serializedBytes()
        return task
    }

    @Test("a task's description is taken over, part by part")
    func translation() throws {
        let spec = try TaskTranslation.spec(
            launch { info in
                info.command.shell = false
                info.command.value = "/bin/echo"
                info.command.arguments = ["echo", "a b"]
                var uri = MesosCommandInfo.URI()
                uri.value = "file:///x/y.tar"
                uri.extract = false
                uri.executable = true
                info.command.uris = [uri]
                var cpus = MesosResource()
                cpus.name = "cpus"
                cpus.type = .scalar
                cpus.scalar.value = 0.25
                var memory = cpus
                memory.name = "mem"
                memory.scalar.value = 1.5
                var ports = MesosResource()
                ports.name = "ports"
                ports.type = .ranges
                var range = MesosValue.Range()
                range.begin = 31000
                range.end = 31001
                ports.ranges.range = [range]
                info.resources = [cpus, memory, ports]
                info.killPolicy.gracePeriod.nanoseconds = 1_500_000_000
                info.healthCheck.type = .http
                info.healthCheck.http.port = 31000
                info.healthCheck.http.path = "/ok"
                info.healthCheck.intervalSeconds = 0.5
            })
        #expect(spec.command == .program("/bin/echo", arguments: ["echo", "a b"]))
        #expect(spec.uris.first?.isExecutable == true && spec.uris.first?.extracts == false)
        #expect(spec.resources.cpuMillis == 250)
        #expect(spec.resources.memoryBytes == 3 << 19)
        #expect(spec.resources.ports == [PortRange(31000, 31001)])
        #expect(spec.killGraceMillis == 1500)
        #expect(spec.healthCheck?.probe == .http(port: 31000, path: "/ok"))
        #expect(spec.healthCheck?.timing.interval == 500)
        #expect(spec.healthCheck?.timing.timeout == 20_000)
        #expect(!spec.reportsKilling)
    }

    @Test("numbers that are none and parts that are missing are refused by name")
    func refusals() throws {
        let changes: [(inout MesosTaskInfo) -> Void] = [
            { $0.clearCommand() },
            { $0.taskID.value = "../x" },
            { $0.healthCheck.delaySeconds = .nan },
            { $0.healthCheck.type = .tcp },
            {
                $0.healthCheck.tcp.port = 70_000
                $0.healthCheck.type = .tcp
            },
            { $0.killPolicy.gracePeriod.nanoseconds = -1 },
            { $0.limits["mem"] = .with { $0.value = -.infinity } },
            { $0.executor.executorID.value = "e" },
            { $0.maxCompletionTime.nanoseconds = 1 },
        ]
        for (place, change) in changes.enumerated() {
            let task = try launch { info in
                change(&info)
                if info.hasHealthCheck, !info.healthCheck.hasType {
                    info.healthCheck.type = .command
                    info.healthCheck.command.value = "true"
                }
            }
            #expect(throws: AgentError.self, "\(place)") { try TaskTranslation.spec(task) }
        }
        var garbage = try launch { _ in }
        garbage.taskInfo = Data([0xFF, 0xFF])
        #expect(throws: AgentError.self) { try TaskTranslation.spec(garbage) }
    }

    @Test("attributes are read as Mesos writes them")
    func attributes() throws {
        let list = try AgentAttribute.list("rack:r1; load:0.5;ports:[1-2,5-5];zones:{a,b}")
        #expect(list.map(\.name) == ["rack", "load", "ports", "zones"])
        #expect(list[0].value == .text("r1"))
        #expect(list[1].value == .scalar(0.5))
        #expect(list[2].value == .ranges([1...2, 5...5]))
        #expect(list[3].value == .items(["a", "b"]))
        for text in ["rack", ":x", "rack:", "p:[1-2", "p:[2-1]", "p:[x-y]", "z:{a"] {
            #expect(throws: AgentError.self, "\(text)") { try AgentAttribute.list(text) }
        }
    }
}
