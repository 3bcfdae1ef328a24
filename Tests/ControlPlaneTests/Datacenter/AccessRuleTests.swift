import API
import ControlPlane
import StateMachine
import Testing

@Suite("What the HTTP port asks for, request by request")
struct AccessRuleTests {
    /// `read agents tasks`: kinds below `/keelson/local/`, each with all that is below it.
    private static func needs(_ text: String) -> [AccessNeed] {
        let words = text.split(separator: " ").map(String.init)
        return words.dropFirst().map { kind in
            let isPrefix = kind != "master"
            return AccessNeed(
                verb: words[0] == "read" ? .read : .write,
                key: Array("/keelson/local/\(kind)\(isPrefix ? "/" : "")".utf8),
                isPrefix: isPrefix)
        }
    }

    private static let state = "read agents frameworks tasks launches executors"
    private static let services =
        "read services service-versions service-groups instances deployments"

    @Test(
        "each path has its needs, under each of its names",
        arguments: [
            ("POST", "/api/v1/scheduler", "write frameworks"),
            ("POST", "/master/api/v1/scheduler", "write frameworks"),
            ("GET", "/state", state), ("GET", "/master/state.json", state),
            ("GET", "/mesos/master/state.json", state), ("HEAD", "/state", state),
            ("GET", "/state-summary", "read agents frameworks tasks"),
            ("GET", "/slaves", "read agents"), ("GET", "/tasks", "read tasks launches"),
            ("GET", "/frameworks", "read frameworks tasks launches executors"),
            ("GET", "/roles", "read roles frameworks"), ("GET", "/quota", "read roles"),
            ("GET", "/weights", "read roles"), ("GET", "/flags", "read master"),
            ("GET", "/metrics/snapshot", "read master"), ("GET", "/metrics", "read master"),
            ("POST", "/teardown", "write frameworks tasks"),
            ("POST", "/reserve", "write agents roles"),
            ("POST", "/machine/down", "write agents tasks"),
            ("GET", "/keelson/v1/explain", "read agents frameworks"),
            ("GET", "/keelson/v1/offers", "read agents frameworks"),
            ("POST", "/keelson/v1/kill", "write tasks"),
            ("GET", "/ui/api/overview", "read master"),
            ("GET", "/ui/api/live", state + " master"), ("GET", "/ui/api/state", state + " master"),
            ("GET", "/ui/api/agents/a/files/read", "read tasks launches"),
            ("GET", "/v2/apps", services), ("GET", "/v2/apps//prod/web/tasks", services),
            ("GET", "/v2/groups", services), ("GET", "/v2/queue", services),
            ("GET", "/v2/events", services), ("GET", "/service/marathon/v2/apps", services),
            ("GET", "/v2/info", "read master"), ("DELETE", "/v2/leader", "read master"),
            ("GET", "/metadata", "read master"), ("GET", "/slave/a/state.json", "read agents"),
        ])
    func paths(method: String, path: String, needs: String) {
        #expect(AccessRule(method: method, path: path) == .needs(Self.needs(needs)), "\(path)")
    }

    @Test(
        "nobody is asked for who only looks whether somebody is there",
        arguments: [
            "/health", "/master/health", "/version", "/redirect", "/ping", "/", "/ui/",
            "/ui/app.js", "/ui/api/alive",
        ])
    func forEverybody(path: String) {
        #expect(AccessRule(method: "GET", path: path) == .nobodyIsAsked)
    }

    @Test("any user may log in; calls and keys are judged by what they say")
    func others() {
        #expect(AccessRule(method: "GET", path: "/ui/login") == .needs([]))
        for (method, path) in [
            ("POST", "/api/v1"), ("POST", "/api/v1/operator"), ("GET", "/ui/api/keys"),
            ("GET", "/ui/api/changes"), ("POST", "/v2/apps"), ("PUT", "/v2/apps/web"),
            ("DELETE", "/v2/groups/prod"), ("POST", "/v2/tasks/delete"),
        ] {
            #expect(AccessRule(method: method, path: path) == .byContent, "\(path)")
        }
        #expect(AccessRule(method: "GET", path: "/nowhere") == nil)
        #expect(AccessRule(method: "DELETE", path: "/state") == nil)
    }

    @Test("each operator's call has its needs; those that end tasks write tasks")
    func calls() {
        let table: [(MesosMasterCall.TypeEnum, String)] = [
            (.getHealth, "read"), (.getVersion, "read"), (.getMaster, "read master"),
            (.getState, Self.state), (.subscribe, Self.state), (.getAgents, "read agents"),
            (.getTasks, "read tasks launches"), (.getQuota, "read roles"),
            (.updateQuota, "write roles"), (.setQuota, "write roles"),
            (.removeQuota, "write roles"), (.updateWeights, "write roles"),
            (.teardown, "write frameworks tasks"), (.drainAgent, "write agents tasks"),
            (.deactivateAgent, "write agents tasks"), (.reactivateAgent, "write agents tasks"),
            (.markAgentGone, "write agents tasks"), (.reserveResources, "write agents roles"),
            (.unreserveResources, "write agents roles"), (.createVolumes, "write agents roles"),
            (.destroyVolumes, "write agents roles"),
        ]
        for (type, needs) in table {
            var call = MesosMasterCall()
            call.type = type
            #expect(call.needs == Self.needs(needs), "\(type)")
        }
        for type in MesosMasterCall.TypeEnum.allCases {
            var call = MesosMasterCall()
            call.type = type
            let isFree = [.getHealth, .getVersion].contains(type)
            #expect(call.needs.isEmpty == isFree, "\(type)")
        }
    }

    @Test("a service is changed by who may write its record, and a group by who may write that")
    func commands() {
        func key(_ text: String) -> AccessNeed {
            AccessNeed(
                verb: .write, key: Array("/keelson/local/\(text)".utf8), isPrefix: false)
        }
        let web = ServiceID("/prod/web")
        let table = DatacenterTable()
        let change = ServiceChange([.remove(web), .removeGroup(ServiceID("/prod"))])
        #expect(
            ServiceCommand.change(change).needs(in: table)
                == [key("services/prod/web"), key("service-groups/prod")])
        #expect(
            ServiceCommand.resetDelay(web).needs(in: table) == [key("services/prod/web")])
        #expect(
            ServiceCommand.cancel(DeploymentID(1)).needs(in: table) == Self.needs("write services"))
    }
}
