internal import ArgumentParser
internal import ControlPlane
internal import KeelsonClient

struct ServiceScaleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale",
        abstract: "Have more instances, or fewer; none suspends the service.",
        discussion: """
            EXAMPLES:
              keelson service scale web 5
              keelson service scale web 0
            """)

    @Argument(help: "The service.") var name: String
    @Argument(help: "How many instances run.") var instances: Int
    @OptionGroup var deployment: DeploymentOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let path = try ServiceName.path(name)
        let body = MarathonJSON.object(("instances", .integer(Int64(instances))))
        try await cluster.withServices { client in
            // It is not begun by this.
            _ = try await client.get("/v2/apps\(path)")
            let answer = try await client.change(
                "PUT", "/v2/apps\(path)", body, isForced: deployment.force)
            try await deployment.follow(answer, client, of: [path])
        }
    }
}

struct ServiceUpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Change a service: instance after instance is replaced.",
        discussion: """
            What is not said stays as it is. Never fewer stay healthy than --min-health allows.

            EXAMPLES:
              keelson service update web --env GREETING=hello
              keelson service update web --cpus 0.5 -- python3 server.py
              keelson service update web --file web.json --force
            """)

    @Argument(help: "The service.") var name: String
    @Argument(parsing: .postTerminator, help: "The program and its arguments, behind --.")
    var words: [String] = []
    @OptionGroup var definition: ServiceDefinitionOptions
    @OptionGroup var deployment: DeploymentOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let path = try ServiceName.path(name)
        let json = try definition.definition(named: name, words: words, isNew: false)
        try await cluster.withServices { client in
            _ = try await client.get("/v2/apps\(path)")
            let answer = try await client.change(
                "PUT", "/v2/apps\(path)", json, isForced: deployment.force)
            try await deployment.follow(answer, client, of: [path])
        }
    }
}

struct ServiceRestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart",
        abstract: "Replace all instances, one after the other.",
        discussion: """
            EXAMPLES:
              keelson service restart web
            """)

    @Argument(help: "The service.") var name: String
    @OptionGroup var deployment: DeploymentOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let path = try ServiceName.path(name)
        try await cluster.withServices { client in
            let answer = try await client.change(
                "POST", "/v2/apps\(path)/restart", isForced: deployment.force)
            try await deployment.follow(answer, client, of: [path])
        }
    }
}

struct ServiceRollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "Take back a deployment that goes on, else go back to the version before.",
        discussion: """
            EXAMPLES:
              keelson service rollback web
              keelson service rollback web --to 2026-11-30T08:15:00.000Z
            """)

    @Argument(help: "The service.") var name: String
    @Option(help: "A version, as keelson service show prints them.") var to: String?
    @OptionGroup var deployment: DeploymentOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let path = try ServiceName.path(name)
        try await cluster.withServices { client in
            let body = try await client.get("/v2/apps\(path)")
            let app = AppView(body["app"] ?? .null)
            let answer: ServiceClient.Answer
            if to == nil, let running = app.deployments.first {
                answer = try await client.change("DELETE", "/v2/deployments/\(running)")
            } else {
                let version = try await version(of: path, client)
                answer = try await client.change(
                    "PUT", "/v2/apps\(path)", .object(("version", .text(version))),
                    isForced: deployment.force)
            }
            try await deployment.follow(answer, client, of: [path])
        }
    }

    private func version(of path: String, _ client: ServiceClient) async throws -> String {
        if let to { return to }
        let body = try await client.get("/v2/apps\(path)/versions")
        let versions = body["versions"]?.elements.compactMap(\.string) ?? []
        guard versions.count > 1 else {
            throw Failure(.failed, "\(path) has no version before this one")
        }
        return versions[1]
    }
}

struct ServiceRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "End all instances of a service, and forget it.",
        discussion: """
            EXAMPLES:
              keelson service rm web
            """)

    @Argument(help: "The service.") var name: String
    @OptionGroup var deployment: DeploymentOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let path = try ServiceName.path(name)
        try await cluster.withServices { client in
            let answer = try await client.change(
                "DELETE", "/v2/apps\(path)", isForced: deployment.force)
            try await deployment.follow(answer, client, of: [path])
        }
    }
}
