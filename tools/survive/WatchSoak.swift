internal import Foundation
internal import LocalCluster
internal import NIOCore
internal import Primitives

/// Ten thousand watchers on a hundred connections, ten on each of a thousand prefixes, and a
/// thousand puts a second, while members are killed: every watcher sees every event of its prefix
/// once and in order.
///
/// Confined to its event loop but for what says otherwise, hence `@unchecked Sendable`.
final class WatchSoak: @unchecked Sendable {
    let loop: any EventLoop
    let nodes: [ServerNode]
    var book = SoakBook(prefixCount: 1000, watchersPerPrefix: 10)
    private var connections: [SoakConnection] = []
    private var writers: [SoakWriter] = []
    private var pacer: RepeatedTask?
    private var turn = 0

    private static let connectionCount = 100
    private static let writerCount = 10
    private static let putsPerSecond = 1000

    static func prefix(_ number: Int) -> String { "soak/\(number)" }

    init(loop: any EventLoop, nodes: [ServerNode]) {
        self.loop = loop
        self.nodes = nodes
        // The watchers of one prefix are on as many connections, and so on all servers.
        connections = (0..<Self.connectionCount).map { number in
            let all = stride(from: number, to: book.watcherCount, by: Self.connectionCount)
            return SoakConnection(soak: self, number: number, watchers: Array(all))
        }
        writers = (0..<Self.writerCount).map { SoakWriter(soak: self, number: $0) }
    }

    // MARK: From any thread but the loop

    /// Runs for so many seconds and says what came of it.
    func run(
        seconds: Int, cluster: ServerCluster, say: (String) -> Void
    ) throws -> [String] {
        try onLoop { for connection in $0.connections { connection.start() } }
        let created = try waitUntil(.seconds(60)) { soak in
            soak.connections.allSatisfy { $0.createdCount > 0 }
        }
        if !created { return ["not every connection had a watch after a minute"] }
        try onLoop { $0.startWriting() }
        var peaks = [Int](repeating: 0, count: nodes.count)
        var kills = 0
        var random = SplitMix64(seed: UInt64(seconds))
        let end = ContinuousClock.now + .seconds(seconds)
        let killEvery = max(8, seconds / 10)
        for second in 1... where ContinuousClock.now < end {
            _ = poll(nil, 0, 1000)
            for (number, node) in nodes.enumerated() {
                peaks[number] = max(peaks[number], node.residentBytes)
            }
            if second % killEvery == 0, second + 5 < seconds {
                let victim = nodes[Int(random.next(below: UInt64(nodes.count)))]
                victim.killHard()
                _ = poll(nil, 0, 1500)
                _ = try victim.launch()
                kills += 1
            }
            if second % 10 == 0 {
                let (acknowledged, events) = try onLoop {
                    ($0.book.acknowledgedCount, $0.book.eventCount)
                }
                say("\(second) s: \(acknowledged) puts, \(events) events, \(kills) kills")
            }
            if ContinuousClock.now >= end { break }
        }
        return try finish(peaks, kills, say)
    }

    private func finish(
        _ peaks: [Int], _ kills: Int, _ say: (String) -> Void
    ) throws -> [String] {
        try onLoop { for writer in $0.writers { writer.stop() } }
        _ = try waitUntil(.seconds(15)) { $0.writers.allSatisfy(\.isIdle) }
        let start = ContinuousClock.now
        _ = try waitUntil(.seconds(60)) { $0.book.isComplete }
        let late = (ContinuousClock.now - start).milliseconds
        let book = try onLoop { soak in
            soak.book.judge()
            soak.pacer?.cancel()
            for connection in soak.connections { connection.stop() }
            return soak.book
        }
        let reconnects = try onLoop { $0.connections.reduce(0) { $0 + $1.reconnects } }
        say(
            "\(book.acknowledgedCount) puts acknowledged, \(book.unknownCount) unknown,"
                + " \(book.refusedCount) never sent; \(book.eventCount) events to"
                + " \(book.watcherCount) watchers; \(kills) kills, \(reconnects) reconnects;"
                + String(format: " complete %.0f ms after the last put", late))
        let sizes = peaks.map { "\($0 >> 20)" }.joined(separator: ", ")
        say("most memory of each server: \(sizes) MiB")
        return book.violations
    }

    private func startWriting() {
        let interval = TimeAmount.milliseconds(1)
        let batch = Self.putsPerSecond / 1000
        pacer = loop.scheduleRepeatedTask(initialDelay: interval, delay: interval) {
            [weak self] _ in
            guard let self else { return }
            for _ in 0..<batch {
                writers[turn % writers.count].put()
                turn += 1
            }
        }
    }

    private func onLoop<T: Sendable>(
        _ body: @escaping @Sendable (WatchSoak) throws -> T
    ) throws -> T { try loop.submit { try body(self) }.wait() }

    private func waitUntil(
        _ limit: Duration, _ isTrue: @escaping @Sendable (WatchSoak) -> Bool
    ) throws -> Bool {
        try Patience.wait(limit, pauseMilliseconds: 20) { try onLoop(isTrue) ? true : nil } ?? false
    }
}
