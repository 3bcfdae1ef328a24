import ControlPlane
import Scheduling
import StateMachine
import Testing

@Suite("Marathon's API: paths, methods and answers")
struct MarathonSurfaceTests {
    let store = MarathonStore()

    private var surface: MarathonSurface {
        MarathonSurface(store.view, leader: "h:5050", version: "1.11.0")
    }

    /// As a client sees it: a command is decided and answered.
    private func send(
        _ method: String, _ path: String, _ body: String = "",
        query: [(name: String, value: String)] = []
    ) -> MarathonAnswer {
        let request = MarathonRequest(method, path, query: query, body: Array(body.utf8))
        switch surface.reply(request) {
        case .answer(let answer): return answer
        case .command(let command, let after):
            let outcome = store.apply(.service(command))
            return MarathonSurface.finish(after, outcome, store.view)
        case .events: return MarathonAnswer(200)
        }
    }

    @Test("ids keep their slashes in paths, and what stands behind them is told apart")
    func routes() {
        #expect(MarathonRoute(path: "/v2/apps//prod/web") == .app("/prod/web"))
        #expect(MarathonRoute(path: "/v2/apps/") == .apps)
        #expect(MarathonRoute(path: "/v2/apps/prod/*") == .appsBelow("/prod"))
        #expect(MarathonRoute(path: "/v2/apps//a/b/restart") == .restart("/a/b"))
        #expect(MarathonRoute(path: "/v2/apps/a/tasks") == .appTasks("/a"))
        #expect(MarathonRoute(path: "/v2/apps/a/tasks/t.1") == .appTask("/a", InstanceID("t.1")))
        #expect(MarathonRoute(path: "/v2/apps/a/versions/v") == .version("/a", "v"))
        #expect(MarathonRoute(path: "/v2/groups//prod/") == .group("/prod"))
        #expect(MarathonRoute(path: "/v2/queue//a/delay") == .delay("/a"))
        #expect(MarathonRoute(path: "/v2/tasks/delete") == .killTasks)
        for path in ["/", "/v2", "/v1/apps", "/v2/none", "/v2/info/x", "/v2/queue/a"] {
            #expect(MarathonRoute(path: path) == nil, "\(path)")
        }
    }

    @Test("an app's life, as a client sees it")
    func life() throws {
        #expect(send("GET", "/ping").text == "pong")
        let created = send("POST", "/v2/apps", #"{"id": "/web", "cmd": "x", "labels": {"a": "1"}}"#)
        #expect(created.status == 201 && created.body?["id"] == "/web")
        let id = try #require(created.headers["Marathon-Deployment-Id"])
        #expect(send("GET", "/v2/deployments").body?["0", "id"] == .text(id))
        #expect(send("PUT", "/v2/apps//web", #"{"instances": 2}"#).status == 409)
        let forced = send("PUT", "/v2/apps//web", #"{"instances": 2}"#, query: [("force", "True")])
        #expect(forced.status == 200 && forced.body?["deploymentId"] != nil)
        #expect(send("GET", "/v2/apps//web").body?["app", "instances"] == 2)
        #expect(send("GET", "/v2/apps//web").body?["app", "cmd"] == "x")
        // All of it, where an update is not partial.
        let whole = send(
            "PUT", "/v2/apps//web", #"{"cmd": "y"}"#,
            query: [("force", "true"), ("partialUpdate", "false")])
        #expect(whole.status == 200)
        #expect(send("GET", "/v2/apps//web").body?["app", "instances"] == 1)
        for (label, count) in [("a==1", 0), ("a", 0), ("a!=1", 1)] {
            let apps = send("GET", "/v2/apps", query: [("label", label)]).body?["apps"]
            guard case .list(let found)? = apps else {
                Issue.record("no apps")
                return
            }
            #expect(found.count == count, "\(label)")
        }
        #expect(send("POST", "/v2/apps//web/restart", query: [("force", "")]).status == 200)
        #expect(send("DELETE", "/v2/apps//web", query: [("force", "true")]).status == 200)
        #expect(send("DELETE", "/v2/apps//none").status == 404)
        #expect(send("PATCH", "/v2/tasks").status == 405 && send("BREW", "/v2/apps").status == 405)
        #expect(send("GET", "/v2/nothing").status == 404)
    }

    @Test("deployments are rolled back, or ended with force")
    func deployments() throws {
        let created = send("POST", "/v2/apps", #"{"id": "/web", "cmd": "x"}"#)
        let id = try #require(created.headers["Marathon-Deployment-Id"])
        let back = send("DELETE", "/v2/deployments/\(id)")
        #expect(back.status == 200)
        let second = try #require(back.headers["Marathon-Deployment-Id"])
        #expect(second != id && send("DELETE", "/v2/deployments/\(id)").status == 404)
        let ended = send("DELETE", "/v2/deployments/\(second)", query: [("force", "true")])
        #expect(ended.status == 202 && ended.body == nil)
        #expect(send("GET", "/v2/deployments").body == [])
    }

    @Test("tasks are killed by name, by host, and for good")
    func kills() throws {
        store.finish(try store.create(#"{"id": "/web", "cmd": "x"}"#))
        let task = try store.run("/web", "cpus:1")
        #expect(
            send("DELETE", "/v2/apps//web/tasks", query: [("host", "other")]).body?["tasks"] == [])
        #expect(send("DELETE", "/v2/apps//web/tasks/none").status == 404)
        let killed = send("DELETE", "/v2/apps//web/tasks/\(task)")
        #expect(killed.body?["task", "id"] == .text(task.description))
        let scaled = send(
            "POST", "/v2/tasks/delete", #"{"ids": ["\#(task)"]}"#, query: [("scale", "true")])
        #expect(scaled.status == 200 && scaled.body?["deploymentId"] != nil)
        #expect(send("GET", "/v2/tasks", query: [("status", "staging")]).body?["tasks"] == [])
        #expect(send("DELETE", "/v2/queue//web/delay").status == 204)
    }

    @Test("groups and what else clients look for")
    func others() {
        let body = #"{"id": "/g", "apps": [{"id": "a", "cmd": "x"}]}"#
        #expect(send("POST", "/v2/groups", body).status == 201)
        #expect(send("GET", "/v2/groups//g").body?["apps", "0", "id"] == "/g/a")
        #expect(send("GET", "/v2/apps/g/*").body?["apps", "0", "id"] == "/g/a")
        #expect(send("DELETE", "/v2/groups//g", query: [("force", "true")]).status == 200)
        #expect(send("GET", "/v2/groups//none").status == 404)
        #expect(send("GET", "/v2/leader").body?["leader"] == "h:5050")
        #expect(send("GET", "/v2/info").body?["elected"] == true)
        #expect(send("HEAD", "/v2/pods").status == 200 && send("GET", "/v2/pods").body == [])
        let events = MarathonRequest("GET", "/v2/events", query: [("event_type", "x")])
        #expect(surface.reply(events) == .events(["x"]))
        #expect(send("POST", "/v2/apps", "{").status == 400)
    }
}
