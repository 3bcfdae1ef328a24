internal import ControlPlane
internal import KeelsonClient
internal import StateMachine

/// Marathon's API of whoever leads, as the records name him.
struct ServiceClient: Sendable {
    struct Answer: Sendable {
        var status: Int
        var headers: [String: String]
        var body: MarathonJSON

        /// The deployment that it began; nil where it began none.
        var deployment: String? { headers["marathon-deployment-id"] }
    }

    let cluster: Cluster
    /// How long to try.
    let timeout: Duration

    private static let pause = Duration.milliseconds(200)

    /// - Throws: ``Failure``, with what the server says.
    func get(_ path: String) async throws -> MarathonJSON {
        try await send(HTTPCall("GET", path)).body
    }

    /// - Parameter isForced: deployments that are in the way are ended.
    func change(
        _ method: String, _ path: String, _ body: MarathonJSON? = nil, isForced: Bool = false
    ) async throws -> Answer {
        var query = path.contains("?") ? "&" : "?"
        query += "force=\(isForced)"
        var call = HTTPCall(method, path + query)
        if let body {
            call.headers = [("Content-Type", "application/json")]
            call.body = body.bytes
        }
        return try await send(call)
    }

    /// Where there is no such thing, nil.
    func find(_ path: String) async throws -> MarathonJSON? {
        let answer = try await exchange(HTTPCall("GET", path))
        return answer.status == 404 ? nil : try Self.checked(answer).body
    }

    private func send(_ call: HTTPCall) async throws -> Answer {
        try Self.checked(try await exchange(call))
    }

    private static func checked(_ answer: Answer) throws -> Answer {
        guard (200..<300).contains(answer.status) else {
            throw Failure(
                answer.status == 503 ? .unavailable : .failed, message(answer),
                advice: advice(answer.status))
        }
        return answer
    }

    private static func message(_ answer: Answer) -> String {
        guard case .text(let message)? = answer.body["message"] else {
            return "the server answers \(answer.status)"
        }
        guard case .list(let details)? = answer.body["details"], !details.isEmpty else {
            return message
        }
        let lines = details.map { detail -> String in
            let path = detail["path"]?.string ?? ""
            let errors = detail["errors"]?.elements.compactMap(\.string) ?? []
            return "\n  \(path.isEmpty ? "/" : path): " + errors.joined(separator: "; ")
        }
        return message + lines.joined()
    }

    private static func advice(_ status: Int) -> String? {
        switch status {
        case 409: "keelson service show NAME shows what is going on; --force ends a deployment"
        case 401, 403: HTTPCall.userAdvice
        default: nil
        }
    }

    // MARK: - Finding the leader

    /// Tries until ``timeout`` has passed. What changes something is sent again only where it was
    /// not taken.
    private func exchange(_ call: HTTPCall) async throws -> Answer {
        let deadline = ContinuousClock.now + timeout
        while true {
            let place: HTTPPlace
            do {
                place = try await HTTPPlace.master(of: cluster)
            } catch let failure as Failure where failure.status == .unavailable {
                guard ContinuousClock.now < deadline else { throw failure }
                try await Task.sleep(for: Self.pause)
                continue
            }
            let isLast = ContinuousClock.now >= deadline
            if let answer = try await attempt(call, at: place, isLast: isLast) { return answer }
            try await Task.sleep(for: Self.pause)
        }
    }

    /// Nil where another server, or the same one later, is to be asked.
    private func attempt(
        _ call: HTTPCall, at place: HTTPPlace, isLast: Bool
    ) async throws -> Answer? {
        let answer: HTTPCall.Answer
        do {
            answer = try await call.send(to: place, timeout: timeout)
        } catch let failure as Failure where failure.status == .unavailable {
            if isLast { throw failure }
            if call.method == "GET" || failure.message.hasPrefix("cannot connect") { return nil }
            throw Failure(
                .unavailable, "the outcome is unknown: \(failure.message)",
                advice: "look at keelson service list before repeating it")
        }
        let isElsewhere = answer.status == 307
        let isLater = answer.status == 503 && answer.headers["retry-after"] != nil
        if isElsewhere || isLater, !isLast { return nil }
        let body = try? MarathonJSONParser.parse(answer.body)
        return Answer(status: answer.status, headers: answer.headers, body: body ?? .null)
    }
}

extension MarathonJSON {
    var string: String? {
        if case .text(let text) = self { text } else { nil }
    }

    var elements: [MarathonJSON] {
        if case .list(let elements) = self { elements } else { [] }
    }

    var number: Int {
        switch self {
        case .integer(let number): Int(clamping: number)
        case .decimal(let number): Int(number.isFinite ? max(-1e15, min(1e15, number)) : 0)
        case .null, .bool, .text, .list, .object: 0
        }
    }

    /// As it is written.
    var written: String { String(decoding: bytes, as: UTF8.self) }

    mutating func set(_ name: String, _ value: MarathonJSON) {
        guard case .object(var members) = self else { return }
        members.removeAll { $0.name == name }
        members.append(Member(name, value))
        self = .object(members)
    }
}

/// Names of services as they are typed: `web` is `/web`.
enum ServiceName {
    static func path(_ text: String) throws(Failure) -> String {
        let id = MarathonPath.resolve(text)
        guard id.isValid else {
            throw Failure(
                .usage, "'\(text)' is no service's name",
                advice: "a path of lower-case letters, digits, '-' and '.', such as /prod/web")
        }
        return id.path.text
    }
}
