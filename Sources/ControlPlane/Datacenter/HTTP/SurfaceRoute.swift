/// What a path leads to.
///
/// Mesos' are served at `/x`, `/master/x` and, as before Mesos 1.8, with `.json` behind it; slashes
/// at the end or several in a row do not count. What has no route of its own under `/api/v1` is
/// the operator API, as libprocess' longest prefix would have it. Marathon's are at `/v2/…`, and
/// all of it also where DC/OS' one address has it: `/mesos/…`, `/service/marathon/…`.
enum SurfaceRoute: Equatable, Sendable {
    case scheduler
    case operators
    case legacy(LegacyEndpoint)
    case own(OwnEndpoint)
    case dashboard(DashboardRoute)
    /// A path below Marathon's root, decoded.
    case marathon(String)
    case admin(AdminPage)
    /// `/metrics/prometheus`
    case prometheus

    /// - Parameter path: as it came, without the query.
    init?(path: Substring) {
        var parts = path.split(separator: "/", omittingEmptySubsequences: true)
        if let page = DashboardRoute(parts: parts, isFolder: path.hasSuffix("/")) {
            self = .dashboard(page)
            return
        }
        if parts == ["metrics", "prometheus"] {
            self = .prometheus
            return
        }
        if Self.isMarathons(parts) {
            guard let text = FormFields.decodedPath(path) else { return nil }
            self = .marathon(text)
            return
        }
        if parts.starts(with: ["service", "marathon"]) {
            let rest = "/" + parts[2...].joined(separator: "/")
            guard let text = FormFields.decodedPath(rest) else { return nil }
            self = .marathon(text)
            return
        }
        if let page = AdminPage(parts) {
            self = .admin(page)
            return
        }
        if parts.count > 1, parts[0] == "mesos" { parts.removeFirst() }
        if parts.count > 1, parts[0] == "master" { parts.removeFirst() }
        if parts.starts(with: ["api", "v1"]) {
            self = parts.count > 2 && parts[2] == "scheduler" ? .scheduler : .operators
            return
        }
        if parts.starts(with: ["keelson", "v1"]) {
            guard parts.count == 3, let endpoint = OwnEndpoint(rawValue: String(parts[2])) else {
                return nil
            }
            self = .own(endpoint)
            return
        }
        var name = parts.joined(separator: "/")
        if name.hasSuffix(".json") { name.removeLast(5) }
        guard let endpoint = LegacyEndpoint(rawValue: name) else { return nil }
        self = .legacy(endpoint)
    }

    private static func isMarathons(_ parts: [Substring]) -> Bool {
        parts.first == "v2" || parts == ["ping"] || parts == ["metrics"]
    }
}

/// The endpoints of Mesos before its HTTP API had versions.
enum LegacyEndpoint: String, Sendable, CaseIterable {
    case state
    case stateSummary = "state-summary"
    case slaves
    case frameworks
    case tasks
    case roles
    case quota
    case weights
    case flags
    case health
    case version
    case redirect
    case metrics = "metrics/snapshot"
    case systemStats = "system/stats"
    case teardown
    case reserve
    case unreserve
    case createVolumes = "create-volumes"
    case destroyVolumes = "destroy-volumes"
    case maintenanceSchedule = "maintenance/schedule"
    case maintenanceStatus = "maintenance/status"
    case machineUp = "machine/up"
    case machineDown = "machine/down"

    var methods: [String] {
        switch self {
        case .state, .stateSummary, .slaves, .frameworks, .tasks, .roles, .quota, .weights, .flags,
            .health, .version, .redirect, .metrics, .systemStats, .maintenanceSchedule,
            .maintenanceStatus:
            ["GET", "HEAD"]
        case .teardown, .reserve, .unreserve, .createVolumes, .destroyVolumes, .machineUp,
            .machineDown:
            ["POST"]
        }
    }
}
