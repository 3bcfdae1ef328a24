import ControlPlane
import Foundation
import NIOCore
import StateMachine
import Testing

@Suite("Marathon's API over HTTP, with the scheduler behind it")
struct MarathonServedTests {
    private static let json = ["Content-Type": "application/json"]

    /// Asks until the answer is as it is to be.
    private static func wait(
        _ http: RawHTTP, _ path: String, until isFine: (MarathonJSON) -> Bool
    ) throws -> MarathonJSON {
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            let answer = try http.exchange("GET", path)
            let body = try MarathonJSONParser.parse(answer.body)
            if isFine(body) { return body }
            guard ContinuousClock.now < deadline else {
                throw RawHTTP.Failure(what: "\(path) is still \(answer.text)")
            }
        }
    }

    private static func create(_ http: RawHTTP, _ body: String) throws -> RawHTTP.Response {
        try http.exchange("POST", "/v2/apps", headers: json, Array(body.utf8))
    }

    @Test("an app runs, is scaled and goes, at both of its addresses")
    func life() async throws {
        try await ServedDatacenter.run { served in
            let http = try RawHTTP(port: served.port)
            #expect(try http.exchange("GET", "/ping").text == "pong")
            let created = try Self.create(
                http, #"{"id": "/web", "cmd": "x", "instances": 2, "ports": []}"#)
            #expect(created.status == 201)
            #expect(created.headers["marathon-deployment-id"] != nil)
            _ = try Self.wait(http, "/v2/apps//web") { $0["app"]?["tasksRunning"] == 2 }
            _ = try Self.wait(http, "/service/marathon/v2/deployments") { $0 == [] }
            let scaled = try http.exchange(
                "PUT", "/service/marathon/v2/apps/web?force=False", headers: Self.json,
                Array(#"{"instances": 1}"#.utf8))
            #expect(scaled.status == 200)
            _ = try Self.wait(http, "/v2/apps/web/tasks") {
                $0["tasks"].map { tasks in
                    if case .list(let tasks) = tasks { tasks.count == 1 } else { false }
                } ?? false
            }
            let frameworks = try http.exchange("GET", "/mesos/master/frameworks").text
            #expect(frameworks.contains(#""name":"marathon""#))
            _ = try Self.wait(http, "/v2/deployments") { $0 == [] }
            #expect(try http.exchange("DELETE", "/v2/apps/web").status == 200)
            _ = try Self.wait(http, "/v2/apps") { $0["apps"] == [] }
        }
    }

    @Test("a next leader goes on with a deployment that nothing had come of")
    func nextLeader() async throws {
        try await ServedDatacenter.run(leads: false) { served in
            let (datacenter, agents) = (served.datacenter, served.agents)
            try served.onLoop { datacenter.lead() }
            let http = try RawHTTP(port: served.port)
            let body = #"{"id": "/web", "cmd": "x", "instances": 2, "ports": []}"#
            #expect(try Self.create(http, body).status == 201)
            _ = try Self.wait(http, "/v2/queue") { $0["queue", "0", "count"] == 2 }
            try served.onLoop {
                datacenter.follow(.unknown)
                datacenter.lead()
                try agents[0].connect()
            }
            _ = try Self.wait(http, "/v2/deployments") { $0 == [] }
            let app = try http.exchange("GET", "/v2/apps/web")
            let running = try MarathonJSONParser.parse(app.body)["app", "tasksRunning"]
            #expect(running == 2)
        }
    }

    @Test("what waits for an offer says which were refused, and for what")
    func queue() async throws {
        try await ServedDatacenter.run { served in
            let http = try RawHTTP(port: served.port)
            let body = #"{"id": "/big", "cmd": "x", "cpus": 100, "ports": []}"#
            #expect(try Self.create(http, body).status == 201)
            let queue = try Self.wait(http, "/v2/queue") { queue in
                let summary = queue["queue", "0", "processedOffersSummary"]
                return summary?["unusedOffersCount"].map { $0 != 0 } ?? false
            }
            let summary = queue["queue", "0", "processedOffersSummary"]
            #expect(summary?["rejectSummaryLastOffers", "0", "reason"] == "InsufficientCpus")
        }
    }

    @Test("a follower reads what it knows to be current, and sends changes to the leader")
    func follower() async throws {
        try await ServedDatacenter.run(leads: false) { served in
            let datacenter = served.datacenter
            let http = try RawHTTP(port: served.port)
            try served.onLoop { datacenter.follow(.following(url: "http://10.0.0.9:5050")) }
            let created = try Self.create(http, #"{"id": "/web", "cmd": "x"}"#)
            #expect(created.status == 307)
            #expect(created.headers["location"] == "//10.0.0.9:5050/v2/apps")
            let queue = try http.exchange("GET", "/v2/queue")
            #expect(queue.status == 307 && queue.headers["location"] == "//10.0.0.9:5050/v2/queue")
            #expect(try http.exchange("GET", "/v2/apps").text == #"{"apps":[]}"#)
            #expect(try http.exchange("GET", "/v2/leader").text == #"{"leader":"10.0.0.9:5050"}"#)
            try served.onLoop { datacenter.isCaughtUp = false }
            let stale = try http.exchange("GET", "/v2/apps")
            #expect(stale.status == 503 && stale.headers["retry-after"] == "1")
            #expect(try http.exchange("GET", "/ping").status == 200)
        }
    }

    @Test("events come in their order, and once more to who comes back; what is lost is said")
    func events() async throws {
        try await ServedDatacenter.run { served in
            let http = try RawHTTP(port: served.port)
            let stream = try RawHTTP(port: served.port)
            try stream.request("GET", "/v2/events")
            let head = try stream.readHead()
            #expect(head.status == 200 && head.headers["content-type"] == "text/event-stream")
            let attached = try stream.readEvent()
            #expect(attached["event"] == "event_stream_attached" && attached["id"] == nil)
            let body = #"{"id": "/web", "cmd": "x", "ports": []}"#
            #expect(try Self.create(http, body).status == 201)
            var seen: [[String: String]] = []
            while seen.last?["event"] != "deployment_success" {
                seen.append(try stream.readEvent())
            }
            let types = seen.compactMap { $0["event"] }
            #expect(types.first == "deployment_info")
            let states = try seen.filter { $0["event"] == "status_update_event" }.map { event in
                try MarathonJSONParser.parse(Array((event["data"] ?? "").utf8))["taskStatus"]
            }
            #expect(states == ["TASK_STAGING", "TASK_RUNNING"], "an acknowledgement tells nothing")

            let id = try #require(seen.first { $0["id"] != nil }?["id"])
            let place = try #require(seen.firstIndex { $0["id"] == id })
            let again = try RawHTTP(port: served.port)
            try again.request("GET", "/v2/events", headers: ["Last-Event-ID": id])
            _ = try again.readHead()
            _ = try again.readEvent()
            for event in seen[(place + 1)...] { #expect(try again.readEvent() == event) }

            let some = try RawHTTP(port: served.port)
            try some.request(
                "GET", "/v2/events?event_type=deployment_success", headers: ["Last-Event-ID": id])
            _ = try some.readHead()
            _ = try some.readEvent()
            #expect(try some.readEvent()["event"] == "deployment_success")

            let datacenter = served.datacenter
            try served.onLoop { datacenter.replaceRecords() }
            #expect(try stream.readEvent()["event"] == "event_stream_gap")
            let late = try RawHTTP(port: served.port)
            try late.request("GET", "/v2/events", headers: ["Last-Event-ID": id])
            _ = try late.readHead()
            _ = try late.readEvent()
            #expect(try late.readEvent()["event"] == "event_stream_gap")
        }
    }

    @Test("the one address of DC/OS' clients leads to names, agents and what they look for first")
    func oneAddress() async throws {
        try await ServedDatacenter.run { served in
            let http = try RawHTTP(port: served.port)
            let host = try http.exchange("GET", "/mesos_dns/v1/hosts/marathon.mesos")
            #expect(host.text == #"[{"host":"marathon.mesos.","ip":"127.0.0.1"}]"#)
            let other = try http.exchange("GET", "/mesos_dns/v1/hosts/other.mesos")
            #expect(other.text == #"[{"host":"","ip":""}]"#)
            let page = try http.exchange("GET", "/slave/agent-h0/files/read.json?path=a&offset=0")
            #expect(page.status == 307)
            #expect(
                page.headers["location"] == "//127.0.0.1:5051/files/read.json?path=a&offset=0")
            #expect(try http.exchange("GET", "/slave/none/state.json").status == 404)
            #expect(try http.exchange("GET", "/metadata").text.contains("CLUSTER_ID"))
            let type = "application/vnd.dcos.capabilities+json;charset=utf-8;version=v1"
            let capabilities = try http.exchange(
                "GET", "/capabilities", headers: ["Accept": type])
            #expect(capabilities.headers["content-type"] == type)
            #expect(try http.exchange("GET", "/mesos/master/state.json").status == 200)
            #expect(try http.exchange("DELETE", "/metadata").status == 405)
            #expect(try http.exchange("GET", "/v2/apps/%zz").status == 404)
            #expect(try http.exchange("GET", "/v2/apps?id=%zz").status == 400)
        }
    }

    @Test("where authentication is on, Marathon's API serves nobody but for its ping")
    func authentication() async throws {
        try await ServedDatacenter.run { served in
            let datacenter = served.datacenter
            try served.onLoop { datacenter.asksWhoCalls = true }
            let http = try RawHTTP(port: served.port)
            for path in ["/v2/apps", "/v2/events", "/service/marathon/v2/info", "/metadata"] {
                #expect(try http.exchange("GET", path).status == 401, "\(path)")
            }
            #expect(try http.exchange("GET", "/ping").status == 200)
        }
    }
}
