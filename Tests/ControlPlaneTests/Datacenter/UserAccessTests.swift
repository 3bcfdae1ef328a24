import API
import ControlPlane
import Foundation
import NIOCore
import StateMachine
import Testing

@Suite("Users on the HTTP port", .serialized)
struct UserAccessTests {
    private static let json = ["Content-Type": "application/json"]

    private static func login(_ name: String, _ password: String? = nil) -> [String: String] {
        let text = "\(name):\(password ?? name)"
        return ["Authorization": "Basic " + Data(text.utf8).base64EncodedString()]
    }

    /// Who may read everything, who may be a framework, who may change roles, and `root`.
    private static func run(
        _ body: @escaping @Sendable (ServedDatacenter) throws -> Void
    ) async throws {
        try await ServedDatacenter.run { served in
            try served.onLoop { [datacenter = served.datacenter] in
                datacenter.raiseLevel()
                datacenter.addUser("root")
                datacenter.addUser("reader", [(.read, "/keelson/")])
                datacenter.addUser("framework", [(.readWrite, "/keelson/local/frameworks/")])
                datacenter.addUser("other", [(.readWrite, "/keelson/local/frameworks/")])
                datacenter.addUser("quota", [(.readWrite, "/keelson/local/roles/")])
                datacenter.addUser("agent", [(.readWrite, "/keelson/local/agents/")])
                datacenter.tokens["reader.1"] = Array("reader".utf8)
                datacenter.enableUsers()
            }
            try body(served)
        }
    }

    private static func call(
        _ http: RawHTTP, as name: String, _ body: String
    ) throws -> RawHTTP.Response {
        try http.exchange(
            "POST", "/api/v1", headers: json.merging(login(name)) { $1 }, Array(body.utf8))
    }

    @Test("who says nothing, or something wrong, is asked who calls, and told nothing")
    func unknown() async throws {
        try await Self.run { served in
            let http = try RawHTTP(port: served.port)
            for headers in [
                [:], Self.login("reader", "wrong"), Self.login("nobody"),
                ["Authorization": "Bearer nothing.1"], ["Authorization": "Digest x"],
            ] as [[String: String]] {
                let answer = try http.exchange("GET", "/state", headers: headers)
                #expect(answer.status == 401, "\(headers)")
                #expect(answer.headers["www-authenticate"] != nil)
                #expect(!answer.text.contains("agent-h0"))
            }
            // A page says itself where one logs in; the browser is not to ask for it.
            let page = try http.exchange("GET", "/ui/api/overview")
            #expect(page.status == 401 && page.text.contains("say who calls"))
            #expect(page.headers["www-authenticate"]?.contains("Basic") == false)
            let login = try http.exchange("GET", "/ui/login")
            #expect(login.status == 401)
            #expect(login.headers["www-authenticate"]?.contains("Basic") == true)
            let apps = try http.exchange("GET", "/v2/apps")
            #expect(apps.status == 401 && apps.text.hasPrefix(#"{"message""#), "\(apps.text)")
            let subscribe = Array(
                (#"{"type":"SUBSCRIBE","subscribe":{"framework_info":"#
                    + #"{"user":"u","name":"n"}}}"#).utf8)
            let framework = try http.exchange(
                "POST", "/api/v1/scheduler", headers: Self.json, subscribe)
            #expect(framework.status == 401)
            #expect(try http.exchange("GET", "/health").status == 200)
        }
    }

    @Test("a reader reads, with a password and with a token of each form, and changes nothing")
    func reader() async throws {
        try await Self.run { served in
            let http = try RawHTTP(port: served.port)
            for headers in [
                Self.login("reader"), ["Authorization": "Bearer reader.1"],
                ["Authorization": "token=reader.1"], ["Authorization": "reader.1"],
            ] {
                for path in ["/state", "/v2/apps", "/roles", "/ui/api/state", "/metrics/snapshot"] {
                    let answer = try http.exchange("GET", path, headers: headers)
                    #expect(answer.status == 200, "\(path): \(answer.text)")
                }
            }
            let drain =
                #"{"type":"DRAIN_AGENT","drain_agent":{"agent_id":{"value":"agent-h0"}}}"#
            let refused = try Self.call(http, as: "reader", drain)
            #expect(refused.status == 403)
            #expect(refused.text.contains("write '/keelson/local/agents/'"), "\(refused.text)")
            let app = Array(#"{"id":"/web","cmd":"sleep 1"}"#.utf8)
            let headers = Self.json.merging(Self.login("reader")) { $1 }
            let created = try http.exchange("POST", "/v2/apps", headers: headers, app)
            #expect(created.status == 403 && created.text.contains("message"), "\(created.text)")
            #expect(try http.exchange("GET", "/ui/api/keys", headers: headers).status == 403)
            let kill = try http.exchange(
                "POST", "/keelson/v1/kill", headers: Self.login("reader"), Array("a=b".utf8))
            #expect(kill.status == 403)
            let root = Self.json.merging(Self.login("root")) { $1 }
            #expect(try http.exchange("POST", "/v2/apps", headers: root, app).status == 201)
            #expect(try http.exchange("GET", "/ui/api/keys", headers: root).status == 200)
        }
    }

    @Test("leave for one thing is leave for nothing else")
    func narrow() async throws {
        try await Self.run { served in
            let http = try RawHTTP(port: served.port)
            let weights =
                #"{"type":"UPDATE_WEIGHTS","update_weights":{"weight_infos":"#
                + #"[{"role":"eng","weight":2}]}}"#
            #expect(try Self.call(http, as: "quota", weights).status == 200)
            #expect(try Self.call(http, as: "framework", weights).status == 403)
            #expect(try Self.call(http, as: "quota", #"{"type":"GET_AGENTS"}"#).status == 403)
            // Neither is what an agent or a framework has by itself an operator's.
            let gone =
                #"{"type":"MARK_AGENT_GONE","mark_agent_gone":{"agent_id":{"value":"agent-h0"}}}"#
            #expect(try Self.call(http, as: "agent", gone).status == 403)
            let teardown = #"{"type":"TEARDOWN","teardown":{"framework_id":{"value":"x"}}}"#
            #expect(try Self.call(http, as: "framework", teardown).status == 403)
            #expect(try Self.call(http, as: "root", gone).status == 200)
        }
    }

    @Test("a framework is its user's, who is its principal; nobody else speaks for it")
    func principal() async throws {
        try await Self.run { served in
            let mine = try WireScheduler(
                port: served.port, headers: Self.login("framework")
            ) { $0.principal = "framework" }
            let id = try mine.subscribed()
            let principal = try served.onLoop { [datacenter = served.datacenter] in
                datacenter.table.frameworks[FrameworkID(id)]?.record.principal
            }
            #expect(principal == Array("framework".utf8))
            #expect(try mine.call(.revive).status == 202)
            let http = try RawHTTP(port: served.port)
            let revive = #"{"type":"REVIVE","framework_id":{"value":"\#(id)"}}"#
            for (name, status) in [("other", 403), ("reader", 403), ("root", 202)] {
                var headers = Self.json.merging(Self.login(name)) { $1 }
                headers["Mesos-Stream-Id"] = mine.streamID
                let answer = try http.exchange(
                    "POST", "/api/v1/scheduler", headers: headers, Array(revive.utf8))
                #expect(answer.status == status, "\(name): \(answer.text)")
            }
            let stolen = try WireScheduler(
                port: served.port, id: id, headers: Self.login("other"))
            #expect(try stolen.event(.error).error.message.contains("another principal"))
            let liar = try WireScheduler(
                port: served.port, headers: Self.login("other")
            ) { $0.principal = "framework" }
            #expect(liar.head.status == 400)
        }
    }

    @Test("a reservation carries its framework's user, and no other name is taken for it")
    func reservations() async throws {
        try await Self.run { served in
            let mine = try WireScheduler(
                port: served.port, headers: Self.login("framework")
            ) { info in
                info.roles = ["web"]
                for type in [
                    MesosFrameworkInfo.Capability.TypeEnum.multiRole, .reservationRefinement,
                ] {
                    var capability = MesosFrameworkInfo.Capability()
                    capability.type = type
                    info.capabilities.append(capability)
                }
            }
            try mine.subscribed()
            func reserve(_ principal: String?, on offer: MesosOffer) throws {
                var resource = MesosResource()
                resource.name = "cpus"
                resource.type = .scalar
                resource.scalar.value = 1
                var reservation = MesosResource.ReservationInfo()
                reservation.type = .dynamic
                reservation.role = "web"
                if let principal { reservation.principal = principal }
                resource.reservations = [reservation]
                var operation = MesosOffer.Operation()
                operation.type = .reserve
                operation.reserve.resources = [resource]
                let made = operation
                _ = try mine.call(.accept) { call in
                    call.accept.offerIds = [offer.id]
                    call.accept.operations = [made]
                    call.accept.filters.refuseSeconds = 0
                }
            }
            let first = try #require(try mine.event(.offers).offers.offers.first)
            try reserve("somebody", on: first)
            let second = try #require(try mine.event(.offers).offers.offers.first)
            #expect(!second.resources.contains { !$0.reservations.isEmpty })
            try reserve(nil, on: second)
            let third = try #require(try mine.event(.offers).offers.offers.first)
            let principals = third.resources.flatMap(\.reservations).map(\.principal)
            #expect(principals == ["framework"])
        }
    }

    @Test("an operator reserves what is free, for a role, and takes it back")
    func operatorReserves() async throws {
        try await Self.run { served in
            let http = try RawHTTP(port: served.port)
            func call(_ type: String, _ field: String, _ principal: String) throws -> Int {
                let resource =
                    #"{"name":"cpus","type":"SCALAR","scalar":{"value":1},"#
                    + #""reservations":[{"type":"DYNAMIC","role":"web"\#(principal)}]}"#
                let body =
                    #"{"type":"\#(type)","\#(field)":{"agent_id":{"value":"agent-h0"},"#
                    + #""resources":[\#(resource)]}}"#
                return try Self.call(http, as: "root", body).status
            }
            func total() throws -> String {
                try served.onLoop { [datacenter = served.datacenter] in
                    datacenter.table.agents[AgentID("agent-h0")]?.record.total.description ?? ""
                }
            }
            let somebody = #","principal":"somebody""#
            let root = #","principal":"root""#
            #expect(try call("RESERVE_RESOURCES", "reserve_resources", somebody) == 400)
            #expect(try call("RESERVE_RESOURCES", "reserve_resources", "") == 200)
            let reserved = try total()
            #expect(reserved.contains("web,root"), "\(reserved)")
            #expect(try call("UNRESERVE_RESOURCES", "unreserve_resources", somebody) == 409)
            #expect(try call("UNRESERVE_RESOURCES", "unreserve_resources", root) == 200)
            #expect(try total() == "cpus:4;mem:4096")
        }
    }

    @Test("streams end soon after their user may not have them any more")
    func streamsEnd() async throws {
        try await Self.run { served in
            let subscribe = Array(#"{"type":"SUBSCRIBE"}"#.utf8)
            let asReader = Self.login("reader")
            let operators = try RawHTTP(port: served.port)
            try operators.request(
                "POST", "/api/v1", headers: Self.json.merging(asReader) { $1 }, subscribe)
            let events = try RawHTTP(port: served.port)
            try events.request("GET", "/v2/events", headers: asReader)
            let dashboard = try RawHTTP(port: served.port)
            try dashboard.request("GET", "/ui/api/live", headers: asReader)
            for stream in [operators, events, dashboard] {
                #expect(try stream.readHead().status == 200)
            }
            let scheduler = try WireScheduler(
                port: served.port, headers: Self.login("framework"))
            try scheduler.subscribed()
            let kept = try WireScheduler(port: served.port, headers: Self.login("other"))
            try kept.subscribed()
            let began = ContinuousClock.now
            try served.onLoop { [datacenter = served.datacenter] in
                datacenter.revokeRole(of: "reader")
                datacenter.revokeRole(of: "framework")
            }
            for stream in [operators, events, dashboard, scheduler.stream] {
                #expect(try stream.isClosed())
            }
            #expect(ContinuousClock.now - began < .seconds(10))
            #expect(try kept.call(.revive).status == 202)
        }
    }

    @Test("another site's page changes nothing, whoever the browser has logged in")
    func otherSites() async throws {
        try await Self.run { served in
            let http = try RawHTTP(port: served.port)
            var headers = Self.json.merging(Self.login("root")) { $1 }
            for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
                headers["Origin"] = origin
                let answer = try http.exchange(
                    "POST", "/api/v1", headers: headers, Array(#"{"type":"GET_HEALTH"}"#.utf8))
                #expect(answer.status == 403, "\(origin)")
            }
            headers["Origin"] = "http://127.0.0.1"
            let own = try http.exchange(
                "POST", "/api/v1", headers: headers, Array(#"{"type":"GET_HEALTH"}"#.utf8))
            #expect(own.status == 200)
        }
    }

    @Test("a node that does not know its users yet serves nobody, and waits a while")
    func notYet() async throws {
        try await ServedDatacenter.run(agents: 1, leads: true) {
            $0.parkSeconds = 1
        } _: { served in
            try served.onLoop { [datacenter = served.datacenter] in datacenter.knowsUsers = false }
            let http = try RawHTTP(port: served.port)
            let answer = try http.exchange("GET", "/state")
            #expect(answer.status == 503 && answer.headers["retry-after"] != nil)
            #expect(try http.exchange("GET", "/health").status == 200)
            try served.onLoop { [datacenter = served.datacenter] in datacenter.knowsUsers = true }
            #expect(try http.exchange("GET", "/state").status == 200)
        }
    }
}
