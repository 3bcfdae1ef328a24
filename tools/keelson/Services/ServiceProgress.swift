internal import ControlPlane
internal import KeelsonClient

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Waits for a deployment, and says how far it is: one line that changes on a terminal, else a line
/// whenever something has changed.
struct ServiceProgress {
    private let client: ServiceClient
    private let deployment: String
    private let patience: Duration
    private let isTerminal = isatty(STDERR_FILENO) == 1
    /// Services that it changes.
    private var affected: [String]
    private var said = ""

    /// How often it looks.
    private static let pause = Duration.milliseconds(250)
    /// Services that are told of by name.
    private static let namedMax = 5

    init(
        _ client: ServiceClient, _ deployment: String, of services: [String], patience: Duration
    ) {
        self.client = client
        self.deployment = deployment
        self.patience = patience
        affected = services
    }

    /// - Throws: ``Failure`` where it takes too long, or came to another end than it was to.
    mutating func wait() async throws {
        let deadline = ContinuousClock.now + patience
        while true {
            do {
                if try await look() { return try await judge() }
            } catch let failure as Failure where failure.status == .unavailable {
                // Nobody leads just now, say: the deployment goes on with the next leader.
                if ContinuousClock.now >= deadline { throw failure }
            } catch let error as ClusterError {
                if ContinuousClock.now >= deadline { throw error }
            }
            guard ContinuousClock.now < deadline else {
                endLine()
                throw Failure(
                    .failed, "it is not done in time: \(said)",
                    advice: "it goes on: keelson service show NAME; keelson service rollback NAME"
                        + " takes it back")
            }
            try await Task.sleep(for: Self.pause)
        }
    }

    /// Whether it is on record no more.
    private mutating func look() async throws -> Bool {
        let deployments = try await client.get("/v2/deployments").elements
        guard let mine = deployments.first(where: { $0["id"]?.string == deployment }) else {
            return true
        }
        affected = mine["affectedApps"]?.elements.compactMap(\.string) ?? affected
        say(try await describe(mine))
        return false
    }

    private func describe(_ deployment: MarathonJSON) async throws -> String {
        let queue = QueueView(try await client.get("/v2/queue"))
        var parts: [String] = []
        for path in affected.prefix(Self.namedMax) {
            guard let body = try await client.find("/v2/apps\(path)") else { continue }
            let app = AppView(body["app"] ?? .null)
            var text = "\(path): \(app.running) of \(app.instances) run"
            if app.hasChecks { text += ", \(app.healthy) healthy" }
            if app.updated < app.running { text += ", \(app.updated) of the new version" }
            if app.staged > 0 { text += ", \(app.staged) start" }
            if let why = queue.reason(of: path) { text += ", " + why }
            if app.running < app.instances, let failure = app.lastFailure {
                text += "; last failure: \(failure)"
            }
            parts.append(text)
        }
        let more = affected.count - Self.namedMax
        if more > 0 { parts.append("and \(more) more") }
        let step = deployment["currentStep"]?.number ?? 0
        let count = deployment["totalSteps"]?.number ?? 1
        let prefix = count > 1 ? "step \(step) of \(count): " : ""
        return prefix + parts.joined(separator: " | ")
    }

    /// It is on record no more: it was done, or somebody ended it.
    private mutating func judge() async throws {
        var parts: [String] = []
        for path in affected {
            guard let body = try await client.find("/v2/apps\(path)") else { continue }
            let app = AppView(body["app"] ?? .null)
            if parts.count < Self.namedMax {
                parts.append("\(path): \(app.running) of \(app.instances) run")
            }
            if app.deployments.isEmpty, app.running >= app.instances { continue }
            endLine()
            throw Failure(
                .failed, "the deployment of \(path) ended before it was done",
                advice: "another one took its place, or somebody ended it: keelson service show")
        }
        say(parts.isEmpty ? "gone" : parts.joined(separator: " | "))
        endLine()
    }

    private mutating func say(_ text: String) {
        guard text != said else { return }
        said = text
        let line = isTerminal ? "\r\u{1B}[K\(text)" : text + "\n"
        Output.writeAll(Array(line.utf8), to: STDERR_FILENO)
    }

    private func endLine() {
        if isTerminal { Output.writeAll([0x0A], to: STDERR_FILENO) }
    }
}
