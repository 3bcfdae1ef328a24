import API
import ControlPlane
import Foundation
import StateMachine
import Testing

@Suite("Mesos HTTP: schedulers")
struct MesosCycleTests {
    @Test(
        "a task is offered, launched, told of, acknowledged, killed, and its framework torn down",
        arguments: [MesosMessage.Encoding.json, .protobuf])
    func cycle(_ encoding: MesosMessage.Encoding) async throws {
        try await ServedDatacenter.run { served in
            let scheduler = try WireScheduler(port: served.port, encoding)
            try scheduler.subscribed()
            let offer = try #require(try scheduler.event(.offers).offers.offers.first)
            #expect(offer.hostname == "h0")
            #expect(offer.agentID.value == "agent-h0")
            #expect(offer.attributes.map(\.name) == ["rack"])
            #expect(offer.url.address.port == 5051)
            #expect(offer.resources.map(\.name) == ["cpus", "mem"])
            #expect(offer.resources.map(\.role) == ["*", "*"])
            #expect(offer.resources.map(\.scalar.value) == [4, 4_096])
            let task = WireScheduler.task("t1", on: offer.agentID)
            #expect(try scheduler.launch([task], on: offer).status == 202)
            let running = try scheduler.update()
            #expect(running.state == .taskRunning)
            #expect(running.taskID.value == "t1")
            #expect(running.agentID == offer.agentID)
            #expect(running.uuid.count == 16)
            #expect(running.source == .executor)
            #expect(running.containerStatus.containerID.value == "c-t1")
            #expect(try scheduler.acknowledge(running).status == 202)
            let reconciled = try {
                #expect(try scheduler.call(.reconcile) { $0.reconcile = .init() }.status == 202)
                return try scheduler.update()
            }()
            #expect(reconciled.state == .taskRunning)
            #expect(reconciled.reason == .reconciliation)
            #expect(!reconciled.hasUuid)
            let kill = try scheduler.call(.kill) {
                $0.kill.taskID = task.taskID
                $0.kill.agentID = offer.agentID
            }
            #expect(kill.status == 202)
            let killed = try scheduler.update()
            #expect(killed.state == .taskKilled)
            #expect(try scheduler.acknowledge(killed).status == 202)
            #expect(try scheduler.call(.teardown).status == 202)
            #expect(try scheduler.event(.error).error.message == "Framework has been removed")
            #expect(try scheduler.stream.isClosed())
            let table = try served.onLoop { served.datacenter.table }
            table.checkInvariants()
            #expect(table.frameworks.values.allSatisfy { $0.record.phase == .ended })
            #expect(table.agents.values.allSatisfy { $0.used.isEmpty })
        }
    }

    @Test("tasks that cannot be are told so one by one, and the others run")
    func invalidTasks() async throws {
        try await ServedDatacenter.run { served in
            let scheduler = try WireScheduler(port: served.port)
            try scheduler.subscribed()
            let offer = try #require(try scheduler.event(.offers).offers.offers.first)
            var noResources = WireScheduler.task("none", on: offer.agentID)
            noResources.resources = []
            var negative = WireScheduler.task("negative", on: offer.agentID)
            negative.resources[0].scalar.value = -1
            var both = WireScheduler.task("both", on: offer.agentID)
            both.executor.executorID.value = "e"
            var elsewhere = WireScheduler.task("elsewhere", on: offer.agentID)
            elsewhere.agentID.value = "other"
            let bad = [
                noResources, negative, both, elsewhere,
                WireScheduler.task("a/b", on: offer.agentID),
                WireScheduler.task("huge", on: offer.agentID, cpus: 100),
            ]
            let good = WireScheduler.task("good", on: offer.agentID)
            #expect(try scheduler.launch(bad + [good], on: offer).status == 202)
            var states: [String: MesosTaskState] = [:]
            for _ in 0..<7 {
                let status = try scheduler.update()
                states[status.taskID.value] = status.state
                if status.state == .taskError { #expect(status.reason == .taskInvalid) }
            }
            #expect(states["good"] == .taskRunning)
            for task in bad { #expect(states[task.taskID.value] == .taskError) }
            // What was offered is used up.
            let again = WireScheduler.task("again", on: offer.agentID)
            #expect(try scheduler.launch([again], on: offer).status == 202)
            let lost = try scheduler.update()
            #expect(lost.taskID.value == "again")
            #expect(lost.state == .taskLost)
            #expect(lost.reason == .invalidOffers)
        }
    }

    @Test("a second SUBSCRIBE of a framework ends the first, and is told what was not acknowledged")
    func failover() async throws {
        try await ServedDatacenter.run { served in
            let first = try WireScheduler(port: served.port)
            let id = try first.subscribed()
            let offer = try #require(try first.event(.offers).offers.offers.first)
            #expect(
                try first.launch([WireScheduler.task("t", on: offer.agentID)], on: offer).status
                    == 202)
            let running = try first.update()
            let second = try WireScheduler(port: served.port, .protobuf, id: id)
            #expect(try second.subscribed() == id)
            #expect(try first.event(.error).error.message == "Framework failed over")
            #expect(try first.stream.isClosed())
            let again = try second.update()
            #expect(again.uuid == running.uuid)
            #expect(try second.acknowledge(again).status == 202)
            #expect(try first.call(.revive).status == 400)
        }
    }

    @Test("nobody subscribes as the framework of the services")
    func ownID() async throws {
        try await ServedDatacenter.run { served in
            let scheduler = try WireScheduler(port: served.port, id: "marathon")
            let told = try scheduler.event(.error).error.message
            #expect(told.contains("'marathon' is the services' own"))
            #expect(try scheduler.stream.isClosed())
            #expect(try served.onLoop { served.datacenter.table.frameworks.isEmpty })
        }
    }

    @Test("a framework whose connection goes keeps its tasks, and is disconnected")
    func disconnected() async throws {
        try await ServedDatacenter.run { served in
            var scheduler: WireScheduler? = try WireScheduler(port: served.port)
            let id = FrameworkID(try #require(try scheduler?.subscribed()))
            scheduler = nil
            let deadline = ContinuousClock.now + .seconds(10)
            while try served.onLoop({ served.datacenter.table.frameworks[id]?.record.phase })
                == .connected
            {
                guard ContinuousClock.now < deadline else { break }
            }
            let phase = try served.onLoop {
                served.datacenter.table.frameworks[id]?.record.phase
            }
            #expect(phase == .disconnected)
        }
    }

    @Test("a scheduler that does not read is cut off, and others do not feel it")
    func slowReader() async throws {
        try await ServedDatacenter.run({ $0.streamBytesMax = 2_000_000 }) { served in
            let slow = try WireScheduler(port: served.port, receiveBytes: 4_096)
            try slow.subscribed()
            let other = try WireScheduler(port: served.port)
            try other.subscribed()
            var rounds = 0
            while try Self.reconcile(slow) == 202 {
                rounds += 1
                try #require(rounds < 1_000)
            }
            #expect(try slow.stream.isClosed())
            let id = FrameworkID(slow.frameworkID)
            let phase = try served.onLoop {
                served.datacenter.table.frameworks[id]?.record.phase
            }
            #expect(phase == .disconnected)
            // Who reads is told as much, and more.
            for _ in 0...rounds {
                #expect(try Self.reconcile(other) == 202)
                for _ in 0..<500 { _ = try other.update() }
            }
        }
    }

    private static func reconcile(_ scheduler: WireScheduler) throws -> Int {
        try scheduler.call(.reconcile) { call in
            call.reconcile.tasks = (0..<500).map { number in
                var task = MesosSchedulerCall.Reconcile.Task()
                task.taskID.value = "unknown-\(number)"
                return task
            }
        }.status
    }

    @Test("what a framework may not be is told in an ERROR event, as Mesos does")
    func invalidFramework() async throws {
        try await ServedDatacenter.run { served in
            let scheduler = try WireScheduler(port: served.port) { $0.role = "a//b" }
            #expect(scheduler.head.status == 200)
            let error = try scheduler.event(.error)
            #expect(error.error.message.contains("two adjacent slashes"))
            #expect(try scheduler.stream.isClosed())
        }
    }
}
