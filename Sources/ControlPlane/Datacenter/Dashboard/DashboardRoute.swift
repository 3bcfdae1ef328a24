/// What a path below `/ui` leads to.
enum DashboardRoute: Equatable, Sendable {
    /// `/` and `/ui`: to the first page.
    case door
    /// A file of the pages, by its name.
    case file(String)
    /// Has a browser ask for a user, and leads to the first page.
    case login
    /// Whether a node lives, for pages that another one has served.
    case alive
    case overview
    case live
    case keys
    case history
    case changes
    case state
    /// Of tasks' sandboxes, asked of their agent.
    case sandboxList(agent: String)
    case sandboxRead(agent: String)

    static let methods = ["GET", "HEAD"]

    /// - Parameter parts: the path without its slashes.
    init?(parts: [Substring], isFolder: Bool) {
        if parts.isEmpty || (parts == ["ui"] && !isFolder) {
            self = .door
            return
        }
        guard parts[0] == "ui" else { return nil }
        switch parts.dropFirst().map(String.init) {
        case []: self = .file("index.html")
        case ["login"]: self = .login
        case ["api", "alive"]: self = .alive
        case ["api", "overview"]: self = .overview
        case ["api", "live"]: self = .live
        case ["api", "keys"]: self = .keys
        case ["api", "history"]: self = .history
        case ["api", "changes"]: self = .changes
        case ["api", "state"]: self = .state
        case let rest where rest.count == 1: self = .file(rest[0])
        case let rest where rest.count == 5 && rest.starts(with: ["api", "agents"]):
            switch (rest[3], rest[4]) {
            case ("files", "browse"): self = .sandboxList(agent: rest[2])
            case ("files", "read"): self = .sandboxRead(agent: rest[2])
            default: return nil
            }
        default: return nil
        }
    }
}
