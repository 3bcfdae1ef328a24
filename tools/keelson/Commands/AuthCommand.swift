internal import ArgumentParser
internal import KeelsonClient

struct AuthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "auth",
        abstract: "Turn authentication on and off.",
        discussion: """
            It can be turned on once there is a user root with the role root, and then lets in only
            who logs in: with --user NAME[:PASSWORD], or KEELSON_USER and KEELSON_PASSWORD.

            EXAMPLES:
              keelson user add root
              keelson user grant-role root root
              keelson auth enable
              keelson auth status --user root
            """,
        subcommands: [
            AuthEnableCommand.self, AuthDisableCommand.self, AuthStatusCommand.self,
        ])
}

struct AuthEnableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable", abstract: "Let in only who logs in.",
        discussion: "EXAMPLE:\n  keelson auth enable")

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.withCluster { try await $0.enableAuth() }
        Output.say("authentication is on")
    }
}

struct AuthDisableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Let everybody do everything; users and roles stay.",
        discussion: "EXAMPLE:\n  keelson auth disable --user root")

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.withCluster { try await $0.disableAuth() }
        Output.say("authentication is off")
    }
}

struct AuthStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Print whether authentication is on.",
        discussion: "EXAMPLE:\n  keelson auth status")

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let state = try await cluster.withCluster { try await $0.authState() }
        var output = Output()
        switch cluster.format {
        case .json:
            output.line(
                .object([
                    ("header", state.header.json), ("enabled", .bool(state.isEnabled)),
                    ("authRevision", .unsigned(state.revision)),
                ]))
        case .text:
            output.line("authentication is \(state.isEnabled ? "on" : "off")")
            output.line("auth revision \(state.revision)")
        }
        output.flush()
    }
}

extension Output {
    /// Prints one line.
    static func say(_ text: String) {
        var output = Output()
        output.line(text)
        output.flush()
    }

    /// Prints names, a line each, or as JSON under `field`.
    static func say(_ names: [String], as field: String, _ format: OutputFormat) {
        var output = Output()
        switch format {
        case .json: output.line(.object([(field, .array(names.map { .string($0) }))]))
        case .text: for name in names { output.line(name) }
        }
        output.flush()
    }
}
