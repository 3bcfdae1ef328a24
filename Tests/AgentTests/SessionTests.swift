import API
import Agent
import Foundation
import KeelsonClient
import NIOCore
import Scheduling
import StateMachine
import SwiftProtobuf
import Testing

@Suite("An agent's session over real sockets: tasks, statuses, failovers", .serialized)
struct SessionTests {
    let folder = Result { try TemporaryFolder() }

    private func run(
        _ body: (SessionCluster, SessionSite) async throws -> Void
    ) async throws {
        let cluster = try await SessionCluster.start()
        try await cluster.onLoop { try $0.addFramework() }
        let site = try SessionSite(try folder.get().path, [cluster.url])
        #expect(try await site.eventually { $0.isRegistered }, "\(site.said)")
        do {
            try await body(cluster, site)
        } catch {
            Issue.record("\(site.said)")
            try await site.stop()
            try await cluster.stop()
            throw error
        }
        try await site.stop()
        try await cluster.stop()
    }

    @Test("a command is launched, runs as a process, and its statuses become records")
    func echo() async throws {
        try await run { cluster, site in
            try await cluster.onLoop { cluster in
                try cluster.launch("echo", "echo hello $GREETING") { info in
                    var variable = MesosEnvironment.Variable()
                    variable.name = "GREETING"
                    variable.value = "world"
                    info.command.environment.variables = [variable]
                }
            }
            #expect(try await cluster.eventually { $0.state("echo") == "finished" })
            #expect(try await site.output("echo") == "hello world\n")
            let record = try await cluster.onLoop { $0.record("echo") }
            #expect(
                record?.steps.map { "\($0.state)" } == [
                    "staging", "starting", "running", "finished",
                ])
            let status = try #require(try await cluster.onLoop { $0.lastStatus("echo") })
            #expect(status.state == .taskFinished)
            #expect(status.source == .executor)
            #expect(status.uuid.count == 16)
            #expect(status.agentID.value == record?.agent.description)
            #expect(status.message == "exited with status 0")
            #expect(abs(status.timestamp - Date().timeIntervalSince1970) < 60)
        }
    }

    @Test("a status is acknowledged only after it was committed, and is kept until then")
    func committedFirst() async throws {
        try await run { cluster, site in
            try await cluster.onLoop { try $0.launch("brief", "exit 3") }
            #expect(try await cluster.eventually { $0.state("brief") == "failed" })
            try await cluster.onLoop { cluster in
                try cluster.launch("held", "exit 4")
                cluster.hold(true)
            }
            #expect(try await cluster.eventually { $0.reports["held"] != nil })
            let pending = try await site.onLoop { session in
                try #require(session.tasks).registration.records.last?.pending.count ?? 0
            }
            #expect(pending > 0, "nothing was decided yet")
            try await cluster.onLoop { $0.hold(false) }
            #expect(try await cluster.eventually { $0.state("held") == "failed" })
            let isSettled = try await site.eventually { session in
                session.tasks?.registration.records.allSatisfy { $0.isSettled } ?? false
            }
            #expect(isSettled)
            let events = try await cluster.onLoop { $0.events }
            for name in ["brief", "held"] {
                var committed: Set<[UInt8]> = []
                var acknowledged: Set<[UInt8]> = []
                for event in events {
                    if case .committed(name, _, let uuid) = event { committed.insert(uuid) }
                    if case .acknowledged(name, let uuid) = event {
                        #expect(committed.contains(uuid), "\(events)")
                        acknowledged.insert(uuid)
                    }
                }
                #expect(acknowledged.count == 3)
            }
        }
    }

    @Test("a task that is to be killed is killed, with the grace of its own description")
    func kill() async throws {
        try await run { cluster, site in
            try await cluster.onLoop { try $0.launch("sleeper", "sleep 1000") }
            #expect(try await cluster.eventually { $0.state("sleeper") == "running" })
            let pid = try await site.pid("sleeper")
            #expect(isAlive(pid))
            try await cluster.onLoop { $0.kill("sleeper", graceMilliseconds: 100) }
            #expect(try await cluster.eventually { $0.state("sleeper") == "killed" })
            #expect(!isAlive(pid))
        }
    }

    @Test("a session that is lost comes back, and the task never noticed")
    func reconnect() async throws {
        try await run { cluster, site in
            try await cluster.onLoop { try $0.launch("long", "sleep 1000") }
            #expect(try await cluster.eventually { $0.state("long") == "running" })
            let isSettled = try await site.eventually { session in
                session.tasks?.registration.records.allSatisfy { $0.pending.isEmpty } ?? false
            }
            #expect(isSettled)
            let pid = try await site.pid("long")
            let reports = try await cluster.onLoop { $0.reports["long"] }
            for round in 2...4 {
                try await cluster.onLoop { $0.dropAgents() }
                #expect(
                    try await site.eventually { $0.registrations == round && $0.isRegistered })
            }
            try await cluster.onLoop { try $0.launch("next", "exit 0") }
            #expect(try await cluster.eventually { $0.state("next") == "finished" })
            #expect(isAlive(pid))
            #expect(try await cluster.onLoop { $0.state("long") } == "running")
            let after = try await cluster.onLoop { $0.reports["long"] }
            #expect(after == reports, "nothing is told again that has not changed")
            #expect(try await cluster.onLoop { $0.table.agentIDs.count } == 1)
        }
    }

    @Test("what is launched and what ends while there is no session is settled afterwards")
    func meanwhile() async throws {
        try await run { cluster, site in
            let path = try folder.get().path + "/go"
            try await cluster.onLoop { cluster in
                try cluster.launch("ending", "while [ ! -e \(path) ]; do sleep 0.02; done; exit 5")
            }
            #expect(try await cluster.eventually { $0.state("ending") == "running" })
            try await cluster.onLoop { $0.follow() }
            #expect(FileManager.default.createFile(atPath: path, contents: nil))
            let hasEnded = try await site.eventually { session in
                session.tasks?.registration.records.allSatisfy { $0.state.isTerminal } ?? false
            }
            #expect(hasEnded)
            try await cluster.onLoop { cluster in
                for name in ["z", "y", "x"] { try cluster.launch(name, "exit 0") }
                cluster.lead(term: 2)
            }
            #expect(try await cluster.eventually { $0.state("ending") == "failed" })
            for name in ["z", "y", "x"] {
                #expect(try await cluster.eventually { $0.state(name) == "finished" }, "\(name)")
            }
            #expect(try await site.onLoop { $0.term } == 2)
        }
    }

    @Test("a deposed master's orders have no effect, and its session is given up")
    func deposed() async throws {
        try await run { cluster, site in
            try await cluster.onLoop { try $0.launch("long", "sleep 1000") }
            #expect(try await cluster.eventually { $0.state("long") == "running" })
            try await cluster.onLoop { cluster in
                cluster.follow()
                cluster.lead(term: 5)
            }
            #expect(try await site.eventually { $0.isRegistered && $0.term == 5 })
            let record = try #require(try await cluster.onLoop { $0.record("long") })
            let pid = try await site.pid("long")
            let before = try await site.onLoop { $0.registrations }
            try await cluster.onLoop { cluster in
                cluster.say(
                    .kill(record.key, sequence: record.sequence, graceMilliseconds: 1), term: 4)
            }
            #expect(try await site.eventually { $0.isRegistered && $0.registrations > before })
            #expect(site.said.contains("was deposed"))
            #expect(isAlive(pid))
            try await cluster.onLoop { cluster in
                cluster.follow()
                cluster.lead(term: 4)
            }
            #expect(
                try await site.eventually { _ in site.said.contains("the agent has heard of term 5")
                })
            #expect(try await !site.onLoop { $0.isRegistered })
            #expect(isAlive(pid))
        }
    }

    @Test("an agent that is started again is the same one, and finds its task")
    func restart() async throws {
        let path = try folder.get().path
        let cluster = try await SessionCluster.start()
        try await cluster.onLoop { try $0.addFramework() }
        let first = try SessionSite(path, [cluster.url])
        #expect(try await first.eventually { $0.isRegistered })
        try await cluster.onLoop { try $0.launch("long", "sleep 1000") }
        #expect(try await cluster.eventually { $0.state("long") == "running" })
        let pid = try await first.pid("long")
        try await first.stop()
        #expect(isAlive(pid))
        let second = try SessionSite(path, [cluster.url])
        #expect(try await second.eventually { $0.isRegistered })
        #expect(try await cluster.onLoop { $0.table.agentIDs.count } == 1)
        try await cluster.onLoop { $0.kill("long", graceMilliseconds: 50) }
        #expect(try await cluster.eventually { $0.state("long") == "killed" })
        #expect(!isAlive(pid))
        try await second.stop()
        try await cluster.stop()
    }

    @Test("a node that is not the master says who is, and the agent goes there")
    func redirect() async throws {
        let leader = try await SessionCluster.start()
        let follower = try await SessionCluster.start(leads: false)
        let url = leader.url
        try await follower.onLoop { $0.leaderURLs = ["http://127.0.0.1:1", url] }
        let site = try SessionSite(try folder.get().path, [follower.url])
        #expect(try await site.eventually { $0.isRegistered }, "\(site.said)")
        #expect(try await leader.onLoop { $0.table.agentIDs.count } == 1)
        #expect(try await follower.onLoop { $0.table.agentIDs.count } == 0)
        try await site.stop()
        try await follower.stop()
        try await leader.stop()
    }

    @Test("what the agent cannot do is an error of the task that says so, and no process")
    func impossibleTask() async throws {
        try await run { cluster, site in
            try await cluster.onLoop { cluster in
                try cluster.launch("docker", "true") { info in
                    info.container.type = .docker
                    info.container.docker.image = "busybox"
                }
                try cluster.launch("empty", "")
            }
            #expect(try await cluster.eventually { $0.state("docker") == "error" })
            #expect(try await cluster.eventually { $0.state("empty") == "error" })
            let status = try #require(try await cluster.onLoop { $0.lastStatus("docker") })
            #expect(status.reason == .taskInvalid)
            #expect(status.message.contains("no images"))
            let names = try await site.onLoop { session in
                session.tasks?.registration.records.map { $0.key.task.text } ?? []
            }
            #expect(names == ["empty"])
        }
    }

    @Test("a task of which the agent has lost its record is lost, and one that nobody knows ends")
    func disagreement() async throws {
        let path = try folder.get().path
        let cluster = try await SessionCluster.start()
        try await cluster.onLoop { try $0.addFramework() }
        let first = try SessionSite(path, [cluster.url])
        #expect(try await first.eventually { $0.isRegistered })
        try await cluster.onLoop { try $0.launch("forgotten", "sleep 1000") }
        #expect(try await cluster.eventually { $0.state("forgotten") == "running" })
        let pid = try await first.pid("forgotten")
        try await first.stop()
        let records = try FileManager.default.contentsOfDirectory(atPath: path + "/work/meta/tasks")
        for name in records {
            try FileManager.default.removeItem(atPath: path + "/work/meta/tasks/" + name)
        }
        let second = try SessionSite(path, [cluster.url])
        #expect(try await cluster.eventually { $0.state("forgotten") == "lost" }, "\(second.said)")
        #expect(!isAlive(pid))
        try await second.stop()
        try await cluster.stop()
    }

    @Test("a copied work directory is refused for good, and its agent ends")
    func copiedDirectory() async throws {
        let path = try folder.get().path
        try await run { cluster, site in
            let id = try #require(try await site.onLoop { $0.agentID?.text })
            let other = try SessionSite(path + "/other", [cluster.url])
            #expect(try await other.eventually { $0.isRegistered })
            try await other.stop()
            // The first agent's mark in the other's directory: one id, two directories.
            let manager = FileManager.default
            try manager.removeItem(atPath: path + "/other/work/meta/agent")
            try manager.copyItem(
                atPath: path + "/work/meta/agent", toPath: path + "/other/work/meta/agent")
            let twin = try SessionSite(path + "/other", [cluster.url])
            let end = try await twin.session.end.get()
            guard case .refused(let reason) = end else {
                Issue.record("\(end)")
                return
            }
            #expect(reason.contains(id))
            #expect(try await site.onLoop { $0.isRegistered })
        }
    }
}
