import API
import ControlPlane
import Foundation
import NIOCore
import Testing

@Suite("Mesos HTTP: status codes (Mesos, docs/scheduler-http-api.md)")
struct MesosStatusCodeTests {
    private static let subscribe = Array(
        #"{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"}}}"#.utf8)
    private static let json = ["Content-Type": "application/json"]

    private func post(
        _ connection: RawHTTP, _ body: [UInt8], _ headers: [String: String] = json,
        path: String = "/api/v1/scheduler"
    ) throws -> Int {
        try connection.exchange("POST", path, headers: headers, body).status
    }

    @Test("a call that is wrong by itself is refused as Mesos refuses it, and the connection lives")
    func wrongCalls() async throws {
        try await ServedDatacenter.run { served in
            let http = try RawHTTP(port: served.port)
            let test = MesosStatusCodeTests()
            let json = Self.json
            #expect(try http.exchange("GET", "/api/v1/scheduler").status == 405)
            #expect(try test.post(http, Self.subscribe, [:]) == 400)
            #expect(try test.post(http, Self.subscribe, ["Content-Type": "text/plain"]) == 415)
            let accept = json.merging(["Accept": "text/html"]) { $1 }
            #expect(try test.post(http, Self.subscribe, accept) == 406)
            let stream = json.merging(["Mesos-Stream-Id": "x"]) { $1 }
            #expect(try test.post(http, Self.subscribe, stream) == 400)
            #expect(try test.post(http, Array("{".utf8)) == 400)
            #expect(try test.post(http, Array("{}".utf8)) == 400)
            #expect(try test.post(http, Array(#"{"type":"SUBSCRIBE"}"#.utf8)) == 400)
            let garbage = ["Content-Type": "application/x-protobuf"]
            #expect(try test.post(http, [0xFF, 0x01, 0x80], garbage) == 400)
            let unknown = #"{"type":"REVIVE","framework_id":{"value":"nobody"}}"#
            #expect(try test.post(http, Array(unknown.utf8), stream) == 400)
            let deep = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
            #expect(try test.post(http, deep) == 400)
            #expect(try test.post(http, Array("x".utf8), path: "/api/v1/operator") == 400)
            let health = try http.exchange(
                "POST", "/api/v1/anything", headers: json, Array(#"{"type":"GET_HEALTH"}"#.utf8))
            #expect(health.status == 200)
            #expect(health.text == #"{"type":"GET_HEALTH","get_health":{"healthy":true}}"#)
        }
    }

    @Test("where authentication is on, nobody is served but who asks for the leader")
    func authentication() async throws {
        try await ServedDatacenter.run { served in
            let datacenter = served.datacenter
            try datacenter.eventLoop.submit { datacenter.asksWhoCalls = true }.wait()
            let http = try RawHTTP(port: served.port)
            let test = MesosStatusCodeTests()
            #expect(try test.post(http, Self.subscribe) == 401)
            let health = Array(#"{"type":"GET_HEALTH"}"#.utf8)
            #expect(try test.post(http, health, path: "/api/v1") == 401)
            for path in ["/state", "/master/tasks.json", "/metrics/snapshot"] {
                #expect(try http.exchange("GET", path).status == 401)
            }
            #expect(try http.exchange("GET", "/health").status == 200)
            #expect(try http.exchange("GET", "/redirect").status == 307)
            // Numbers only, as at the client port.
            let metrics = try http.exchange("GET", "/metrics/prometheus")
            #expect(metrics.status == 200)
            #expect(metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(try http.exchange("POST", "/metrics/prometheus").status == 405)
        }
    }

    @Test("a call is taken only with its framework's stream, and only while it is subscribed")
    func streams() async throws {
        try await ServedDatacenter.run { served in
            let scheduler = try WireScheduler(port: served.port)
            #expect(scheduler.head.status == 200)
            #expect(scheduler.head.headers["transfer-encoding"] == "chunked")
            #expect(scheduler.streamID.utf8.count == 36)
            try scheduler.subscribed()
            #expect(try scheduler.call(.revive).status == 202)
            #expect(try scheduler.call(.revive, streamID: "other").status == 400)
            let http = try RawHTTP(port: served.port)
            let body =
                #"{"type":"REVIVE","framework_id":{"value":"\#(scheduler.frameworkID)"}}"#
            let without = try http.exchange(
                "POST", "/api/v1/scheduler", headers: Self.json, Array(body.utf8))
            #expect(without.status == 400)
            #expect(try scheduler.call(.teardown).status == 202)
            _ = try scheduler.event(.error)
            #expect(try scheduler.call(.revive).status == 403)
        }
    }

    @Test("a body beyond the limit is 413, an unknown path 404 in JSON, a wrong method 405")
    func limits() async throws {
        try await ServedDatacenter.run({ $0.bodyBytesMax = 1_000 }) { served in
            let http = try RawHTTP(port: served.port)
            let large = [UInt8](repeating: 0x20, count: 100_000)
            #expect(try MesosStatusCodeTests().post(http, large) == 413)
            let unknown = try http.exchange("GET", "/nothing/here")
            #expect(unknown.status == 404)
            #expect(unknown.text == #"{"error":"not found","path":"/nothing/here"}"#)
            let method = try http.exchange("GET", "/teardown")
            #expect(method.status == 405)
            #expect(method.headers["allow"] == "POST")
            #expect(try http.exchange("HEAD", "/state").status == 200)
            #expect(try http.exchange("GET", "/health").status == 200)
        }
    }

    @Test("the older endpoints answer at /x, /master/x and with .json behind it")
    func legacy() async throws {
        try await ServedDatacenter.run { served in
            let http = try RawHTTP(port: served.port)
            for name in [
                "state", "state-summary", "slaves", "frameworks", "tasks", "roles", "quota",
                "weights", "flags", "version", "metrics/snapshot", "system/stats",
            ] {
                for path in ["/\(name)", "/master/\(name)", "/master/\(name).json", "/\(name)/"] {
                    let answer = try http.exchange("GET", path)
                    #expect(answer.status == 200, "\(path)")
                    let value = try JSONSerialization.jsonObject(with: Data(answer.body))
                    #expect(value is [String: Any] || name == "weights", "\(path)")
                }
            }
            let slaves = try http.exchange("GET", "/slaves").text
            #expect(slaves.contains(#""hostname":"h0""#))
            #expect(slaves.contains(#""pid":"slave(1)@127.0.0.1:5051""#))
        }
    }

    @Test("a follower sends writes to the leader and answers reads itself")
    func follower() async throws {
        try await ServedDatacenter.run { served in
            try served.onLoop { served.datacenter.follow(.following(url: "http://10.0.0.9:5050")) }
            let http = try RawHTTP(port: served.port)
            let answer = try http.exchange(
                "POST", "/master/api/v1/scheduler?x=1", headers: Self.json, Self.subscribe)
            #expect(answer.status == 307)
            #expect(
                answer.headers["location"] == "//10.0.0.9:5050/master/api/v1/scheduler?x=1")
            let redirect = try RawHTTP(port: served.port).exchange("GET", "/redirect")
            #expect(redirect.headers["location"] == "//10.0.0.9:5050")
            let other = try RawHTTP(port: served.port)
            #expect(try other.exchange("GET", "/state").status == 200)
            let teardown = try other.exchange(
                "POST", "/teardown", Array("frameworkId=f".utf8))
            #expect(teardown.status == 307)
        }
    }

    @Test("a SUBSCRIBE without a leader waits for one, and is told so when none comes in time")
    func parked() async throws {
        try await ServedDatacenter.run(agents: 0, leads: false, { $0.parkSeconds = 1 }) { served in
            let late = try WireScheduler(port: served.port)
            #expect(late.head.status == 503)
            #expect(late.head.headers["retry-after"] == "1")
        }
        try await ServedDatacenter.run(agents: 0, leads: false, { $0.parkSeconds = 20 }) { served in
            let timer = Thread {
                try? served.onLoop { served.datacenter.lead() }
            }
            timer.start()
            let scheduler = try WireScheduler(port: served.port)
            #expect(scheduler.head.status == 200)
            try scheduler.subscribed()
        }
    }

    @Test("beyond so many that wait for a leader, each is told to come back")
    func parkedMax() async throws {
        try await ServedDatacenter.run(
            agents: 0, leads: false,
            {
                $0.parkSeconds = 30
                $0.parkedMax = 0
            }
        ) { served in
            let scheduler = try WireScheduler(port: served.port)
            #expect(scheduler.head.status == 503)
        }
    }
}
