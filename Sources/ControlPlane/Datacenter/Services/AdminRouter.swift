internal import API
internal import HTTPTypes
internal import NIOCore
internal import StateMachine

/// What clients of DC/OS look for beside Mesos and Marathon at the one address that they know.
enum AdminPage: Equatable, Sendable {
    case metadata
    case capabilities
    case version
    /// Where a name of the datacenter's own leads, as Mesos-DNS says it.
    case host(String)
    /// A page of an agent's, with what it is called there.
    case agent(AgentID, String)

    init?(_ parts: [Substring]) {
        switch parts.first {
        case "metadata" where parts.count == 1: self = .metadata
        case "capabilities" where parts.count == 1: self = .capabilities
        case "dcos-metadata" where parts.dropFirst() == ["dcos-version.json"]: self = .version
        case "mesos_dns" where parts.count == 4 && parts[1..<3] == ["v1", "hosts"]:
            self = .host(String(parts[3]))
        case "slave" where parts.count > 2:
            self = .agent(
                AgentID(String(parts[1])), "/" + parts[2...].joined(separator: "/"))
        default: return nil
        }
    }
}

struct AdminRouter: Sendable {
    let access: DeskAccess
    let settings: SurfaceSettings
    let identity: MasterIdentity

    func answer(_ page: AdminPage, _ request: SurfaceRequest) async throws -> SurfaceAnswer {
        switch page {
        case .metadata:
            return .json(
                JSONWriter.object {
                    $0.field("PUBLIC_IPV4", identity.place.host)
                    $0.field("CLUSTER_ID", settings.clusterID)
                })
        case .capabilities: return capabilities(request)
        case .version:
            return .json(JSONWriter.object { $0.field("version", KeelsonVersion.keelson) })
        case .host(let name): return try await host(name)
        case .agent(let id, let path): return try await agent(id, path, request)
        }
    }

    /// There are none of DC/OS' own. Its clients want the type back that they asked for.
    private func capabilities(_ request: SurfaceRequest) -> SurfaceAnswer {
        var answer = SurfaceAnswer.json(Array(#"{"capabilities":[]}"#.utf8))
        if let wanted = request.header(.accept), wanted.hasPrefix("application/vnd.dcos."),
            wanted.utf8.count <= 200
        {
            answer.headers[.contentType] = wanted
        }
        return answer
    }

    /// The leader is the master, and Marathon.
    private func host(_ name: String) async throws -> SurfaceAnswer {
        let here = identity.place
        let leader = try await access.run { desk -> ServicePlace? in
            switch desk.facade.leadership {
            case .leading: here
            case .following(let url): ServicePlace(url)
            case .unknown: nil
            }
        }
        let isKnown = ["leader.mesos", "master.mesos", "marathon.mesos"].contains(name)
        let host = isKnown ? leader?.host ?? "" : ""
        let entry = MarathonJSON.object(
            ("host", .text(host.isEmpty ? "" : name + ".")), ("ip", .text(host)))
        return .json(MarathonJSON.list([entry]).bytes)
    }

    /// Agents serve their pages themselves, each at an address of its own.
    private func agent(
        _ id: AgentID, _ path: String, _ request: SurfaceRequest
    ) async throws -> SurfaceAnswer {
        let url = try await access.run { $0.facade.table.agents[id]?.record.url }
        guard let url else { return .text(404, "There is no agent '\(id)'") }
        guard let place = ServicePlace(String(decoding: url, as: UTF8.self)) else {
            return .text(503, "Agent '\(id)' serves no pages")
        }
        let query = request.target.firstIndex(of: "?").map { request.target[$0...] } ?? ""
        let scheme = place.isSecure ? "https:" : settings.security == nil ? "" : "http:"
        return .redirect(to: place, path + query, scheme: scheme)
    }
}
