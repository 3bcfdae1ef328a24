internal import ArgumentParser
internal import KeelsonClient

struct RoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "role",
        abstract: "Look at roles, and change what they allow.",
        discussion: """
            EXAMPLES:
              keelson role add developers
              keelson role grant-permission developers readwrite --prefix /dev/
              keelson role get developers
            """,
        subcommands: [
            RoleAddCommand.self, RoleDeleteCommand.self, RoleListCommand.self,
            RoleGetCommand.self, RoleGrantPermissionCommand.self,
            RoleRevokePermissionCommand.self,
        ])
}

/// A permission's kind on the command line.
enum PermissionWord: String, ExpressibleByArgument, CaseIterable {
    case read, write, readwrite

    var kind: Permission.Kind {
        switch self {
        case .read: .read
        case .write: .write
        case .readwrite: .readWrite
        }
    }
}

struct RoleAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a role, which allows nothing yet.",
        discussion: "EXAMPLE:\n  keelson role add developers")

    @Argument(help: "What the role is to be called.")
    var name: String

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.withCluster { try await $0.addRole(name) }
        Output.say("role \(name) added")
    }
}

struct RoleDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a role, and take it from all who have it.",
        discussion: "EXAMPLE:\n  keelson role delete developers")

    @Argument(help: "The role.")
    var name: String

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.withCluster { try await $0.deleteRole(name) }
        Output.say("role \(name) deleted")
    }
}

struct RoleListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Print the roles.",
        discussion: "EXAMPLE:\n  keelson role list")

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let names = try await cluster.withCluster { try await $0.roles() }
        Output.say(names, as: "roles", cluster.format)
    }
}

struct RoleGetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Print what a role allows: kind, first key, end.",
        discussion: "EXAMPLE:\n  keelson role get developers")

    @Argument(help: "The role.")
    var name: String

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let permissions = try await cluster.withCluster { try await $0.permissions(of: name) }
        var output = Output()
        switch cluster.format {
        case .json:
            output.line(.object([("perm", .array(permissions.map { Self.json($0) }))]))
        case .text:
            for permission in permissions { output.line(Self.line(permission)) }
        }
        output.flush()
    }

    /// `readwrite  /dev/ to /dev0`, or `to the end`, or one key alone.
    static func line(_ permission: Permission) -> String {
        let kind = permission.kind.rawValue
        let padding = String(repeating: " ", count: max(0, 9 - kind.count) + 2)
        let start = String(decoding: permission.range.start, as: UTF8.self)
        switch permission.range.end {
        case []: return kind + padding + start
        case [0] where permission.range.start.allSatisfy({ $0 == 0 }):
            return kind + padding + "every key"
        case [0]: return kind + padding + "\(start) to the end"
        default:
            let end = String(decoding: permission.range.end, as: UTF8.self)
            return kind + padding + "\(start) to \(end)"
        }
    }

    private static func json(_ permission: Permission) -> JSONValue {
        .object([
            ("permType", .string(permission.kind.rawValue.uppercased())),
            ("key", .base64(permission.range.start)), ("range_end", .base64(permission.range.end)),
        ])
    }
}

struct RoleGrantPermissionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant-permission", abstract: "Allow a role to read or write keys.",
        discussion: """
            EXAMPLES:
              keelson role grant-permission developers readwrite --prefix /dev/
              keelson role grant-permission monitors read --prefix ""
            """)

    @Argument(help: "The role.")
    var name: String

    @Argument(help: "read, write or readwrite.")
    var kind: PermissionWord

    @OptionGroup var range: RangeArguments

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let permission = Permission(kind.kind, range.range)
        try await cluster.withCluster { try await $0.grant(permission, to: name) }
        Output.say("role \(name) allows: \(RoleGetCommand.line(permission))")
    }
}

struct RoleRevokePermissionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke-permission", abstract: "Take a permission from a role.",
        discussion: "EXAMPLE:\n  keelson role revoke-permission developers --prefix /dev/")

    @Argument(help: "The role.")
    var name: String

    @OptionGroup var range: RangeArguments

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let keys = range.range
        try await cluster.withCluster { try await $0.revokePermission(for: keys, from: name) }
        Output.say("permission revoked from role \(name)")
    }
}
