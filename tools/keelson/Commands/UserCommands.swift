internal import ArgumentParser
internal import KeelsonClient

struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user",
        abstract: "Look at users, and change them.",
        discussion: """
            A user may do what its roles allow; one with the role root everything. Passwords are
            asked for, or read from standard input.

            EXAMPLES:
              keelson user add alice
              keelson user grant-role alice developers
              echo secret | keelson user passwd alice
            """,
        subcommands: [
            UserAddCommand.self, UserDeleteCommand.self, UserListCommand.self,
            UserGetCommand.self, UserPasswordCommand.self, UserGrantRoleCommand.self,
            UserRevokeRoleCommand.self,
        ])
}

struct UserAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a user.",
        discussion: """
            EXAMPLES:
              keelson user add alice
              keelson user add gateway --no-password
            """)

    @Argument(help: "What the user is to be called.")
    var name: String

    @Flag(help: "The user has no password and is known by its certificate only.")
    var noPassword = false

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let password = noPassword ? nil : try PasswordPrompt.newPassword(of: name)
        try await cluster.withCluster { try await $0.addUser(name, password: password) }
        Output.say("user \(name) added")
    }
}

struct UserDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a user.",
        discussion: "EXAMPLE:\n  keelson user delete alice")

    @Argument(help: "The user.")
    var name: String

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.withCluster { try await $0.deleteUser(name) }
        Output.say("user \(name) deleted")
    }
}

struct UserListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Print the users.",
        discussion: "EXAMPLE:\n  keelson user list")

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let names = try await cluster.withCluster { try await $0.users() }
        Output.say(names, as: "users", cluster.format)
    }
}

struct UserGetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Print a user's roles, and what they allow.",
        discussion: "EXAMPLE:\n  keelson user get alice --detail")

    @Argument(help: "The user.")
    var name: String

    @Flag(help: "Print the permissions of each role, too.")
    var detail = false

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let name = self.name
        let wantsDetail = detail
        let (roles, permissions) = try await cluster.withCluster { cluster in
            let roles = try await cluster.roles(of: name)
            var permissions: [[Permission]] = []
            if wantsDetail {
                for role in roles { permissions.append(try await cluster.permissions(of: role)) }
            }
            return (roles, permissions)
        }
        guard wantsDetail, cluster.format == .text else {
            return Output.say(roles, as: "roles", cluster.format)
        }
        var output = Output()
        for (role, permissions) in zip(roles, permissions) {
            output.line(role)
            for permission in permissions { output.line("  " + RoleGetCommand.line(permission)) }
        }
        output.flush()
    }
}

struct UserPasswordCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "passwd", abstract: "Change a user's password.",
        discussion: """
            Whoever is logged in as the user has to log in again.

            EXAMPLE:
              keelson user passwd alice
            """)

    @Argument(help: "The user.")
    var name: String

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let password = try PasswordPrompt.newPassword(of: name)
        try await cluster.withCluster { try await $0.changePassword(of: name, to: password) }
        Output.say("password of \(name) changed")
    }
}

struct UserGrantRoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant-role", abstract: "Give a user a role.",
        discussion: "EXAMPLE:\n  keelson user grant-role alice developers")

    @Argument(help: "The user.")
    var name: String

    @Argument(help: "The role; root allows everything.")
    var role: String

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.withCluster { try await $0.grantRole(role, to: name) }
        Output.say("user \(name) has the role \(role)")
    }
}

struct UserRevokeRoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke-role", abstract: "Take a role from a user.",
        discussion: "EXAMPLE:\n  keelson user revoke-role alice developers")

    @Argument(help: "The user.")
    var name: String

    @Argument(help: "The role.")
    var role: String

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.withCluster { try await $0.revokeRole(role, from: name) }
        Output.say("user \(name) no longer has the role \(role)")
    }
}
