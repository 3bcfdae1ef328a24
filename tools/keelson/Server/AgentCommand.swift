internal import Agent
internal import ArgumentParser
internal import Foundation
internal import KeelsonClient
internal import StateMachine

struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Be an agent of a cluster (the default), or look at its agents.",
        discussion: """
            EXAMPLES:
              keelson agent --work-dir /var/lib/keelson-agent
              keelson agent run --help
              keelson agent list
              keelson agent explain 55b320c1
              keelson agent drain 55b320c1
              keelson agent reserve 55b320c1 --role web 'cpus:2;mem:512'
            """,
        subcommands: [
            AgentRunCommand.self, AgentListCommand.self, AgentShowCommand.self,
            AgentExplainCommand.self, AgentDrainCommand.self, AgentDeactivateCommand.self,
            AgentActivateCommand.self, AgentRemoveCommand.self, AgentReserveCommand.self,
            AgentUnreserveCommand.self,
        ],
        defaultSubcommand: AgentRunCommand.self)
}

/// `keelson agent run`: a machine of the cluster, which runs tasks.
struct AgentRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Offer this machine to a cluster, and run tasks on it.",
        discussion: """
            The agent registers with the cluster that --endpoints names, through whichever server
            answers, and runs the tasks that frameworks launch on it. Tasks live on when the agent
            is stopped or upgraded; it finds them when it is started again with the same --work-dir.

            EXAMPLE:
              keelson agent --endpoints http://127.0.0.1:2379 --work-dir /var/lib/keelson-agent \\
                --resources 'cpus:4;mem:2048;ports:[31000-31999]' --attributes 'rack:r1;zone:a'
            """)

    @Option(
        help: ArgumentHelp(
            "Client addresses of any of the cluster's servers, separated by commas."
                + " KEELSON_ENDPOINTS sets them too. (default: http://127.0.0.1:2379)",
            valueName: "urls"))
    var endpoints: String?

    @Option(
        help: ArgumentHelp(
            "Where tasks have their sandboxes, and the agent what it has to remember.",
            valueName: "directory"))
    var workDir = "/var/lib/keelson-agent"

    @Option(
        help: ArgumentHelp(
            "Where this agent serves files of sandboxes, /state, /metrics and /health, with http or"
                + " https; none turns it off.", valueName: "url"))
    var listenUrl = "http://127.0.0.1:5051"

    @Option(
        help: ArgumentHelp(
            "What there is to offer: name:amount, name:[first-last,…] or name:{a,b}, separated by"
                + " semicolons. (default: what this machine has)", valueName: "resources"))
    var resources: String?

    @Option(
        help: ArgumentHelp(
            "What frameworks may choose this machine by: name:value, separated by semicolons.",
            valueName: "attributes"))
    var attributes = ""

    @Option(help: "The name of this machine. (default: its host name)") var hostname: String?

    @Option(
        help: ArgumentHelp(
            "As whom to log in, where the cluster asks. KEELSON_USER and KEELSON_PASSWORD set them"
                + " too.", valueName: "name:password"))
    var user: String?

    @Flag(
        help: """
            Executors must send the token that they get in MESOS_EXECUTOR_AUTHENTICATION_TOKEN; \
            pymesos does not.
            """)
    var authenticateHttpExecutors = false

    @OptionGroup(title: "TLS towards the servers") var tls: TLSClientOptions

    @OptionGroup(title: "TLS of --listen-url") var portTLS: AgentTLSOptions

    @Option(
        help: ArgumentHelp(
            "Directories from which tasks may take files, separated by commas.",
            valueName: "directories"))
    var fileRoots = ""

    func run() async throws {
        let settings = try AgentFlags(self).settings()
        let status = await AgentRun.run(settings)
        if status != 0 { throw ExitCode(status) }
    }
}
