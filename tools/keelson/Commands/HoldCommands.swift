internal import ArgumentParser
internal import Foundation
internal import KeelsonClient

struct LockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lock",
        abstract: "Run a command while a lock is held.",
        discussion: """
            Waits for the lock, runs COMMAND, and gives the lock up when it ends; the
            exit status is the command's. In its environment KEELSON_FENCING_TOKEN is
            a number that grows from owner to owner, KEELSON_LEASE the lease and
            KEELSON_HELD_KEY the key.
            Where the lease cannot be renewed COMMAND is stopped before it can have
            run out (SIGTERM, then SIGKILL, to the command's own process); the exit
            status is 69 then.

            EXAMPLES:
              keelson lock nightly-backup -- ./backup.sh
              keelson lock deploy --ttl 30 -- sh -c 'deploy --token $KEELSON_FENCING_TOKEN'
            """)

    @Argument(help: "The lock's name.")
    var name: String

    @OptionGroup var holding: HoldOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await holding.run(with: cluster, what: "lock \(name)") {
            try await $0.lock(name, lease: $1, timeout: $2)
        }
    }
}

struct ElectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "elect",
        abstract: "Run a command while an election is won.",
        discussion: """
            Waits until the election is won, runs COMMAND, and resigns when it ends;
            the exit status is the command's. In its environment KEELSON_FENCING_TOKEN
            is a number that grows from leader to leader, KEELSON_LEASE the lease and
            KEELSON_HELD_KEY the key.
            Where the lease cannot be renewed COMMAND is stopped before it can have
            run out (SIGTERM, then SIGKILL, to the command's own process); the exit
            status is 69 then.

            EXAMPLES:
              keelson elect scheduler --value "$(hostname)" -- ./scheduler
            """)

    @Argument(help: "The election's name.")
    var name: String

    @Option(help: "What to proclaim: other clients read it as the leader's value.")
    var value = ""

    @OptionGroup var holding: HoldOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await holding.run(with: cluster, what: "election \(name)") {
            try await $0.campaign(name, value: value, lease: $1, timeout: $2)
        }
    }
}

/// What is run, and for how long at a time it is sure to be alone.
struct HoldOptions: ParsableArguments {
    @Option(help: "How many seconds the lease lives without a renewal; 3 or more.")
    var ttl: Int64 = 10

    @Argument(parsing: .postTerminator, help: "The command to run, behind --.")
    var command: [String] = []

    func validate() throws {
        if ttl < 3 { throw ValidationError("--ttl is 3 or more") }
        if command.isEmpty {
            throw ValidationError("nothing to run: put the command behind --")
        }
    }

    func run(
        with options: ClusterOptions, what: String,
        _ acquire: @escaping @Sendable (Cluster, Int64, Duration) async throws -> Tenure
    ) async throws {
        let client = try options.makeCluster()
        let lease = try await client.grantLease(timeToLiveSeconds: ttl).id
        let held = HeldLease(client, lease, seconds: ttl)
        let renewing = Task { await held.keepAlive() }
        defer { renewing.cancel() }
        var status: Int32 = 0
        var failure: Failure?
        do {
            let tenure = try await held.acquire(acquire)
            status = try await HeldProcess(command, tenure).run(while: held, what: what)
        } catch let error as Failure {
            failure = error
        } catch let error as ClusterError {
            failure = Failure(error)
        }
        renewing.cancel()
        _ = try? await client.revokeLease(lease)
        await client.shutdown()
        if let failure { throw failure }
        if status != 0 { throw ExitCode(status) }
    }
}

/// A lease that is renewed, and until when it certainly lives.
actor HeldLease {
    private let client: Cluster
    private let id: Int64
    nonisolated let life: Duration
    private var aliveUntil: ContinuousClock.Instant
    private var isGone = false

    init(_ client: Cluster, _ id: Int64, seconds: Int64) {
        self.client = client
        self.id = id
        life = .seconds(seconds)
        aliveUntil = .now + .seconds(seconds)
    }

    /// How long the lease certainly lives, counted from when its last renewal was asked for.
    var certainLife: Duration { isGone ? .zero : aliveUntil - .now }

    func keepAlive() async {
        while !Task.isCancelled, !isGone {
            let asked = ContinuousClock.now
            do {
                _ = try await client.renewLease(id, timeout: life / 3)
                aliveUntil = max(aliveUntil, asked + life)
                try await Task.sleep(for: life / 3)
            } catch let error as ClusterError where error.code == .notFound {
                isGone = true
            } catch {
                try? await Task.sleep(for: .milliseconds(200))
            }
        }
    }

    /// Asks until it is granted: a member that goes takes the call with it, and the lease's key is
    /// found again, or put again, through another.
    nonisolated func acquire(
        _ body: @Sendable (Cluster, Int64, Duration) async throws -> Tenure
    ) async throws -> Tenure {
        while true {
            do {
                return try await body(client, id, .seconds(86_400))
            } catch let error as ClusterError {
                let mayPass =
                    error.code == .unavailable || error.code == .outcomeUnknown
                    || error.code == .deadlineExceeded
                guard mayPass, await certainLife > .zero else { throw error }
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }
}

/// The command's process, with this one's input and output.
struct HeldProcess {
    private let process = Process()

    init(_ command: [String], _ tenure: Tenure) {
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        var environment = ProcessInfo.processInfo.environment
        environment["KEELSON_FENCING_TOKEN"] = "\(tenure.fencingToken)"
        environment["KEELSON_LEASE"] = String(tenure.lease, radix: 16)
        environment["KEELSON_HELD_KEY"] = String(decoding: tenure.key, as: UTF8.self)
        process.environment = environment
    }

    /// Runs it until it ends, or until a third of the lease's life is left, when two renewals have
    /// failed: then it is asked to end (SIGTERM), and killed before the lease can have run out.
    func run(while held: HeldLease, what: String) async throws -> Int32 {
        do { try process.run() } catch {
            throw Failure(.failed, "cannot run the command: \(error.localizedDescription)")
        }
        let signals = passSignalsOn()
        defer { for signal in signals { signal.cancel() } }
        var isAsked = false
        while process.isRunning {
            let left = await held.certainLife
            if left < held.life / 6 {
                kill(process.processIdentifier, SIGKILL)
            } else if left < held.life / 3, !isAsked {
                isAsked = true
                process.terminate()
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        if await held.certainLife < held.life / 3 {
            throw Failure(
                .unavailable, "\(what) was lost: its lease could not be renewed",
                advice: "the command was stopped before another one could own it")
        }
        let status = process.terminationStatus
        return process.terminationReason == .uncaughtSignal ? 128 + status : status
    }

    /// What would end this process is for the command to decide.
    private func passSignalsOn() -> [any DispatchSourceSignal] {
        let identifier = process.processIdentifier
        return [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { kill(identifier, number) }
            source.resume()
            return source
        }
    }
}
