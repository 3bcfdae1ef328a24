internal import LocalCluster
internal import NIOCore
internal import Primitives
internal import RPC
internal import Simulation

/// Everything that talks to the servers, on one event loop. Confined to it but for the members that
/// say otherwise, hence `@unchecked Sendable`.
final class Clients: @unchecked Sendable {
    let loop: any EventLoop
    let endpoints: [(host: String, port: Int)]
    let recorder: Recorder
    let collector: Watcher
    let session = Session(user: Control.client)
    let bystander: Bystander
    let pauseMilliseconds: Int
    var mix: Mix
    private(set) var callers: [Caller] = []
    private(set) var watchers: [Watcher] = []
    private(set) var lockers: [Locker] = []
    private(set) var electionWatchers: [ElectionWatcher] = []
    private var isRunning = false

    private static let lockersCount = 8

    /// - Parameter callersPerSecond: how many calls all clients together begin a second, about.
    init(
        loop: any EventLoop, nodes: [ServerNode], recorder: Recorder, clientCount: Int,
        watcherCount: Int, callsPerSecond: Int, random: SplitMix64
    ) {
        var random = random
        self.loop = loop
        self.recorder = recorder
        endpoints = nodes.map { ($0.host, $0.clientPort) }
        pauseMilliseconds = max(1, clientCount * 1000 / callsPerSecond)
        mix = Mix(random: random.fork(), keyCount: 12)
        bystander = Bystander(random: random.fork())
        collector = Watcher(client: 0, .collector, random: random.fork())
        // After an unanswered call a client goes on under a new number.
        callers = (1...clientCount).map {
            Caller(number: $0, step: clientCount + watcherCount + 1, random: random.fork())
        }
        watchers = (0..<watcherCount).map { place in
            Watcher(
                client: clientCount + 1 + place, .drawn(place, &random), random: random.fork())
        }
        // Numbers that nobody who goes on under new ones comes to.
        let first = 1 << 20
        lockers = (0..<Self.lockersCount).map { place in
            Locker(
                number: first + place, place % 2 == 0 ? .lock : .election, random: random.fork())
        }
        electionWatchers = Locker.elections.enumerated().map { place, name in
            ElectionWatcher(
                number: first + Self.lockersCount + place, name: name, random: random.fork())
        }
    }

    /// From any thread but the loop.
    func start() throws {
        try onLoop { clients in
            clients.isRunning = true
            clients.flushLater()
            clients.recorder.beginCountingWrites()
            clients.collector.start(clients)
            for watcher in clients.watchers { watcher.start(clients) }
            for caller in clients.callers { caller.start(clients) }
            for watcher in clients.electionWatchers { watcher.start(clients) }
            for locker in clients.lockers { locker.start(clients) }
            clients.bystander.start(clients)
        }
    }

    /// What is taken down is on the disk a second later.
    private func flushLater() {
        loop.assumeIsolated().scheduleTask(in: .seconds(1)) {
            guard self.isRunning else { return }
            self.recorder.flush()
            self.flushLater()
        }
    }

    /// Stops the calls, and waits until none is outstanding. From any thread but the loop.
    func stopCalls() throws -> Bool {
        try onLoop { clients in
            for caller in clients.callers { caller.stop() }
            for locker in clients.lockers { locker.stop() }
            clients.bystander.stop()
        }
        return try waitUntil(.seconds(30)) { clients in
            clients.callers.allSatisfy { $0.isIdle } && clients.lockers.allSatisfy { $0.isIdle }
        }
    }

    /// From any thread but the loop.
    func stopWatches() throws {
        try onLoop { clients in
            clients.collector.stop()
            for watcher in clients.watchers { watcher.stop() }
            for watcher in clients.electionWatchers { watcher.stop() }
            clients.isRunning = false
            clients.recorder.flush()
        }
    }

    func onLoop<T: Sendable>(_ body: @escaping @Sendable (Clients) throws -> T) throws -> T {
        try loop.submit { try body(self) }.wait()
    }

    /// From any thread but the loop; false when it does not come true within `limit`.
    func waitUntil(
        _ limit: Duration, _ isTrue: @escaping @Sendable (Clients) -> Bool
    ) throws -> Bool {
        try Patience.wait(limit, pauseMilliseconds: 10) { try onLoop(isTrue) ? true : nil } ?? false
    }
}
