import ControlPlane
import Scheduling
import StateMachine
import Testing

@Suite("Marathon's API: what requests come to, and what is shown")
struct MarathonViewTests {
    let store = MarathonStore()

    private func refusal(_ body: () throws -> Void) -> MarathonRefusal? {
        do {
            try body()
            return nil
        } catch {
            return error as? MarathonRefusal
        }
    }

    @Test("an app that is created is there with its deployment; a second one of its name is not")
    func create() throws {
        let id = try store.create(#"{"id": "/web", "cmd": "x", "instances": 2}"#)
        let app = try #require(store.view.app("/web"))
        #expect(app["deployments"] == .list([.object(("id", .text(id.description)))]))
        #expect(app["version"] == .text("2024-03-01T12:30:01.000Z"))
        #expect(app["tasksRunning"] == 0 && app["instances"] == 2)
        let again = refusal { try store.create(#"{"id": "/web", "cmd": "x"}"#) }
        #expect(again?.status == 409)
        #expect(again?.body["message"] == "An app with id [/web] already exists.")
        let deployment = try #require(store.view.deployments().first)
        #expect(deployment["currentStep"] == 1 && deployment["totalSteps"] == 1)
        #expect(deployment["affectedApps"] == ["/web"])
        #expect(deployment["steps", "0", "actions", "0", "action"] == "StartApplication")
        #expect(deployment["currentActions", "0", "app"] == "/web")
    }

    @Test("a change of what is locked names the deployment, and force goes through")
    func locked() throws {
        let id = try store.create(#"{"id": "/web", "cmd": "x"}"#)
        func update(_ isForced: Bool) throws {
            let command = try store.requests.updateApp(
                "/web", Array(#"{"cmd": "y"}"#.utf8), isPartial: true, isForced: isForced)
            _ = try MarathonRequests.answer(store.apply(.service(command)))
        }
        let locked = refusal { try update(false) }
        #expect(locked?.status == 409 && locked?.deployments == [id])
        #expect(locked?.body["deployments", "0", "id"] == .text(id.description))
        #expect(refusal { try update(true) } == nil)
    }

    @Test("statuses and bodies of errors are Marathon's")
    func errors() throws {
        let body = refusal { _ = try store.create("{") }
        #expect(body?.status == 400 && body?.body["message"] == "Invalid JSON")
        let invalid = refusal { _ = try store.create(#"{"id": "/a", "cmd": "x", "cpus": -1}"#) }
        #expect(invalid?.status == 422)
        #expect(
            invalid?.body.string
                == #"{"message":"Object is not valid","details":[{"path":"/cpus","errors":"#
                + #"["must be greater than or equal to 0"]}]}"#)
        #expect(MarathonRefusal(ServiceError.unknownService("/x")).status == 404)
        #expect(MarathonRefusal(ServiceError.tooManyDeployments(max: 1)).status == 403)
        #expect(MarathonRefusal(ServiceError.cyclicDependencies("/x")).status == 422)
        #expect(MarathonRefusal(.unknown)?.status == 503)
        #expect(MarathonRefusal(.refused(nil))?.status == 503)
        #expect(MarathonRefusal(.done(.done)) == nil)
    }

    @Test("an update that names a version goes back to it")
    func versions() throws {
        store.finish(try store.create(#"{"id": "/web", "cmd": "one"}"#))
        let first = try #require(store.services.services["/web"]?.record.latest)
        func update(_ text: String) throws {
            let command = try store.requests.updateApp(
                "/web", Array(text.utf8), isPartial: true, isForced: true)
            _ = try MarathonRequests.answer(store.apply(.service(command)))
        }
        try update(#"{"cmd": "two"}"#)
        #expect(
            store.view.versions(of: "/web")?["versions", "1"] == .text(ServiceTimestamp.text(first))
        )
        #expect(store.view.version(first, of: "/web")?["cmd"] == "one")
        try update(#"{"version": "\#(ServiceTimestamp.text(first))"}"#)
        #expect(store.services.services["/web"]?.latest?.definition.command == "one")
        #expect(refusal { try update(#"{"version": "2001-01-01T00:00:00.000Z"}"#) }?.status == 404)
        #expect(refusal { try update(#"{"version": "yesterday"}"#) }?.status == 422)
    }

    @Test("a task has its machine, its ports and its health, and clients that kill it name it")
    func tasks() throws {
        store.finish(
            try store.create(
                """
                {"id": "/web", "cmd": "x", "ports": [0, 0],
                 "healthChecks": [{"protocol": "TCP"}]}
                """))
        let instance = try store.run("/web", "cpus:1;ports:[31004-31005]")
        let task = try #require(store.view.tasks().first)
        #expect(task["appId"] == "/web" && task["state"] == "TASK_RUNNING")
        #expect(task["host"] == "10.0.0.7" && task["ports"] == [31_004, 31_005])
        #expect(task["ipAddresses", "0", "ipAddress"] == "10.0.0.7")
        #expect(task["healthCheckResults", "0", "alive"] == true)
        #expect(task["startedAt"] != nil && task["slaveId"] == "a1")
        let app = try #require(store.view.app("/web"))
        #expect(app["tasksRunning"] == 1 && app["tasksHealthy"] == 1)
        let ids = try MarathonRequests.taskIDs(Array(#"{"ids": ["\#(instance)", "none"]}"#.utf8))
        let kill = store.requests.killTasks(ids, of: "/web", scales: true, isForced: false)
        #expect(kill == .stop([instance], scales: true, isForced: false))
        #expect(
            store.requests.killTasks(ids, of: "/x", scales: false, isForced: false)
                == .stop([], scales: false, isForced: false))
        #expect(refusal { _ = try MarathonRequests.taskIDs(Array("{}".utf8)) }?.status == 422)
        store.apply(.service(kill))
        #expect(store.services.services["/web"]?.latest?.definition.instances == 0)
    }

    @Test("the queue shows what waits, until when, and what offers were refused")
    func queue() throws {
        store.finish(try store.create(#"{"id": "/web", "cmd": "x", "backoffSeconds": 10}"#))
        let instance = try store.run("/web", "cpus:1")
        store.report(instance, .failed, [0x22, 3] + Array("bad".utf8))
        var adjustment = ServiceAdjustment(
            service: "/web",
            configuration: store.services.services["/web"]?.active?.configuration ?? 0, begun: 1)
        adjustment.starts = 1
        store.apply(.service(.adjust(adjustment)))
        let item = try #require(store.view.queue()["queue", "0"])
        #expect(item["count"] == 1 && item["delay", "timeLeftSeconds"] == 9)
        #expect(item["delay", "overdue"] == false)
        #expect(item["processedOffersSummary", "unusedOffersCount"] == 3)
        #expect(store.view.app("/web")?["lastTaskFailure", "message"] == "bad")
    }

    @Test("groups are trees: what their lists do not name goes, what they do not say stays")
    func groups() throws {
        func put(_ id: ServiceID, _ text: String) throws {
            let command = try store.requests.updateGroup(id, Array(text.utf8), isForced: true)
            _ = try MarathonRequests.answer(store.apply(.service(command)))
        }
        let body = """
            {"id": "/prod", "apps": [{"id": "web", "cmd": "w"}], "groups": [
              {"id": "back", "apps": [{"id": "db", "cmd": "d", "instances": 2},
                                      {"id": "/prod/back/mq", "cmd": "m"}]},
              {"id": "front", "dependencies": ["back"], "apps": [{"id": "ui", "cmd": "u"}]}]}
            """
        let (name, command) = try store.requests.createGroup(Array(body.utf8), isForced: false)
        #expect(name == "/prod")
        let answer = try #require(try MarathonRequests.answer(store.apply(.service(command))))
        let parts = try #require(store.services.deployments[answer.deployment]).parts
        #expect(parts.last?.service == "/prod/front/ui" && parts.last?.step == 1)
        store.finish(answer.deployment)
        let group = try #require(store.view.group("/prod"))
        #expect(group["apps", "0", "id"] == "/prod/web")
        #expect(group["groups", "0", "apps", "1", "id"] == "/prod/back/mq")
        #expect(group["groups", "1", "dependencies"] == ["/prod/back"])
        #expect(store.view.group("/")?["groups", "0", "id"] == "/prod")
        #expect(
            refusal { _ = try store.requests.createGroup(Array(body.utf8), isForced: false) }?
                .status == 409)
        try put("/prod", #"{"scaleBy": 1.5}"#)
        #expect(store.services.services["/prod/back/db"]?.latest?.definition.instances == 3)
        try put("/prod/back", #"{"apps": [{"id": "db", "cmd": "d"}]}"#)
        let id = try #require(store.services.services["/prod/back/mq"]).record.deployment
        let ends = store.services.deployments[id]?.parts.filter { $0.action == .stop }
        #expect(ends?.map(\.service) == ["/prod/back/mq"])
        let bad = refusal {
            try put("/prod", #"{"groups": [{"id": "back", "apps": [{"id": "x"}]}]}"#)
        }
        #expect(bad?.status == 422 && bad?.details.first?.path == "/groups(0)/apps(0)")
        let remove = try store.requests.removeGroup("/prod", isForced: true)
        store.apply(.service(remove))
        #expect(
            store.services.serviceIDs.allSatisfy {
                store.services.services[$0]?.record.deployment.rawValue != 0
            })
        #expect(
            refusal { _ = try store.requests.removeGroup("/none", isForced: false) }?.status == 404)
    }

    @Test("events have the index that they follow from, in the form of server-sent events")
    func events() throws {
        let id = try store.create(#"{"id": "/web", "cmd": "x"}"#)
        let events = store.events(index: 7)
        #expect(events.map(\.type) == ["deployment_info"])
        let frame = String(decoding: try #require(events.first).frame, as: UTF8.self)
        #expect(frame.hasPrefix("event: deployment_info\ndata: {\"eventType\":"))
        #expect(frame.hasSuffix("}\n\n"))
        store.finish(id)
        #expect(store.events(index: 8).map(\.type) == ["deployment_success"])
        _ = try store.run("/web", "cpus:1")
        let update = try #require(store.events(index: 9).first)
        #expect(update.type == "status_update_event" && update.body["appId"] == "/web")
        #expect(update.body["taskStatus"] == "TASK_RUNNING")
        #expect(MarathonEvent.idLine(9) == Array("id: 9\n".utf8))
        #expect(MarathonEvent.index(lastEventID: "9") == 9)
        #expect(
            store.view.attached(remoteAddress: "1.2.3.4", index: 1, clock: 1).body["remoteAddress"]
                == "1.2.3.4")
        let info = store.view.info(leader: "h:5050", version: "1")
        #expect(info["elected"] == true && info["leader"] == "h:5050")
        #expect(MarathonView.leader("h:5050")["leader"] == "h:5050")
    }

    @Test("an entry's events are of the records as it left them, though later entries changed them")
    func eventsOfEarlierEntries() throws {
        let id = try store.create(#"{"id": "/web", "cmd": "x"}"#)
        let (changes, records) = (store.changes, store.records)
        store.finish(id)
        let late = store.view.events(changes, of: records, owners: [:], index: 7, clock: 1)
        #expect(late.map(\.type) == ["deployment_info"])
        #expect(late.first?.body["plan", "steps", "0", "actions", "0", "app"] == "/web")
    }
}
