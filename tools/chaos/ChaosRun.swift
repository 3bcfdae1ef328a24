internal import Foundation
internal import Glibc
internal import LocalCluster
internal import NIOCore
internal import NIOPosix
internal import Primitives
internal import Simulation

/// One run: servers, clients, faults, the end, and the verdict.
struct ChaosRun {
    private let options: Chaos
    private let seed: UInt64
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let network: CutNetwork?
    private let cluster: ServerCluster
    private let clients: Clients
    private let control: Control
    private let nemesis: Nemesis
    private let historyPath: String
    private var leftOut: [String] = []
    private var lastProgress: Int64 = 0

    private static let smallDiskBytes = 1 << 30
    /// After the last fault, so long that leases that were prolonged by a new leader end.
    private static let quietSeconds = Mix.leaseSecondsMax + 5

    init(_ options: Chaos, _ program: ServerProgram, seed: UInt64) throws {
        self.options = options
        self.seed = seed
        var random = SplitMix64(seed: seed)
        (network, leftOut) = Self.network(options)
        if !options.corrupt { leftOut.append("changed bytes in files (--corrupt)") }
        try FileManager.default.createDirectory(
            atPath: options.history, withIntermediateDirectories: true)
        var kinds = options.kinds(hasNetwork: network != nil)
        if let network, kinds.contains(.delay), !Links.canHold(network) {
            kinds.removeAll { $0 == .delay }
            leftOut.append("delays: iptables cannot queue packets here")
        }
        var sites = network?.sites ?? Array(repeating: ServerSite(), count: options.nodes)
        var smallDisk: RamDisk?
        if kinds.contains(.fillDisk), geteuid() == 0 {
            let disk = try RamDisk(options.name, bytes: Self.smallDiskBytes)
            sites[options.nodes - 1].dataDirectory = disk.path + "/data"
            smallDisk = disk
        } else if kinds.contains(.fillDisk) {
            leftOut.append("full disks: that needs root")
        }
        var wallClocks: WallClocks?
        if kinds.contains(.stepClock), WallClocks.areThere {
            let folder = ServerCluster.folder(options.name)
            let clocks = WallClocks(folder: folder, count: options.nodes)
            clocks.put(into: &sites)
            wallClocks = clocks
        } else if kinds.contains(.stepClock) {
            leftOut.append("steps of wall clocks: libWallClock.so is not beside this program")
        }
        cluster = try ServerCluster(
            options.name, program, nodeCount: options.nodes,
            arguments: ["--snapshot-count", "2000"], sites: sites, keepsData: true)
        try wallClocks?.reset()
        var links: Links?
        if let network {
            links = try Links(
                network, log: cluster.folder.appending(path: "delays.log").path)
        }
        historyPath = URL(filePath: options.history).appending(path: "history.jsonl").path
        let loop = group.next()
        control = Control(loop: loop, cluster: cluster)
        clients = Clients(
            loop: loop, nodes: cluster.nodes, recorder: try Recorder(path: historyPath),
            clientCount: options.clients, watcherCount: options.watches,
            callsPerSecond: options.rate, random: random.fork())
        nemesis = Nemesis(
            cluster: cluster, links: links, control: control,
            clients: clients, kinds: kinds, smallDisk: smallDisk, wallClocks: wallClocks,
            random: random.fork())
    }

    /// Without root, `ip netns` or iptables there are only faults of processes.
    private static func network(_ options: Chaos) -> (CutNetwork?, [String]) {
        let what = "cuts and losses between servers: "
        if options.loopback { return (nil, [what + "--loopback"]) }
        do {
            let network = try CutNetwork(nodeCount: options.nodes)
            try Links.check(network)
            return (network, [])
        } catch {
            let reason = "\(error)".split(separator: "\n").first.map(String.init) ?? ""
            return (nil, [what + reason])
        }
    }

    mutating func perform() throws -> ChaosReport {
        defer { try? group.syncShutdownGracefully() }
        say("seed \(seed), \(options.nodes) servers, data and logs in \(cluster.folder.path)")
        for what in leftOut { say("left out: \(what)") }
        try cluster.start()
        try control.enableUsers()
        let begin = Recorder.now
        try clients.start()
        try nemesis.rage(seconds: options.seconds) { try showProgress() }
        try nemesis.calm()
        let whole = Recorder.now
        say("healed; \(Self.quietSeconds) s in peace, then the verdict")
        try nemesis.rest(seconds: Self.quietSeconds)
        return try settle(seconds: Double(Recorder.now - begin) / 1e9, whole: whole)
    }

    /// Stops the clients, waits until everybody knows everything, and judges.
    private func settle(seconds: Double, whole: Int64) throws -> ChaosReport {
        if try !clients.stopCalls() {
            try nemesis.violated("V1", "a client", "its call did not end within 30 s")
        }
        for intrusion in try clients.onLoop({ $0.bystander.intrusions }) {
            try nemesis.violated("A02", "a user without the right", intrusion)
        }
        try waitForQueues()
        let revision = try control.revision(of: 0)
        try waitForWatches(revision)
        try clients.stopWatches()
        var circumstances = Judgement.Circumstances()
        circumstances.healthyFrom =
            whole + Int64(Mix.leaseSecondsMax) * Nemesis.second
        circumstances.restarts = Dictionary(
            uniqueKeysWithValues: nemesis.log.restarts.enumerated().map { ($0.offset, $0.element) })
        circumstances.finalRevision = revision
        for node in cluster.nodes.indices {
            circumstances.hashes.append(try control.hash(of: node, at: revision))
            circumstances.finalStates.append(try control.everything(on: node, at: revision))
        }
        try cluster.stopAll()
        var history = try clients.onLoop { clients in
            let watches = clients.recorder.watches
            let writes = Judgement.writes(from: watches, client: 0)
            clients.recorder.noted(writes)
            return RecordedHistory(
                operations: clients.recorder.operations, watches: watches, writes: writes,
                queueCalls: clients.recorder.queueCalls,
                observations: clients.recorder.observations)
        }
        options.plant?.plant(&history, &circumstances)
        let judgement = Judgement(history, circumstances)
        let report = try report(seconds, judgement, history)
        if report.violations.isEmpty { cluster.removeData() }
        return report
    }

    /// Whoever died leaves nothing in a queue when its lease is over (Q4).
    private func waitForQueues() throws {
        let seconds = Mix.leaseSecondsMax + 5
        let names = Locker.locks + Locker.elections
        let left = { [control] () throws -> [RecordedPair] in
            let all = try control.everything(on: 0, at: control.revision(of: 0))
            return all.filter { pair in
                names.contains {
                    pair.key.storage.starts(with: RecordedQueueCall.prefix($0))
                }
            }
        }
        let isEmpty = try Patience.wait(.seconds(seconds), pauseMilliseconds: 200) {
            try left().isEmpty ? true : nil
        }
        if isEmpty == true { return }
        try nemesis.violated(
            "Q4", "the queues", "\(seconds) s after the last call there are \(left())")
    }

    /// Every watch comes to the last revision (W12).
    private func waitForWatches(_ revision: Int64) throws {
        let isThere = try clients.waitUntil(.seconds(15)) { clients in
            ([clients.collector] + clients.watchers).allSatisfy { $0.reached >= revision }
        }
        guard !isThere else { return }
        let late = try clients.onLoop { clients in
            ([clients.collector] + clients.watchers).filter { $0.reached < revision }
                .map { "\($0.manner.interval.key)… at \($0.reached)" }
        }
        try nemesis.violated(
            "W12", "watches", "15 s after the last call not at revision \(revision): \(late)")
    }

    private func report(
        _ seconds: Double, _ judgement: Judgement, _ history: RecordedHistory
    ) throws -> ChaosReport {
        let log = nemesis.log
        let found = log.violations + judgement.violations
        let faults = log.struck.map { ($0.key.rawValue, $0.value) }
        let breaks = history.watches.filter { $0.resumes != nil }.count
        return try clients.onLoop { [options, seed, leftOut, historyPath, network] clients in
            ChaosReport(
                seed: seed, nodes: options.nodes, clients: options.clients, seconds: seconds,
                hasNetwork: network != nil, leftOut: leftOut,
                faults: Dictionary(uniqueKeysWithValues: faults), faultCount: log.strikes,
                overlappingFaults: log.overlapping, operations: clients.recorder.counts,
                watches: history.watches.count, watchBreaks: breaks,
                revision: history.writes?.lastRevision ?? 1, term: log.termMax,
                longestWithoutWriteMilliseconds: Double(clients.recorder.longestWithoutWrite)
                    / 1e6,
                recoveryMilliseconds: log.recoveries, checkSeconds: judgement.seconds,
                history: historyPath,
                bystanderAllowed: clients.bystander.allowed,
                bystanderRefused: clients.bystander.refused, violations: found.map { "\($0)" })
        }
    }

    private func say(_ what: String) {
        print(what)
        fflush(nil)
    }

    /// One line that rewrites itself, where somebody looks at it.
    private mutating func showProgress() throws {
        guard isatty(STDERR_FILENO) == 1, Recorder.now - lastProgress > Nemesis.second else {
            return
        }
        lastProgress = Recorder.now
        let counts = try clients.onLoop { $0.recorder.counts }
        let line =
            "\r\(nemesis.log.strikes) faults, \(counts.ok) answered, \(counts.unknown) unknown, "
            + "\(counts.events) events   "
        try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
    }
}
