import API
import ControlPlane
import Foundation
import StateMachine
import Testing

@Suite("Mesos HTTP: operators")
struct MesosOperatorTests {
    private static func call(
        _ http: RawHTTP, _ body: String
    ) throws -> (status: Int, response: MesosMasterResponse) {
        let answer = try http.exchange(
            "POST", "/api/v1/operator", headers: ["Content-Type": "application/json"],
            Array(body.utf8))
        let response = try? MesosMessage.decode(
            MesosMasterResponse.self, from: answer.body, as: .json)
        return (answer.status, response ?? .init())
    }

    @Test("every call that reads is answered under its own type")
    func reads() async throws {
        try await ServedDatacenter.run { served in
            let http = try RawHTTP(port: served.port)
            for name in [
                "HEALTH", "FLAGS", "VERSION", "LOGGING_LEVEL", "STATE", "AGENTS", "FRAMEWORKS",
                "EXECUTORS", "OPERATIONS", "TASKS", "ROLES", "WEIGHTS", "MASTER", "QUOTA",
                "MAINTENANCE_STATUS", "MAINTENANCE_SCHEDULE",
            ] {
                let answer = try http.exchange(
                    "POST", "/api/v1", headers: ["Content-Type": "application/json"],
                    Array(#"{"type":"GET_\#(name)"}"#.utf8))
                #expect(answer.status == 200, "\(name): \(answer.text)")
                #expect(answer.text.contains(#""type":"GET_\#(name)""#))
            }
            let metrics = try Self.call(http, #"{"type":"GET_METRICS","get_metrics":{}}"#)
            #expect(
                metrics.response.getMetrics.metrics.contains {
                    $0.name == "master/slaves_active" && $0.value == 1
                })
            let files = try Self.call(http, #"{"type":"LIST_FILES","list_files":{"path":"/"}}"#)
            #expect(files.status == 501)
        }
    }

    @Test("weights and quota are kept, refused where they are none, and removed")
    func roles() async throws {
        try await ServedDatacenter.run { served in
            let http = try RawHTTP(port: served.port)
            let weights = #"{"weight_infos":[{"role":"eng","weight":2.5}]}"#
            #expect(
                try Self.call(http, #"{"type":"UPDATE_WEIGHTS","update_weights":\#(weights)}"#)
                    .status == 200)
            let known = try Self.call(http, #"{"type":"GET_WEIGHTS"}"#).response
            #expect(known.getWeights.weightInfos.map(\.weight) == [2.5])
            #expect(try http.exchange("GET", "/weights").text == #"[{"weight":2.5,"role":"eng"}]"#)
            let quota =
                #"{"quota_configs":[{"role":"eng","guarantees":{"cpus":{"value":1}},"#
                + #""limits":{"cpus":{"value":2}}}]}"#
            #expect(
                try Self.call(http, #"{"type":"UPDATE_QUOTA","update_quota":\#(quota)}"#).status
                    == 200)
            let status = try Self.call(http, #"{"type":"GET_QUOTA"}"#).response.getQuota.status
            #expect(status.configs.first?.limits["cpus"]?.value == 2)
            #expect(status.configs.first?.guarantees["cpus"]?.value == 1)
            for bad in [
                #"{"role":"eng","limits":{"cpus":{"value":-1}}}"#, #"{"role":"*"}"#,
                #"{"role":"a/b"}"#,
                #"{"role":"x","guarantees":{"cpus":{"value":3}},"limits":{"cpus":{"value":2}}}"#,
            ] {
                let body = #"{"type":"UPDATE_QUOTA","update_quota":{"quota_configs":[\#(bad)]}}"#
                #expect(try Self.call(http, body).status == 400, "\(bad)")
            }
            let remove = #"{"type":"REMOVE_QUOTA","remove_quota":{"role":"eng"}}"#
            #expect(try Self.call(http, remove).status == 200)
            let left = try Self.call(http, #"{"type":"GET_QUOTA"}"#).response.getQuota.status
            #expect(left.configs.isEmpty)
            #expect(
                try Self.call(http, #"{"type":"GET_WEIGHTS"}"#).response.getWeights.weightInfos
                    .count == 1)
        }
    }

    @Test("an agent is deactivated, reactivated, drained and marked as gone; an unknown one is 404")
    func agents() async throws {
        try await ServedDatacenter.run { served in
            let http = try RawHTTP(port: served.port)
            func send(_ type: String, _ field: String, _ id: String = "agent-h0") throws -> Int {
                try Self.call(
                    http, #"{"type":"\#(type)","\#(field)":{"agent_id":{"value":"\#(id)"}}}"#
                ).status
            }
            func agent() throws -> MesosMasterResponse.GetAgents.Agent? {
                try Self.call(http, #"{"type":"GET_AGENTS"}"#).response.getAgents.agents.first
            }
            #expect(try agent()?.deactivated == false)
            #expect(try send("DEACTIVATE_AGENT", "deactivate_agent") == 200)
            #expect(try agent()?.deactivated == true)
            #expect(try send("REACTIVATE_AGENT", "reactivate_agent") == 200)
            #expect(try agent()?.deactivated == false)
            #expect(try send("DRAIN_AGENT", "drain_agent") == 200)
            #expect(try agent()?.drainInfo.state == .drained)
            #expect(try send("MARK_AGENT_GONE", "mark_agent_gone") == 200)
            #expect(try agent() == nil)
            #expect(try send("MARK_AGENT_GONE", "mark_agent_gone", "nobody") == 404)
            #expect(try send("DRAIN_AGENT", "drain_agent") == 409)
        }
    }

    @Test("a subscriber is told the state, and then each change in its order")
    func subscribe() async throws {
        try await ServedDatacenter.run { served in
            let stream = try RawHTTP(port: served.port)
            try stream.request(
                "POST", "/api/v1", headers: ["Content-Type": "application/json"],
                Array(#"{"type":"SUBSCRIBE"}"#.utf8))
            #expect(try stream.readHead().status == 200)
            func event() throws -> MesosMasterEvent {
                while true {
                    let event = try MesosMessage.decode(
                        MesosMasterEvent.self, from: try stream.readRecord(), as: .json)
                    if event.type != .heartbeat { return event }
                }
            }
            let first = try event()
            #expect(first.type == .subscribed)
            #expect(first.subscribed.getState.getAgents.agents.count == 1)
            let scheduler = try WireScheduler(port: served.port)
            let id = try scheduler.subscribed()
            let added = try event()
            #expect(added.type == .frameworkAdded)
            #expect(added.frameworkAdded.framework.frameworkInfo.id.value == id)
            let offer = try #require(try scheduler.event(.offers).offers.offers.first)
            _ = try scheduler.launch([WireScheduler.task("t", on: offer.agentID)], on: offer)
            let launched = try event()
            #expect(launched.type == .taskAdded)
            #expect(launched.taskAdded.task.name == "run")
            let updated = try event()
            #expect(updated.type == .taskUpdated)
            #expect(updated.taskUpdated.state == .taskRunning)
            let state = try Self.call(
                try RawHTTP(port: served.port), #"{"type":"GET_TASKS"}"#
            ).response.getTasks
            #expect(state.tasks.map(\.taskID.value) == ["t"])
            #expect(state.tasks.first?.statuses.map(\.state) == [.taskRunning])
            let form = Array("frameworkId=\(id)".utf8)
            let http = try RawHTTP(port: served.port)
            #expect(try http.exchange("POST", "/master/teardown", form).status == 200)
            var types: [MesosMasterEvent.TypeEnum] = []
            while types.last != .taskUpdated { types.append(try event().type) }
            #expect(types.contains(.frameworkRemoved))
            #expect(try http.exchange("POST", "/teardown", form).status == 400)
        }
    }
}
