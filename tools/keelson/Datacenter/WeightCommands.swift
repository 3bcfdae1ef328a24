internal import API
internal import ArgumentParser
internal import KeelsonClient
internal import StateMachine

struct WeightCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weight",
        abstract: "Say how much of what is free roles get, compared with each other.",
        discussion: """
            A role of weight 2 is offered twice as much as one of weight 1, which roles have that
            nothing is said of.

            EXAMPLES:
              keelson weight set production 3
              keelson weight list
            """, subcommands: [WeightSetCommand.self, WeightListCommand.self])
}

struct WeightSetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Set a role's weight.",
        discussion: "EXAMPLE:\n  keelson weight set production 2.5")

    @Argument(help: "The role.") var role: String
    @Argument(help: "A number from 0.001 on; 1 is what other roles have.") var weight: Double
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        guard weight.isFinite, weight >= 0.001 else {
            throw ValidationError("A weight is a number from 0.001 on.")
        }
    }

    func run() async throws {
        try await cluster.operate { _, master in
            var info = MesosWeightInfo()
            info.role = role
            info.weight = weight
            let made = info
            try await master.call(.updateWeights) { $0.updateWeights.weightInfos = [made] }
            return "role \(role) has weight \(weight)"
        }
    }
}

struct WeightListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Print the roles whose weight is not 1.",
        discussion: "EXAMPLE:\n  keelson weight list")

    @OptionGroup var moment: MomentOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let roles = try await cluster.withCluster {
            try await DatacenterRecords.roles($0, at: moment.rev)
        }.filter { $0.weight != 1_000 }
        var output = Output()
        switch cluster.format {
        case .json:
            output.line(
                .array(
                    roles.map {
                        .object([
                            ("role", .string($0.role.text)), ("weight", Amount.json($0.weight)),
                        ])
                    }))
        case .text:
            output.table(
                ["ROLE", "WEIGHT"], roles.map { [$0.role.text, Amount.text($0.weight)] })
        }
        output.flush()
    }
}
