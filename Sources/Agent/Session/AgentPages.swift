internal import API
internal import AgentLogic
internal import Foundation
internal import Glibc
package import NIOCore
package import RPC

/// What an agent serves over HTTP: `/health`, `/state`, `/metrics` and `/files/…` of sandboxes,
/// with and without `.json`, as operators of Mesos know them, and `/api/v1/executor`. All but
/// `/health` and executors' calls is for those whom the cluster lets see it (``PageGate``).
///
/// May be called from any thread of the server's; asks the session on the session's loop. Files are
/// read there too, in parts of bounded size.
package final class AgentPages: @unchecked Sendable {
    private let session: AgentSession
    private let sandboxes: SandboxFiles
    private let executors: ExecutorDesk
    private let gate: PageGate
    private let startedMillis = MachineClock.wallMillis

    package init(session: AgentSession) {
        self.session = session
        sandboxes = SandboxFiles(session.settings.directory)
        executors = session.executors
        gate = PageGate(session)
    }

    /// A server of these pages. It listens nowhere yet.
    package func server(eventLoop: any EventLoop) -> RPCServer {
        RPCServer(eventLoop: eventLoop, routes: RPCRoutes(), http1: responder)
    }

    package var responder: HTTP1Responder {
        { request, loop in
            if ExecutorRequest.isFor(request) {
                return self.executors.answer(request, on: loop)
            }
            return self.session.loop.flatSubmit { self.answer(request) }.hop(to: loop)
        }
    }

    private func answer(_ request: HTTP1Request) -> EventLoopFuture<HTTP1Response> {
        let done = { (response: HTTP1Response) in
            self.session.loop.makeSucceededFuture(response)
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            var refusal = Self.text(405, "Method Not Allowed\n")
            refusal.headers.append(("Allow", "GET"))
            return done(refusal)
        }
        guard let parts = URLComponents(string: request.uri) else {
            return done(Self.text(400, "the request's target is malformed\n"))
        }
        var path = parts.path
        for prefix in ["/slave(1)", "/agent"] where path.hasPrefix(prefix + "/") {
            path.removeFirst(prefix.count)
        }
        if path.hasSuffix(".json") { path.removeLast(5) }
        let page: AgentPage
        switch path {
        case "/health": return done(Self.text(200, ""))
        case "/state": page = .state
        case "/metrics", "/metrics/prometheus": page = .metrics
        case "/files/browse", "/files/read", "/files/download": page = .files
        default: return done(Self.text(404, "not found\n"))
        }
        let (name, query) = (path, parts.queryItems ?? [])
        return gate.admit(request, to: page).map { verdict in
            if verdict.status != 200 { return Self.refusal(verdict) }
            switch page {
            case .state: return Self.json(self.state())
            case .metrics: return Self.text(200, self.metrics())
            case .files: return self.files(name, query, isHead: request.method == "HEAD")
            }
        }
    }

    // MARK: Files

    private func files(
        _ page: String, _ query: [URLQueryItem], isHead: Bool
    ) -> HTTP1Response {
        let value = { (name: String) in query.first { $0.name == name }?.value }
        guard let path = value("path"), !path.isEmpty else {
            return Self.text(400, "Expecting 'path=value' in query.\n")
        }
        do throws(AgentError) {
            switch page {
            case "/files/browse": return Self.json(try sandboxes.list(path).map(Self.object))
            case "/files/download": return try download(path, isHead: isHead)
            default:
                let offset = value("offset").flatMap { Int64($0) } ?? -1
                let length = value("length").flatMap { Int($0) }
                let part = try sandboxes.read(
                    path, offset: offset < 0 ? nil : UInt64(offset),
                    length: length.flatMap { $0 < 0 ? nil : $0 })
                // As in Mesos, to ask for the end is to ask where it is.
                return Self.json([
                    "offset": offset < 0 ? part.size : UInt64(offset),
                    "data": String(decoding: part.bytes, as: UTF8.self),
                ])
            }
        } catch .io(_, _, ENOENT) {
            return Self.text(404, "there is no such file\n")
        } catch .invalid(_, let why) {
            return Self.text(403, "the path is refused: \(why)\n")
        } catch {
            return Self.text(500, "\(error)\n")
        }
    }

    /// Piece by piece, as fast as the client takes it; what is written meanwhile is not sent.
    private func download(_ path: String, isHead: Bool) throws(AgentError) -> HTTP1Response {
        let (descriptor, size) = try sandboxes.openFile(path)
        let name = path.split(separator: "/").last.map(String.init) ?? "file"
        let plain = name.filter { $0.isASCII && $0 != "\"" && $0 != "\\" && !$0.isWhitespace }
        var response = HTTP1Response(
            status: 200,
            headers: [
                ("Content-Type", "application/octet-stream"),
                ("Content-Disposition", "attachment; filename=\"\(plain)\""),
            ])
        if isHead {
            close(descriptor)
            return response
        }
        response.continuation = { stream in
            Download(descriptor, path, size, stream).go()
        }
        return response
    }

    private final class Download {
        private let descriptor: Int32
        private let path: String
        private let size: UInt64
        /// It keeps this one for as long as it lives.
        private weak var stream: HTTP1Stream?
        private var offset: UInt64 = 0
        private var isCut = false

        init(_ descriptor: Int32, _ path: String, _ size: UInt64, _ stream: HTTP1Stream) {
            self.descriptor = descriptor
            self.path = path
            self.size = size
            self.stream = stream
            stream.onWritable = { self.go() }
        }

        deinit { close(descriptor) }

        func go() {
            guard let stream else { return }
            while stream.isWritable, offset < size {
                let count = Int(min(size - offset, 64 << 10))
                let piece = try? SandboxFiles.bytes(
                    descriptor, path, offset: offset, count: count)
                // A file that has become shorter ends where it ends.
                guard let piece, piece.count == count else {
                    isCut = true
                    break
                }
                offset += UInt64(count)
                stream.write(piece)
            }
            if offset >= size || isCut {
                stream.onWritable = nil
                stream.end()
            }
        }
    }

    private static func object(_ entry: SandboxFiles.Entry) -> [String: Any] {
        [
            "path": entry.path, "size": entry.bytes, "nlink": entry.links,
            "mode": mode(entry), "uid": "\(entry.user)", "gid": "\(entry.group)",
            "mtime": entry.modified,
        ]
    }

    /// As `ls -l` writes it.
    private static func mode(_ entry: SandboxFiles.Entry) -> String {
        let kind = entry.isDirectory ? "d" : entry.mode & 0o170_000 == 0o120_000 ? "l" : "-"
        let letters = Array("rwxrwxrwx")
        return kind
            + String(
                letters.indices.map { entry.mode & (0o400 >> UInt32($0)) != 0 ? letters[$0] : "-" })
    }

    // MARK: State

    private func state() -> [String: Any] {
        var frameworks: [String: [[String: Any]]] = [:]
        let id = session.agentID
        for record in session.tasks?.registration.records ?? [] {
            guard let id else { continue }
            frameworks[record.key.framework.text, default: []].append([
                "id": record.key.task.text, "name": record.spec.name,
                "framework_id": record.key.framework.text, "slave_id": id.text,
                "state": Self.name(record.state), "container": record.container.description,
                "directory": session.settings.directory.sandbox(id, record),
            ])
        }
        let description = session.settings.description
        return [
            "id": id?.text ?? "", "hostname": description.hostname,
            "version": description.version, "resources_text": description.resources,
            "start_time": Double(startedMillis) / 1000, "registered": session.isRegistered,
            "term": session.term,
            "frameworks": frameworks.keys.sorted().map { name in
                ["id": name, "tasks": frameworks[name] ?? []] as [String: Any]
            },
        ]
    }

    private static func name(_ state: TaskState) -> String {
        switch state {
        case .staging: "TASK_STAGING"
        case .starting: "TASK_STARTING"
        case .running: "TASK_RUNNING"
        case .killing: "TASK_KILLING"
        case .finished: "TASK_FINISHED"
        case .failed: "TASK_FAILED"
        case .killed: "TASK_KILLED"
        case .error: "TASK_ERROR"
        case .lost: "TASK_LOST"
        case .dropped: "TASK_DROPPED"
        }
    }

    private func metrics() -> String {
        var counts: [TaskState: Int] = [:]
        var pending = 0
        for record in session.tasks?.registration.records ?? [] {
            counts[record.state, default: 0] += 1
            pending += record.pending.count
        }
        var text = """
            # HELP keelson_agent_registered Whether the agent has a session with a master.
            # TYPE keelson_agent_registered gauge
            keelson_agent_registered \(session.isRegistered ? 1 : 0)
            # HELP keelson_agent_registrations_total Sessions since the agent started.
            # TYPE keelson_agent_registrations_total counter
            keelson_agent_registrations_total \(session.registrations)
            # HELP keelson_agent_statuses_pending Statuses that no master has acknowledged.
            # TYPE keelson_agent_statuses_pending gauge
            keelson_agent_statuses_pending \(pending)
            # HELP keelson_agent_tasks Tasks that are remembered, by state.
            # TYPE keelson_agent_tasks gauge

            """
        for state in TaskState.allCases {
            let name = Self.name(state).dropFirst("TASK_".count).lowercased()
            text += "keelson_agent_tasks{state=\"\(name)\"} \(counts[state] ?? 0)\n"
        }
        return text
    }

    // MARK: Answers

    private static func refusal(_ verdict: AgentPageVerdict) -> HTTP1Response {
        var response = text(verdict.status, verdict.message + "\n")
        switch verdict.status {
        case 401:
            let realm = "realm=\"keelson\""
            response.headers.append(("WWW-Authenticate", "Bearer \(realm)"))
            response.headers.append(("WWW-Authenticate", "Basic \(realm), charset=\"UTF-8\""))
        case 429, 503: response.headers.append(("Retry-After", "1"))
        default: break
        }
        return response
    }

    private static func text(_ status: Int, _ text: String) -> HTTP1Response {
        HTTP1Response(
            status: status, headers: [("Content-Type", "text/plain; charset=utf-8")],
            body: Array(text.utf8))
    }

    private static func json(_ object: Any) -> HTTP1Response {
        let data = try? JSONSerialization.data(
            withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
        return HTTP1Response(
            status: 200, headers: [("Content-Type", "application/json")],
            body: Array(data ?? Data()))
    }
}
