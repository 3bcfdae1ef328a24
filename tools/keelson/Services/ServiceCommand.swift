internal import ArgumentParser
internal import ControlPlane
internal import KeelsonClient

struct ServiceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "service",
        abstract: "Keep so many instances of a program running, and change them with care.",
        discussion: """
            EXAMPLES:
              keelson service run web --instances 3 --port http --cmd 'exec ./server --port $PORT0'
              keelson service list
              keelson service scale web 5
              keelson service update web --env GREETING=hello
              keelson service rollback web
              keelson service rm web
            """,
        subcommands: [
            ServiceRunCommand.self, ServiceListCommand.self, ServiceShowCommand.self,
            ServiceScaleCommand.self, ServiceUpdateCommand.self, ServiceRestartCommand.self,
            ServiceRollbackCommand.self, ServiceRemoveCommand.self, ServiceLogsCommand.self,
            ServiceEventsCommand.self,
        ])
}

struct ServiceListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print the services, and how many instances of each run.",
        discussion: """
            EXAMPLES:
              keelson service list
              keelson service list -o json
            """)

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let body = try await cluster.withServices { try await $0.get("/v2/apps") }
        var output = Output()
        switch cluster.format {
        case .json: output.line(body.bytes)
        case .text:
            let apps = body["apps"]?.elements.map { AppView($0) } ?? []
            output.table(
                ["SERVICE", "RUNNING", "HEALTHY", "CPUS", "MEM", "STATE", "VERSION"],
                apps.map { app in
                    [
                        app.id, "\(app.running)/\(app.instances)",
                        app.hasChecks ? "\(app.healthy)" : "-", app.json["cpus"]?.written ?? "",
                        app.json["mem"]?.written ?? "", app.state, app.version,
                    ]
                })
        }
        output.flush()
    }
}

struct ServiceShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print a service, its instances, and what keeps them from starting.",
        discussion: """
            EXAMPLES:
              keelson service show web
              keelson service show /prod/web -o json
            """)

    @Argument(help: "The service.") var name: String
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let path = try ServiceName.path(name)
        let (app, versions, why) = try await cluster.withServices { client in
            let body = try await client.get("/v2/apps\(path)")
            let versions = try await client.get("/v2/apps\(path)/versions")
            let queue = try await client.get("/v2/queue")
            return (AppView(body["app"] ?? .null), versions, QueueView(queue).reason(of: path))
        }
        var output = Output()
        switch cluster.format {
        case .json: output.line(app.json.bytes)
        case .text: print(app, versions["versions"]?.elements ?? [], why, to: &output)
        }
        output.flush()
    }

    private func print(
        _ app: AppView, _ versions: [MarathonJSON], _ why: String?, to output: inout Output
    ) {
        output.line("service    \(app.id)")
        output.line("state      \(app.state)")
        output.line("instances  \(app.running) of \(app.instances) run, \(app.staged) start")
        if app.hasChecks { output.line("healthy    \(app.healthy)") }
        output.line("program    \(app.program)")
        let (cpus, mem) = (app.json["cpus"]?.written ?? "", app.json["mem"]?.written ?? "")
        output.line("each has   cpus \(cpus), mem \(mem)")
        let kept = versions.compactMap(\.string).prefix(5).joined(separator: ", ")
        output.line("versions   \(kept)")
        if let failure = app.lastFailure { output.line("failure    \(failure)") }
        if let why { output.line("waiting    \(why)") }
        output.line("")
        output.table(
            ["INSTANCE", "STATE", "HOST", "PORTS", "VERSION"],
            app.tasks.map { task in
                [
                    task["id"]?.string ?? "", task["state"]?.string ?? "",
                    task["host"]?.string ?? "",
                    task["ports"]?.elements.map(\.written).joined(separator: ",") ?? "",
                    task["version"]?.string ?? "",
                ]
            })
    }
}

/// An app of Marathon's as it is printed.
struct AppView {
    let json: MarathonJSON

    init(_ json: MarathonJSON) { self.json = json }

    private func count(_ name: String) -> Int { json[name]?.number ?? 0 }

    var id: String { json["id"]?.string ?? "" }
    var version: String { json["version"]?.string ?? "" }
    var instances: Int { count("instances") }
    var running: Int { count("tasksRunning") }
    var staged: Int { count("tasksStaged") }
    var healthy: Int { count("tasksHealthy") }
    var hasChecks: Bool { !(json["healthChecks"]?.elements.isEmpty ?? true) }
    var tasks: [MarathonJSON] { json["tasks"]?.elements ?? [] }
    var deployments: [String] {
        json["deployments"]?.elements.compactMap { $0["id"]?.string } ?? []
    }

    var state: String {
        if !deployments.isEmpty { return "deploying" }
        if instances == 0 { return "suspended" }
        return running >= instances ? "running" : "degraded"
    }

    var program: String {
        if let command = json["cmd"]?.string { return command }
        return json["args"]?.elements.compactMap(\.string).joined(separator: " ") ?? ""
    }

    /// Instances of its newest version that run.
    var updated: Int {
        tasks.count { $0["state"] == "TASK_RUNNING" && $0["version"]?.string == version }
    }

    var lastFailure: String? {
        guard let failure = json["lastTaskFailure"], let state = failure["state"]?.string else {
            return nil
        }
        let message = failure["message"]?.string ?? ""
        let host = failure["host"]?.string ?? ""
        return "\(state) on \(host) at \(failure["timestamp"]?.string ?? "")"
            + (message.isEmpty ? "" : ": \(message)")
    }
}

/// Marathon's queue: what waits for an offer, and why.
struct QueueView {
    private let items: [MarathonJSON]

    init(_ json: MarathonJSON) { items = json["queue"]?.elements ?? [] }

    /// Nil where no instance of it waits.
    func reason(of path: String) -> String? {
        let found = items.first { $0["app"]?["id"]?.string == path }
        guard let item = found else { return nil }
        var parts = ["\(item["count"]?.number ?? 0) wait for an offer"]
        let left = item["delay"]?["timeLeftSeconds"]?.number ?? 0
        if left > 0 { parts.append("held back for \(left) s after failures") }
        let summary = item["processedOffersSummary"]
        let seen = summary?["processedOffersCount"]?.number ?? 0
        let unused = summary?["unusedOffersCount"]?.number ?? 0
        if seen > 0 {
            parts.append("of \(seen) offers \(unused) were refused")
        } else if left == 0 {
            parts.append("no offer has come yet: see keelson agent list")
        }
        let refusals = (summary?["rejectSummaryLastOffers"]?.elements ?? []).map {
            "\($0["reason"]?.string ?? "") \($0["declined"]?.number ?? 0)"
        }
        let why = refusals.isEmpty ? "" : " (" + refusals.joined(separator: ", ") + ")"
        return parts.joined(separator: ", ") + why
    }
}

extension ClusterOptions {
    func withServices<Answer: Sendable>(
        _ body: (ServiceClient) async throws -> Answer
    ) async throws -> Answer {
        try await withCluster {
            try await body(ServiceClient(cluster: $0, timeout: timeout.duration))
        }
    }
}
