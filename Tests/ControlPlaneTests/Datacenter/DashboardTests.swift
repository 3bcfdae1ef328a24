import API
import ControlPlane
import Foundation
import StateMachine
import Testing

@Suite("Dashboard: pages and what they ask")
struct DashboardTests {
    private static let master = Data("/keelson/local/master".utf8).base64EncodedString()

    private static func json(_ http: RawHTTP, _ path: String) throws -> [String: Any] {
        let answer = try http.exchange("GET", path)
        try #require(answer.status == 200, "\(path): \(answer.status) \(answer.text)")
        #expect(answer.headers["x-content-type-options"] == "nosniff")
        let object = try JSONSerialization.jsonObject(with: Data(answer.body))
        return try #require(object as? [String: Any])
    }

    @Test("the first page is led to, allows nothing foreign, and names the others to be asked")
    func pages() async throws {
        try await ServedDatacenter.run { served in
            let http = try RawHTTP(port: served.port)
            for door in ["/", "/ui"] {
                let answer = try http.exchange("GET", door)
                #expect(answer.status == 302 && answer.headers["location"] == "/ui/")
            }
            let page = try http.exchange("GET", "/ui/")
            #expect(page.headers["content-type"] == "text/html; charset=utf-8")
            let policy = try #require(page.headers["content-security-policy"])
            #expect(policy.hasPrefix("default-src 'none'; script-src 'self'; style-src 'self';"))
            #expect(policy.contains("connect-src 'self' http://10.0.0.2:5050;"))
            #expect(policy.contains("frame-ancestors 'none'"))
            #expect(!page.text.contains("<style") && !page.text.contains("onclick"))
            let tag = try #require(page.headers["etag"])
            let again = try http.exchange("GET", "/ui/", headers: ["If-None-Match": tag])
            #expect(again.status == 304 && again.body.isEmpty)
            // Whatever it loads is here.
            for mark in ["href=\"/ui/", "src=\"/ui/"] {
                for piece in page.text.components(separatedBy: mark).dropFirst() {
                    let name = piece.prefix { $0 != "\"" }
                    let file = try http.exchange("GET", "/ui/\(name)")
                    #expect(file.status == 200 && !file.body.isEmpty, "\(name)")
                }
            }
            let script = try http.exchange("GET", "/ui/app.js")
            #expect(script.headers["content-type"] == "text/javascript; charset=utf-8")
            for piece in script.text.components(separatedBy: "from \"./").dropFirst() {
                let name = piece.prefix { $0 != "\"" }
                #expect(try http.exchange("GET", "/ui/\(name)").status == 200, "\(name)")
            }
            let alive = try http.exchange("GET", "/ui/api/alive")
            #expect(alive.status == 200)
            #expect(alive.headers["access-control-allow-origin"] == "*")
            let overview = try http.exchange("GET", "/ui/api/overview")
            #expect(overview.status == 200)
            #expect(overview.headers["access-control-allow-origin"] == nil)
            #expect(overview.headers["cross-origin-resource-policy"] == "same-origin")
            #expect(try http.exchange("GET", "/ui/none.js").status == 404)
            #expect(try http.exchange("GET", "/ui/api/none").status == 404)
            #expect(try http.exchange("POST", "/ui/").status == 405)
        }
    }

    @Test("keys are listed page by page, and each has its history")
    func keys() async throws {
        try await ServedDatacenter.run { served in
            let http = try RawHTTP(port: served.port)
            let scheduler = try WireScheduler(port: served.port)
            let framework = try scheduler.subscribed()
            // Its agent is there by now.
            _ = try scheduler.event(.offers)
            let prefix = Data("/keelson/local/".utf8).base64EncodedString()
            var names: [String] = []
            var after = ""
            repeat {
                let page = try Self.json(
                    http, "/ui/api/keys?limit=1&prefix=\(prefix)&after=\(after)")
                let found = try #require(page["keys"] as? [[String: Any]])
                names += found.compactMap { $0["key"] as? String }
                after = page["more"] as? Bool == true ? names.last ?? "" : ""
            } while !after.isEmpty
            let texts = names.compactMap { Data(base64Encoded: $0) }
                .map { String(decoding: $0, as: UTF8.self) }
            #expect(
                texts == [
                    "/keelson/local/agents/agent-h0", "/keelson/local/frameworks/\(framework)",
                    "/keelson/local/master",
                ])

            let history = try Self.json(http, "/ui/api/history?key=\(Self.master)")
            let versions = try #require(history["versions"] as? [[String: Any]])
            #expect(versions.count == 1)
            let value = try #require(versions[0]["value"] as? String)
            let bytes = try #require(Data(base64Encoded: value))
            #expect(Array(bytes).withUnsafeBytes { MasterRecord($0) }?.member == 1)
            let changes = try Self.json(http, "/ui/api/changes?from=1&limit=3")
            #expect((changes["changes"] as? [[String: Any]])?.count == 3)
            for bad in [
                "keys?prefix=%25%25", "keys?revision=-1", "keys?limit=x", "history",
                "keys?revision=999", "state?revision=999",
                "keys?revision=99999999999999999999",
            ] {
                #expect(try http.exchange("GET", "/ui/api/\(bad)").status == 400, "\(bad)")
            }
        }
    }

    @Test("the datacenter is told as it was, and as it changes")
    func past() async throws {
        try await ServedDatacenter.run { served in
            let http = try RawHTTP(port: served.port)
            let stream = try RawHTTP(port: served.port)
            try stream.request("GET", "/ui/api/live")
            #expect(try stream.readHead().headers["content-type"] == "text/event-stream")
            let first = try stream.readEvent("state")
            #expect(first.contains(#""hostname":"h0""#) && first.contains(#""tasks":[]"#))
            let before = try served.onLoop { served.datacenter.revision }

            let scheduler = try WireScheduler(port: served.port)
            try scheduler.subscribed()
            let offer = try #require(try scheduler.event(.offers).offers.offers.first)
            let task = WireScheduler.task("t1", on: offer.agentID)
            #expect(try scheduler.launch([task], on: offer).status == 202)
            var told = ""
            while !told.contains(#""state":"running""#) {
                told += try stream.readEvent("changes")
            }
            #expect(told.contains(#""id":"t1""#) && told.contains(#""command":"sleep 1000""#))
            #expect(try stream.readEvent("overview").contains(#""name":"n1""#))

            let then = try Self.json(http, "/ui/api/state?revision=\(before)")
            #expect((then["tasks"] as? [Any])?.isEmpty == true)
            let now = try Self.json(http, "/ui/api/state?revision=0")
            let tasks = try #require(now["tasks"] as? [[String: Any]])
            #expect(tasks.first?["name"] as? String == "run")
            #expect((tasks.first?["resources"] as? [String: Any])?["cpus"] as? Double == 1)
        }
    }

    @Test("a sandbox is asked of the agent that has it, which may not answer or not be")
    func sandboxes() async throws {
        try await ServedDatacenter.run { served in
            let http = try RawHTTP(port: served.port)
            let none = try http.exchange("GET", "/ui/api/agents/other/files/browse?path=a")
            #expect(none.status == 404)
            let bare = try http.exchange("GET", "/ui/api/agents/agent-h0/files/browse")
            #expect(bare.status == 400)
            // Nobody serves where the fake agent says that it does.
            let dead = try http.exchange("GET", "/ui/api/agents/agent-h0/files/read?path=a")
            #expect(dead.status == 502)
        }
    }

    @Test("where the client port asks for certificates, only the datacenter's keys are shown")
    func certificates() async throws {
        try await ServedDatacenter.run { settings in
            settings.showsKeys = false
        } _: { served in
            let http = try RawHTTP(port: served.port)
            let key = Data("k".utf8).base64EncodedString()
            for path in ["keys", "keys?prefix=\(key)", "history?key=\(key)"] {
                #expect(try http.exchange("GET", "/ui/api/\(path)").status == 403, "\(path)")
            }
            let known = try http.exchange("GET", "/ui/api/history?key=\(Self.master)")
            #expect(known.status == 200)
        }
    }

    @Test("where authentication is on the pages are served, and nothing of the cluster is")
    func authentication() async throws {
        try await ServedDatacenter.run { served in
            try served.onLoop { served.datacenter.asksWhoCalls = true }
            let http = try RawHTTP(port: served.port)
            let page = try http.exchange("GET", "/ui/")
            #expect(page.status == 200)
            let policy = page.headers["content-security-policy"] ?? ""
            #expect(policy.contains("connect-src 'self';"))
            for path in [
                "overview", "live", "keys", "history?key=\(Self.master)", "changes", "state",
                "agents/agent-h0/files/browse?path=a",
            ] {
                #expect(try http.exchange("GET", "/ui/api/\(path)").status == 401, "\(path)")
            }
        }
    }
}

extension RawHTTP {
    /// The data of the next server-sent event of a name; others are passed over.
    fileprivate func readEvent(_ name: String) throws -> String {
        while true {
            var lines: [String] = []
            while true {
                let line = try readLine()
                if line.isEmpty { break }
                lines.append(line)
            }
            guard lines.first == "event: \(name)" else { continue }
            return String(lines.last?.dropFirst("data: ".count) ?? "")
        }
    }
}
