internal import NIOCore
internal import Primitives
internal import RPC
internal import StateMachine

/// The HTTP/1.1 side of the client port: health, version, metrics.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class HTTPEndpoints: @unchecked Sendable {
    private unowned let node: any NodeFacade
    private let metrics: MetricsPage
    /// Where requests below `/v3/` go.
    var gateway: JSONGateway?

    init(node: any NodeFacade, metrics: MetricsPage) {
        self.node = node
        self.metrics = metrics
    }

    var responder: HTTP1Responder {
        { request, eventLoop in
            if let answer = self.gateway?.respond(request) { return answer }
            let promise = eventLoop.makePromise(of: HTTP1Response.self)
            self.answer(request) { promise.succeed($0) }
            return promise.futureResult
        }
    }

    func answer(_ request: HTTP1Request, _ done: @escaping (HTTP1Response) -> Void) {
        let target = HTTPTarget(request.uri)
        guard Self.isKnown(target.path) else { return done(.text(404, "404 page not found\n")) }
        guard request.method == "GET" || request.method == "HEAD" else {
            var refusal = HTTP1Response.text(405, "Method Not Allowed\n")
            refusal.headers.append(("Allow", "GET"))
            return done(refusal)
        }
        switch target.path {
        case "/version": done(version())
        case "/metrics": metrics.response(done)
        case "/health": health(target, done)
        default: probes(target, done)
        }
    }

    private static func isKnown(_ path: String) -> Bool {
        if ["/version", "/metrics", "/health"].contains(path) { return true }
        return Probe.selected(by: path) != nil
    }

    private func version() -> HTTP1Response {
        let cluster = node.status().clusterVersion
        return .json(
            200,
            "{\"etcdserver\":\"\(EtcdVersion.server)\","
                + "\"etcdcluster\":\"\(cluster.isEmpty ? "not_decided" : cluster)\","
                + "\"storage\":\"\(EtcdVersion.storage)\"}")
    }

    // MARK: /health

    private func health(_ target: HTTPTarget, _ done: @escaping (HTTP1Response) -> Void) {
        let excluded = target.values("exclude")
        for alarm in node.store.alarms.raised where !excluded.contains(alarm.kind.name) {
            return done(Self.health(failing: "ALARM \(alarm.kind.name)"))
        }
        if target.values("serializable").first == "true" { return done(Self.health(failing: nil)) }
        if node.spaceShortage != nil { return done(Self.health(failing: "DISK FULL")) }
        guard node.leader != nil else { return done(Self.health(failing: "RAFT NO LEADER")) }
        node.linearizableRead { failure in
            done(Self.health(failing: failure.map { "RANGE ERROR:\($0.status.message)" }))
        }
    }

    private static func health(failing reason: String?) -> HTTP1Response {
        .json(
            reason == nil ? 200 : 503,
            "{\"health\":\"\(reason == nil)\",\"reason\":\"\(reason ?? "")\"}")
    }

    // MARK: /livez and /readyz

    /// One check of `/livez` or `/readyz`.
    private enum Probe: String, CaseIterable {
        case dataCorruption = "data_corruption"
        case serializableRead = "serializable_read"
        case linearizableRead = "linearizable_read"
        case nonLearner = "non_learner"

        /// The checks that a path runs; nil where there is no such path.
        static func selected(by path: String) -> [Probe]? {
            let root = path.hasPrefix("/livez") ? "/livez" : "/readyz"
            let all: [Probe] = root == "/livez" ? [.serializableRead] : allCases
            if path == root { return all }
            return all.first { path == "\(root)/\($0.rawValue)" }.map { [$0] }
        }
    }

    private func probes(_ target: HTTPTarget, _ done: @escaping (HTTP1Response) -> Void) {
        guard let probes = Probe.selected(by: target.path) else {
            return done(.text(404, "404 page not found\n"))
        }
        let excluded = target.values("exclude")
        let allowed = target.values("allowlist")
        var lines = ""
        var isFailing = false
        func finish() {
            if isFailing { return done(.text(503, lines + "\(target.path) check failed\n")) }
            guard target.has("verbose") else { return done(.text(200, "ok")) }
            done(.text(200, lines + "\(target.path) check passed\n"))
        }
        func run(_ index: Int) {
            guard index < probes.count else { return finish() }
            let name = probes[index].rawValue
            if excluded.contains(name) || (!allowed.isEmpty && !allowed.contains(name)) {
                lines += "[+]\(name) excluded: ok\n"
                return run(index + 1)
            }
            check(probes[index]) { failure in
                lines += failure.map { "[-]\(name) failed: \($0)\n" } ?? "[+]\(name) ok\n"
                isFailing = isFailing || failure != nil
                run(index + 1)
            }
        }
        run(0)
    }

    private func check(_ probe: Probe, _ done: @escaping (String?) -> Void) {
        switch probe {
        case .dataCorruption:
            done(node.store.alarms.isRaised(.corrupt) ? "alarm activated: CORRUPT" : nil)
        case .serializableRead: done(nil)
        case .linearizableRead: node.linearizableRead { done($0?.status.message) }
        case .nonLearner: done(node.isLearner ? "local member is a learner" : nil)
        }
    }
}

/// A request's path and query.
struct HTTPTarget {
    let path: String
    private let query: [(name: String, value: String)]

    init(_ uri: String) {
        let halves = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = halves.first.map(String.init) ?? ""
        let pairs = halves.count > 1 ? halves[1].split(separator: "&") : []
        query = pairs.map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
        }
    }

    func has(_ name: String) -> Bool { query.contains { $0.name == name } }
    func values(_ name: String) -> [String] {
        query.filter { $0.name == name && !$0.value.isEmpty }.map(\.value)
    }
}

extension HTTP1Response {
    static func text(_ status: Int, _ body: String) -> HTTP1Response {
        HTTP1Response(
            status: status,
            headers: [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("X-Content-Type-Options", "nosniff"),
            ], body: Array(body.utf8))
    }

    static func json(_ status: Int, _ body: String) -> HTTP1Response {
        HTTP1Response(
            status: status, headers: [("Content-Type", "application/json")], body: Array(body.utf8))
    }
}

extension AlarmKind {
    /// The alarm's name in etcd's enum.
    var name: String {
        switch self {
        case .noSpace: "NOSPACE"
        case .corrupt: "CORRUPT"
        }
    }
}
