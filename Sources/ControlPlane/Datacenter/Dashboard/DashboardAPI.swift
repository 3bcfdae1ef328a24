internal import API
internal import HTTPTypes
internal import RPC
internal import StateMachine

/// What a browser gets of the dashboard, the stream of events apart. Any node answers, from its
/// own records.
struct DashboardAPI: Sendable {
    let access: DeskAccess
    /// Of clients; records of the datacenter are shown either way, as elsewhere on this port.
    let showsKeys: Bool
    /// Of this port, and supposedly of the other members'.
    let scheme: String
    /// How agents are asked that speak TLS.
    let agents: AgentTrust?

    func answer(
        _ route: DashboardRoute, _ request: SurfaceRequest
    ) async throws -> SurfaceAnswer {
        // A user sees what that user may read.
        let keys = DashboardKeys(
            access: access, caller: request.caller,
            showsAll: showsKeys || request.caller.user != nil)
        switch route {
        case .door, .login: return DashboardAnswer.door
        case .file(let name): return try await file(name, request)
        case .alive: return DashboardAnswer.alive
        case .overview, .live:
            let overview = try await access.run { $0.facade.overview() }
            return DashboardAnswer.json(overview.json())
        case .keys: return try await keys.list(request)
        case .history: return try await keys.history(request)
        case .changes: return try await keys.changes(request)
        case .state: return try await keys.state(request)
        case .sandboxList(let agent): return try await sandbox(agent, "browse", request)
        case .sandboxRead(let agent): return try await sandbox(agent, "read", request)
        }
    }

    // MARK: - Pages

    private func file(_ name: String, _ request: SurfaceRequest) async throws -> SurfaceAnswer {
        guard let file = DashboardFile.all[name] else { return .notFound(path: request.path) }
        var answer = SurfaceAnswer(status: 200)
        answer.headers = DashboardAnswer.headers
        answer.headers[.contentType] = file.contentType
        // Asked for each time, and sent only where it is another.
        answer.headers[.cacheControl] = "no-cache"
        answer.headers[.eTag] = file.entityTag
        if file.contentType.hasPrefix("text/html") {
            let others = try await access.run { desk in
                desk.facade.asksWhoCalls
                    ? [] : desk.facade.overview().members.compactMap(\.httpAuthority)
            }
            answer.headers[.contentSecurityPolicy] = DashboardAnswer.policy(others, scheme)
        }
        if request.header(.ifNoneMatch) == file.entityTag {
            answer.status = 304
        } else {
            answer.body = file.bytes
        }
        return answer
    }

    // MARK: - Sandboxes

    /// Bytes of a file that are read at once.
    private static let readBytesMax: Int64 = 256 << 10

    /// Asks the agent, at the address that it has said it serves at.
    private func sandbox(
        _ id: String, _ page: String, _ request: SurfaceRequest
    ) async throws -> SurfaceAnswer {
        guard let path = request.parameter("path"), !path.isEmpty else {
            throw MesosRefusal(400, "Expecting 'path=value' in the query")
        }
        let caller = request.caller
        let (url, ticket) = try await access.run { desk in
            (
                desk.facade.table.agents[AgentID(id)]?.record.url,
                Result { () throws(AccessRefusal) in
                    try desk.facade.ticket(of: caller, forAgent: id)
                }
            )
        }
        guard let url else { throw MesosRefusal(404, "There is no such agent") }
        guard let place = ServicePlace(String(decoding: url, as: UTF8.self)) else {
            throw MesosRefusal(404, "The agent serves no files")
        }
        var target = "/files/\(page)?path=\(FormFields.encoded(path))"
        if page == "read" {
            let offset = request.parameter("offset").flatMap { Int64($0) } ?? -1
            let length = request.parameter("length").flatMap { Int64($0) } ?? 0
            target += "&offset=\(max(-1, offset))"
            target += "&length=\(min(max(0, length), Self.readBytesMax))"
        }
        let answer = try await ask(place, target, try ticket.get())
        guard answer.status == 200 else {
            let status = (400..<600).contains(answer.status) ? answer.status : 502
            throw MesosRefusal(status, String(decoding: answer.body.prefix(1_024), as: UTF8.self))
        }
        return DashboardAnswer.json(answer.body)
    }

    private func ask(
        _ place: ServicePlace, _ target: String, _ ticket: String?
    ) async throws -> AgentCall.Answer {
        do {
            var security: RPCSecurity?
            if place.isSecure {
                guard let agents else {
                    throw MesosRefusal(502, "The agent speaks TLS, and this server does not")
                }
                security = try agents.security(for: place.host)
            }
            return try await AgentCall.get(
                target, from: place, security: security,
                authorization: ticket.map { AgentPort.scheme + $0 })
        } catch let refusal as MesosRefusal {
            throw refusal
        } catch let error as TLSFileError {
            throw MesosRefusal(502, "TLS with agents: \(error)")
        } catch let status as RPCStatus {
            throw MesosRefusal(
                502,
                "The agent at \(place.authority) is not asked: \(status.message). Agents'"
                    + " certificates are verified with the CA of \(AgentTrust.flag)")
        } catch {
            throw MesosRefusal(502, "The agent at \(place.authority) does not answer")
        }
    }
}

enum DashboardAnswer {
    /// No other site frames it, reads it, or learns where its links were followed.
    static let headers: HTTPFields = [
        .xContentTypeOptions: "nosniff",
        .referrerPolicy: "no-referrer",
        .crossOriginResourcePolicy: "same-origin",
    ]

    static let door: SurfaceAnswer = {
        var answer = SurfaceAnswer(status: 302)
        answer.headers[.location] = "/ui/"
        return answer
    }()

    /// Any site may read it: it says what everybody knows who reaches the port.
    static let alive: SurfaceAnswer = {
        var answer = json(JSONWriter.object { $0.field("keelson", KeelsonVersion.keelson) })
        answer.headers[.accessControlAllowOrigin] = "*"
        answer.headers[.crossOriginResourcePolicy] = "cross-origin"
        return answer
    }()

    static func json(_ body: [UInt8]) -> SurfaceAnswer {
        var answer = SurfaceAnswer.json(body)
        for field in headers { answer.headers.append(field) }
        answer.headers[.cacheControl] = "no-store"
        return answer
    }

    /// Nothing but its own files runs, and nobody else is asked anything but the other members,
    /// whether they live: for when this one does not.
    /// - Parameter authorities: of the members, as they stand in URLs.
    static func policy(_ authorities: [String], _ scheme: String) -> String {
        let isPlain = { (authority: String) in
            authority.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."),
                    UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"),
                    UInt8(ascii: "_"):
                    true
                default: false
                }
            }
        }
        let others = authorities.filter(isPlain).map { " \(scheme)://\($0)" }.joined()
        return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            + "connect-src 'self'\(others); base-uri 'none'; form-action 'none'; "
            + "frame-ancestors 'none'"
    }
}

extension HTTPField.Name {
    static let referrerPolicy = HTTPField.Name("Referrer-Policy") ?? .contentType
    static let crossOriginResourcePolicy =
        HTTPField.Name("Cross-Origin-Resource-Policy") ?? .contentType
}
