internal import ArgumentParser
internal import ControlPlane
internal import KeelsonClient

/// Whether, and how long, a command waits for the deployment that it begins.
struct DeploymentOptions: ParsableArguments {
    @Flag(help: "End deployments that are in the way.") var force = false
    @Flag(help: "Do not wait until it is done.") var detach = false
    @Option(help: "How long to wait until it is done.") var wait = TimeSpan(.seconds(300))

    /// Says what was begun, and follows it.
    func follow(
        _ answer: ServiceClient.Answer, _ client: ServiceClient, of services: [String]
    ) async throws {
        guard let deployment = answer.deployment else {
            return say("nothing is to be changed")
        }
        say("deployment \(deployment)")
        if detach { return }
        var progress = ServiceProgress(
            client, deployment, of: services, patience: wait.duration)
        try await progress.wait()
    }

    private func say(_ line: String) {
        var output = Output()
        output.line(line)
        output.flush()
    }
}

struct ServiceRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Begin a service, and wait until its instances run.",
        discussion: """
            The program stands behind --, or as a line for the shell in --cmd, or in a file of JSON
            or YAML as Marathon takes it: an app, or a group of them. While instances do not start
            it says why: which offers were refused, how many, for what.

            EXAMPLES:
              keelson service run web --instances 3 -- sleep 1000
              keelson service run web --port http --health-http / --cmd './server --port $PORT0'
              keelson service run --file web.yaml
              keelson service run db --constraint rack:UNIQUE --cpus 1 --mem 512 -- postgres -D data
            """)

    @Argument(help: "The service: a path, such as /prod/web. (default: as the file has it)")
    var name: String?
    @Argument(parsing: .postTerminator, help: "The program and its arguments, behind --.")
    var words: [String] = []
    @OptionGroup var definition: ServiceDefinitionOptions
    @OptionGroup var deployment: DeploymentOptions
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        if name == nil, definition.file == nil {
            throw ValidationError("Give the service's name, or a --file that has it.")
        }
        if definition.cmd != nil, !words.isEmpty {
            throw ValidationError("Give the program in --cmd or behind --, not both.")
        }
    }

    func run() async throws {
        let json = try definition.definition(named: name, words: words, isNew: true)
        let isGroup = json["apps"] != nil || json["groups"] != nil
        let path = isGroup ? "/v2/groups" : "/v2/apps"
        try await cluster.withServices { client in
            let answer = try await client.change(
                "POST", path, json, isForced: deployment.force)
            let services = isGroup ? [] : [answer.body["id"]?.string ?? ""]
            try await deployment.follow(answer, client, of: services)
        }
    }
}
