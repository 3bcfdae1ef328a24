internal import Agent
internal import ArgumentParser
internal import KeelsonClient

@main
struct Keelson: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keelson",
        abstract: "The replicated control plane of a datacenter: server, client and tools.",
        discussion: """
            Client commands talk to the servers that --endpoints names, http://127.0.0.1:2379 unless
            KEELSON_ENDPOINTS says otherwise.

            EXAMPLES:
              keelson kv put greeting hello
              keelson kv get greeting
              keelson status --endpoints http://127.0.0.1:2379,http://127.0.0.1:2389

            COMPLETION (a new shell knows the commands and their options):
              keelson --generate-completion-script bash > /etc/bash_completion.d/keelson
              keelson --generate-completion-script zsh > "${fpath[1]}/_keelson"
              keelson --generate-completion-script fish > ~/.config/fish/completions/keelson.fish

            EXIT STATUS:
              0 done, 1 failed, 64 wrong usage, 65 data that cannot be trusted,
              69 cluster unavailable, 74 I/O error
            """,
        subcommands: [
            ServerCommand.self, DevCommand.self, AgentCommand.self, FrameworkCommand.self,
            TaskCommand.self, ServiceCommand.self, OfferCommand.self, QuotaCommand.self,
            WeightCommand.self,
            KVCommand.self, LeaseCommand.self, StatusCommand.self, HealthCommand.self,
            DoctorCommand.self, TopCommand.self,
            HashCommand.self, EndpointCommand.self,
            LockCommand.self, ElectCommand.self, MemberCommand.self, MoveLeaderCommand.self,
            AlarmCommand.self, CompactCommand.self, UserCommand.self, RoleCommand.self,
            AuthCommand.self, SnapshotCommand.self, BackupCommand.self, RestoreCommand.self,
            RecoverCommand.self, VerifyCommand.self, InspectCommand.self,
            BenchCommand.self, SimulateCommand.self,
        ])

    static func main() async {
        superviseIfAsked()
        let given = ServerFlags.withoutTruth(Array(CommandLine.arguments.dropFirst()))
        let words = GlobalOptions.hoisted(given, root: self)
        var command: any ParsableCommand
        do { command = try parseAsRoot(words) } catch { exit(withError: error) }
        do {
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let error as ClusterError {
            Failure(error).exit()
        } catch let failure as Failure {
            failure.exit()
        } catch {
            exit(withError: error)
        }
    }

    /// What an agent starts beside each of its tasks, and not for people. Before anything else: its
    /// descriptor 0 is a socket, and nothing may read from it.
    private static func superviseIfAsked() {
        let words = Array(CommandLine.arguments.dropFirst())
        guard words.first == AgentSupervisor.subcommand else { return }
        let status = AgentSupervisor.run(arguments: Array(words.dropFirst()))
        exit(withError: ExitCode(status))
    }
}
