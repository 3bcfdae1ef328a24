internal import Glibc
internal import LocalCluster
internal import Primitives
internal import Simulation

/// Strikes the servers with faults that overlap, drawn from a seed, and takes them back. For the
/// thread that directs the run.
final class Nemesis {
    enum ProcessState {
        case up, paused, stopping, down
        /// No member, or about to be none.
        case away
    }

    struct Undo {
        var time: Int64
        var run: () throws -> Void
    }

    let cluster: ServerCluster
    let links: Links?
    let control: Control
    let clients: Clients
    let kinds: [FaultKind]
    /// What the last node's data is on.
    let smallDisk: RamDisk?
    let wallClocks: WallClocks?
    var isDiskFull = false
    var random: SplitMix64
    var states: [ProcessState]
    /// How many running faults make each node useless to the others.
    var impairments: [Int]
    var undos: [Undo] = []
    /// A file was changed on some node since all were last whole.
    var isRotten = false
    var isRejoining = false
    /// Servers that joined after the first start.
    var newcomers: Set<Int> = []
    var log: NemesisLog

    static let second: Int64 = 1_000_000_000
    private static let recoverySecondsMax: Int64 = 40
    static let stopSecondsMax: Int64 = 20

    init(
        cluster: ServerCluster, links: Links?, control: Control, clients: Clients,
        kinds: [FaultKind], smallDisk: RamDisk?, wallClocks: WallClocks?, random: SplitMix64
    ) {
        self.wallClocks = wallClocks
        self.cluster = cluster
        self.links = links
        self.control = control
        self.clients = clients
        self.kinds = kinds
        self.smallDisk = smallDisk
        self.random = random
        states = Array(repeating: .up, count: cluster.nodes.count)
        impairments = Array(repeating: 0, count: cluster.nodes.count)
        log = NemesisLog(nodeCount: cluster.nodes.count)
    }

    var nodes: Range<Int> { cluster.nodes.indices }
    private var minority: Int { (cluster.nodes.count - 1) / 2 }

    /// Faults for so long; every now and then all are taken back, and the cluster has to serve.
    func rage(seconds: Int, _ progress: () throws -> Void) throws {
        let end = Recorder.now + Int64(seconds) * Self.second
        var nextStrike = Recorder.now + Self.second
        var nextCalm = Recorder.now + Int64(random.draw(15...30)) * Self.second
        while Recorder.now < end {
            try takeBack { $0.time <= Recorder.now }
            try lookForDeaths()
            if Recorder.now >= nextCalm {
                try calm()
                // Only now are all others whole for certain.
                let isForMembers = !kinds.contains(.corrupt) || random.chance(1, in: 3)
                if isForMembers, kinds.contains(.rejoin) {
                    try strike(.rejoin)
                } else if kinds.contains(.corrupt) {
                    try strike(.corrupt)
                }
                nextCalm = Recorder.now + Int64(random.draw(15...40)) * Self.second
            }
            if Recorder.now >= nextStrike {
                try strike()
                nextStrike = Recorder.now + Int64(random.draw(50...1500)) * 1_000_000
            }
            try progress()
            _ = poll(nil, 0, 20)
        }
    }

    // MARK: - Strikes

    private func strike() throws { try strike(drawKind()) }

    private func strike(_ kind: FaultKind) throws {
        guard let target = drawTarget(kind) else { return }
        let isOverlapping = !undos.isEmpty
        if try strike(kind, target) { log.struck(kind, isOverlapping: isOverlapping) }
    }

    private func drawKind() -> FaultKind {
        var ticket = random.draw(0...kinds.reduce(0) { $0 + $1.weight } - 1)
        for kind in kinds {
            ticket -= kind.weight
            if ticket < 0 { return kind }
        }
        return .kill
    }

    /// The leader half of the time. Mostly a majority is left in peace, so that there is something
    /// to lose; sometimes not.
    private func drawTarget(_ kind: FaultKind) -> Int? {
        let whole = nodes.filter { impairments[$0] == 0 }
        let struck = cluster.nodes.count - whole.count
        let isCareful = kind.impairs && kind != .killAll && !random.chance(1, in: 8)
        if isCareful, struck >= minority {
            return struck == 0 ? nil : random.pick(nodes.filter { impairments[$0] > 0 })
        }
        if random.chance(1, in: 2), let leader = control.leader(among: whole) { return leader.node }
        return random.draw(0...cluster.nodes.count - 1)
    }

    /// Runs `body` when the fault has lasted, and counts the node as impaired until then.
    func later(_ milliseconds: ClosedRange<Int>, _ node: Int?, _ body: @escaping () throws -> Void)
    {
        let time = Recorder.now + Int64(random.draw(milliseconds)) * 1_000_000
        later(at: time, node, body)
    }

    func later(at time: Int64, _ node: Int?, _ body: @escaping () throws -> Void) {
        if let node { impairments[node] += 1 }
        undos.append(
            Undo(time: time) {
                if let node { self.impairments[node] -= 1 }
                try body()
            })
    }

    /// Takes back the faults that `isDue` says; taking one back may have to wait once more.
    private func takeBack(_ isDue: (Undo) -> Bool) throws {
        let due = undos.filter(isDue).sorted { $0.time < $1.time }
        undos.removeAll(where: isDue)
        for undo in due { try undo.run() }
    }

    func note(_ kind: String, _ what: String) throws {
        try clients.onLoop { $0.recorder.noted(fault: kind, what) }
    }

    func violated(_ property: String, _ subject: String, _ what: String) throws {
        log.violations.append(CheckViolation(property, subject, what))
        try note("violation", "\(property) \(subject): \(what)")
    }

    /// A server that ends although nobody ended it.
    private func lookForDeaths() throws {
        for node in nodes where states[node] == .up || states[node] == .paused {
            guard let child = cluster.nodes[node].current, let status = child.exitStatus else {
                continue
            }
            states[node] = .down
            try violated(
                "process", cluster.nodes[node].name,
                "it ended by itself with \(status); its log ends:\n\(child.outputTail(lines: 12))")
            later(500...1000, node) { try self.start(node) }
        }
    }

    // MARK: - Calm

    /// Takes everything back and waits until every node serves what is newest (V1, V3).
    func calm() throws {
        try links?.heal()
        let patience = Recorder.now + Self.recoverySecondsMax * Self.second
        while !undos.isEmpty {
            try takeBack { _ in true }
            if Recorder.now > patience {
                return try violated("V3", "the cluster", "members cannot be changed")
            }
            _ = poll(nil, 0, 20)
        }
        try links?.heal()
        for node in nodes where states[node] == .down { try start(node) }
        try note("calm", "all faults are taken back")
        let start = Recorder.now
        let limit = start + Self.recoverySecondsMax * Self.second
        var lookAtUsers = start + 2 * Self.second
        while Recorder.now < limit {
            if try isWhole(since: start) {
                log.recoveries.append(Double(Recorder.now - start) / 1e6)
                isRotten = false
                return
            }
            try lookForDeaths()
            try takeBack { $0.time <= Recorder.now }
            if Recorder.now > lookAtUsers {
                lookAtUsers += 2 * Self.second
                restoreRole()
            }
            _ = poll(nil, 0, 50)
        }
        try violated(
            "V3", "the cluster",
            "\(Self.recoverySecondsMax) s after the last fault not every node serves what is newest"
                + "\n\(cluster.logTails(lines: 6))")
    }

    /// One leader, writes again, and every node answers a linearizable read.
    private func isWhole(since start: Int64) throws -> Bool {
        guard try clients.onLoop({ $0.recorder.lastWrite > start }) else { return false }
        let all = nodes.compactMap { try? control.status(of: $0) }
        guard all.count == cluster.nodes.count, let first = all.first, first.leader != 0,
            all.allSatisfy({ $0.leader == first.leader && $0.term == first.term })
        else { return false }
        log.termMax = max(log.termMax, first.term)
        return nodes.allSatisfy { (try? control.revision(of: $0)) != nil }
    }
}

/// What the nemesis did, and what it saw of itself.
struct NemesisLog: Sendable {
    private(set) var struck: [FaultKind: Int] = [:]
    /// Of those, how many began while another one lasted.
    private(set) var overlapping = 0
    /// From the end of all faults until every node served, in milliseconds.
    var recoveries: [Double] = []
    /// When each node was started again, in nanoseconds.
    var restarts: [[Int64]]
    var termMax: UInt64 = 0
    var violations: [CheckViolation] = []

    init(nodeCount: Int) { restarts = Array(repeating: [], count: nodeCount) }

    var strikes: Int { struck.values.reduce(0, +) }

    mutating func struck(_ kind: FaultKind, isOverlapping: Bool) {
        struck[kind, default: 0] += 1
        if isOverlapping { overlapping += 1 }
    }
}
