import API
import ControlPlane
import Foundation
import NIOCore
import RPC
import Scheduling
import StateMachine
import SwiftProtobuf
import Testing

@Suite("The agents' service: what it takes, and what it refuses by name")
struct AgentServiceTests {
    @Test("a registration reaches the master as it was meant, and its answer the agent")
    func registration() async throws {
        try await RecordingDatacenter.run { facade in
            let session = try await facade.open()
            try await session.send(registering())
            #expect(try await facade.eventually { $0.inputs.count == 1 })
            guard case .registers(let taken) = try await facade.onLoop({ $0.inputs[0] }) else {
                Issue.record("no registration")
                return
            }
            #expect(taken.id.isEmpty)
            #expect(taken.newID.isValid)
            #expect(taken.total.cpus == 1000)
            #expect(taken.incarnation == 7)
            #expect(taken.url == Array("http://h1:5051".utf8))
            try await facade.onLoop { $0.say(.registered(AgentID("A-1"), session: 9)) }
            try await facade.onLoop { facade in
                facade.say(
                    .acknowledge(
                        TaskKey(FrameworkID("F"), TaskID("t")), sequence: 4,
                        uuid: Array(repeating: 1, count: 16)))
                facade.say(nil)
            }
            let (status, messages) = try await session.end()
            #expect(status.code == .unavailable)
            #expect(messages.map(\.term) == [3, 3])
            #expect(messages.first?.registered.agentID == "A-1")
            #expect(messages.first?.registered.session == 9)
            #expect(messages.first?.registered.heartbeatMilliseconds == 2500)
            #expect(messages.last?.acknowledge.task.sequence == 4)
            #expect(try await facade.eventually { $0.inputs.last == .disconnected })
        }
    }

    @Test("registrations that make no sense are refused for good, and reach nobody")
    func badRegistrations() async throws {
        let changes: [(String, @Sendable (inout WireRegister) -> Void)] = [
            ("agent id", { $0.agentID = "../x" }),
            ("agent id", { $0.agentID = String(repeating: "x", count: 256) }),
            ("incarnation", { $0.incarnation = 0 }),
            ("agent information", { $0.agentInfo = Data([0xFF]) }),
            ("agent information", { $0.agentInfo = Data() }),
            ("too large", { $0.agentInfo = Data(count: (1 << 20) + 1) }),
            ("resources", { $0.resources = "" }),
            ("resources", { $0.resources = "cpus" }),
            ("resources", { $0.resources = "cpus:-1" }),
            ("URL", { $0.url = "javascript:x" }),
            ("URL", { $0.url = "http://a b" }),
            ("version", { $0.version = String(repeating: "1", count: 65) }),
            (
                "task state",
                {
                    $0.tasks = [
                        .with {
                            $0.frameworkID = "F"; $0.taskID = "t"; $0.state = 99
                        }
                    ]
                }
            ),
            (
                "task state",
                {
                    $0.tasks = [
                        .with {
                            $0.frameworkID = "F"; $0.taskID = "t"; $0.state = 10
                        }
                    ]
                }
            ),
            ("task id", { $0.tasks = [.with { $0.frameworkID = "F" }] }),
        ]
        try await RecordingDatacenter.run { facade in
            for (word, change) in changes {
                let session = try await facade.open()
                try await session.send(registering(change))
                let (status, messages) = try await session.end()
                #expect(status.isOK)
                #expect(messages.count == 1)
                #expect(messages.first?.refused.final == true)
                #expect(
                    messages.first?.refused.reason.contains(word) == true,
                    "\(word): \(messages.first?.refused.reason ?? "")")
            }
            #expect(try await facade.onLoop { $0.inputs }.isEmpty)
        }
    }

    @Test("garbage, a first message that is no registration, and a second one end the session")
    func garbage() async throws {
        try await RecordingDatacenter.run { facade in
            for bytes in [[0xFF, 0xFF], [], [0x0A]] as [[UInt8]] {
                let session = try await facade.open()
                try await session.send(bytes)
                let (status, _) = try await session.end()
                #expect(status.code == .invalidArgument)
            }
            let early = try await facade.open()
            try await early.send(WireAgentMessage.with { $0.heartbeat = .init() })
            #expect(try await early.end().0.code == .invalidArgument)
            #expect(try await facade.onLoop { $0.connections } == 0)
            let twice = try await facade.open()
            try await twice.send(registering())
            try await twice.send(registering())
            #expect(try await twice.end().0.code == .invalidArgument)
            #expect(try await facade.onLoop { $0.inputs.last } == .disconnected)
        }
    }

    @Test("statuses that contradict themselves end the session, and none of theirs is taken")
    func badStatuses() async throws {
        var told = MesosTaskStatus()
        told.taskID.value = "t"
        told.state = .taskRunning
        told.uuid = Data(repeating: 5, count: 16)
        var good = WireStatus()
        good.frameworkID = "F"
        good.taskID = "t"
        good.sequence = 1
        good.uuid = told.uuid
        good.state = 1
        good.status = try told.serializedBytes()
        let changes: [@Sendable (inout WireStatus) -> Void] = [
            { $0.uuid = Data([1]) }, { $0.state = 2 }, { $0.state = 13 }, { $0.taskID = "u" },
            { $0.status = Data([0xFF]) }, { $0.frameworkID = "a/b" },
            { $0.status = Data(count: (64 << 10) + 1) },
        ]
        try await RecordingDatacenter.run { facade in
            for change in changes {
                let session = try await facade.open()
                try await session.send(registering())
                var bad = good
                change(&bad)
                var message = WireAgentMessage()
                message.statuses.statuses = [good, bad]
                try await session.send(message)
                #expect(try await session.end().0.code == .invalidArgument)
            }
            let session = try await facade.open()
            try await session.send(registering())
            var message = WireAgentMessage()
            message.statuses.statuses = [good]
            try await session.send(message)
            #expect(
                try await facade.eventually { facade in
                    if case .reports(let reports)? = facade.inputs.last {
                        reports.count == 1
                    } else {
                        false
                    }
                })
            let reports = try await facade.onLoop { facade in
                facade.inputs.filter { if case .reports = $0 { true } else { false } }.count
            }
            #expect(reports == 1)
            try await session.cancel()
        }
    }

    @Test("where this node is not the master an agent is sent on, or told that nobody is")
    func elsewhere() async throws {
        try await RecordingDatacenter.run { facade in
            for (leadership, urls) in [
                (MasterLeadership.following(url: ""), ["http://l:2379"]), (.unknown, []),
            ] {
                try await facade.onLoop { facade in
                    facade.leadership = leadership
                    facade.leaderURLs = urls
                }
                let session = try await facade.open()
                try await session.send(registering())
                let (status, messages) = try await session.end()
                #expect(status.isOK)
                #expect(messages.first?.redirect.clientUrls == urls)
                #expect((messages.first?.refused.reason.isEmpty == false) == urls.isEmpty)
                #expect(messages.first?.refused.final == false)
            }
            #expect(try await facade.onLoop { $0.connections } == 0)
        }
    }

    @Test("an agent that has heard of a later term is not taken by an earlier master")
    func laterTerm() async throws {
        try await RecordingDatacenter.run { facade in
            let session = try await facade.open()
            try await session.send(registering { $0.highestTerm = 4 })
            let (_, messages) = try await session.end()
            #expect(messages.first?.refused.reason.contains("term 4") == true)
            #expect(messages.first?.refused.final == false)
            #expect(try await facade.onLoop { $0.connections } == 0)
        }
    }

    @Test("who may not be an agent learns so before anything is read")
    func unauthorized() async throws {
        let refusal = RPCStatus(.permissionDenied, "etcdserver: permission denied")
        try await RecordingDatacenter.run(refusal: refusal) { facade in
            let session = try await facade.open()
            try await session.send(registering())
            #expect(try await session.end().0 == refusal)
            #expect(try await facade.onLoop { $0.connections } == 0)
        }
    }

    @Test("an agent that is silent is disconnected, one that beats is not")
    func silence() async throws {
        var settings = AgentService.Settings()
        settings.silenceMilliseconds = 2_000
        try await RecordingDatacenter.run(settings: settings) { facade in
            let mute = try await facade.open()
            let beating = try await facade.open()
            try await beating.send(registering())
            let isBeating = Task {
                for _ in 0..<30 {
                    try await beating.send(WireAgentMessage.with { $0.heartbeat = .init() })
                    try await facade.eventLoop.scheduleTask(in: .milliseconds(100)) {}
                        .futureResult.get()
                }
            }
            #expect(try await mute.end().0.code == .deadlineExceeded)
            try await isBeating.value
            let beats = try await facade.onLoop { facade in
                facade.inputs.filter { $0 == .heartbeat }.count
            }
            #expect(beats >= 29)
            #expect(try await beating.end().0.code == .deadlineExceeded)
            #expect(try await facade.eventually { $0.inputs.last == .disconnected })
        }
    }

    @Test("an agent that does not read its orders is disconnected")
    func slowAgent() async throws {
        var settings = AgentService.Settings()
        settings.sendBytesMax = 1 << 20
        try await RecordingDatacenter.run(settings: settings) { facade in
            let session = try await facade.open()
            try await session.send(registering())
            #expect(try await facade.eventually { $0.inputs.count == 1 })
            try await session.pause()
            try await facade.onLoop { facade in
                facade.say(.registered(AgentID("A"), session: 1))
                let key = ExecutorKey(AgentID("A"), FrameworkID("F"), ExecutorID("e"))
                for _ in 0..<64 {
                    facade.say(.message(key, [UInt8](repeating: 1, count: 256 << 10)))
                }
            }
            #expect(try await facade.eventually { $0.inputs.last == .disconnected })
            try await session.cancel()
        }
    }
}
