package import StateMachine

/// A request to Marathon's API, as its server hands it over.
package struct MarathonRequest: Equatable, Sendable {
    package var method: String
    /// Without the query, its escapes undone.
    package var path: String
    /// Names and values, their escapes undone.
    package var query: [(name: String, value: String)]
    package var body: [UInt8]

    package init(
        _ method: String, _ path: String, query: [(name: String, value: String)] = [],
        body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.body = body
    }

    /// Clients write `true`, `True` and nothing at all behind a name.
    func flag(_ name: String, default absent: Bool = false) -> Bool {
        guard let value = query.last(where: { $0.name == name })?.value else { return absent }
        return value.isEmpty || value.lowercased() == "true"
    }

    func values(_ name: String) -> [String] {
        query.filter { $0.name == name }.map(\.value)
    }

    package static func == (one: MarathonRequest, other: MarathonRequest) -> Bool {
        one.method == other.method && one.path == other.path && one.body == other.body
            && one.query.elementsEqual(other.query) { $0 == $1 }
    }
}

/// What a path leads to. Slashes in a row count as one, for ids keep theirs: `/v2/apps//web`.
package enum MarathonRoute: Equatable, Sendable {
    case ping
    case metrics
    case apps
    case app(ServiceID)
    /// All apps below a path: `/v2/apps/prod/*`.
    case appsBelow(ServiceID)
    case restart(ServiceID)
    case appTasks(ServiceID)
    case appTask(ServiceID, InstanceID)
    case versions(ServiceID)
    case version(ServiceID, String)
    case groups
    case group(ServiceID)
    case groupVersions(ServiceID)
    case tasks
    case killTasks
    case deployments
    case deployment(String)
    case queue
    case delay(ServiceID)
    case leader
    case info
    case events
    /// What Marathon has and this has nothing of: lists without elements.
    case pods
    case podStatuses
    case plugins
    case eventSubscriptions

    package init?(path: String) {
        let parts = path.split(separator: "/").map(String.init)
        if parts == ["ping"] {
            self = .ping
            return
        }
        if parts == ["metrics"] {
            self = .metrics
            return
        }
        guard parts.count >= 2, parts[0] == "v2" else { return nil }
        let rest = Array(parts[2...])
        switch parts[1] {
        case "apps": self.init(apps: rest)
        case "groups": self.init(groups: rest)
        case "tasks": self.init(rest, [[]: .tasks, ["delete"]: .killTasks])
        case "deployments":
            if rest.count > 1 { return nil }
            self = rest.first.map { .deployment($0) } ?? .deployments
        case "queue":
            guard let last = rest.last else {
                self = .queue
                return
            }
            guard last == "delay", rest.count > 1 else { return nil }
            self = .delay(Self.id(rest.dropLast()))
        case "leader": self.init(rest, [[]: .leader])
        case "info": self.init(rest, [[]: .info])
        case "events": self.init(rest, [[]: .events])
        case "pods": self.init(rest, [[]: .pods])
        case "pods::status": self.init(rest, [[]: .podStatuses])
        case "plugins": self.init(rest, [[]: .plugins])
        case "eventSubscriptions": self.init(rest, [[]: .eventSubscriptions])
        default: return nil
        }
    }

    private init?(_ rest: [String], _ known: [[String]: MarathonRoute]) {
        guard let route = known[rest] else { return nil }
        self = route
    }

    private init?(apps rest: [String]) {
        guard let last = rest.last else {
            self = .apps
            return
        }
        let count = rest.count
        if last == "*" {
            self = .appsBelow(Self.id(rest.dropLast()))
        } else if count > 1, last == "restart" {
            self = .restart(Self.id(rest.dropLast()))
        } else if count > 1, last == "tasks" {
            self = .appTasks(Self.id(rest.dropLast()))
        } else if count > 2, rest[count - 2] == "tasks" {
            self = .appTask(Self.id(rest.dropLast(2)), InstanceID(last))
        } else if count > 1, last == "versions" {
            self = .versions(Self.id(rest.dropLast()))
        } else if count > 2, rest[count - 2] == "versions" {
            self = .version(Self.id(rest.dropLast(2)), last)
        } else {
            self = .app(Self.id(rest[...]))
        }
    }

    private init?(groups rest: [String]) {
        if rest.isEmpty {
            self = .groups
        } else if rest.last == "versions" {
            self = .groupVersions(Self.id(rest.dropLast()))
        } else {
            self = .group(Self.id(rest[...]))
        }
    }

    private static func id(_ parts: ArraySlice<String>) -> ServiceID {
        MarathonPath.resolve("/" + parts.joined(separator: "/"))
    }
}
