internal import Glibc
internal import LocalCluster
internal import Primitives

extension Nemesis {
    /// False where this fault makes no sense for the node as it is now.
    func strike(_ kind: FaultKind, _ node: Int) throws -> Bool {
        switch kind {
        case .kill: return try kill(node, again: false)
        case .killInRecovery: return try kill(node, again: true)
        case .stop: return try stop(node)
        case .pause: return try pause(node)
        case .killAll: return try killAll()
        case .isolate: return try cut(kind, node, nodes.filter { $0 != node }, both: true)
        case .cutLink:
            guard let other = nodes.filter({ $0 != node }).randomElement(by: &random) else {
                return false
            }
            return try cut(kind, node, [other], both: true)
        case .deafen, .mute:
            return try cut(kind, node, nodes.filter { $0 != node }, both: false)
        case .lose: return try lose(node)
        case .delay: return try delay(node)
        case .stepClock: return try stepClock(node)
        case .rejoin: return try rejoin(node)
        case .users: return try changeUsers()
        case .cutClients: return try cutClients(node)
        case .corrupt: return try corrupt(node)
        case .fillDisk: return try fillDisk()
        }
    }

    private func name(_ node: Int) -> String { cluster.nodes[node].name }

    // MARK: - Processes

    func start(_ node: Int) throws {
        guard states[node] == .down else { return }
        try note("start", name(node))
        log.restarts[node].append(Recorder.now)
        try cluster.nodes[node].launch(
            more: newcomers.contains(node) ? ["--initial-cluster-state", "existing"] : [])
        states[node] = .up
    }

    private func end(_ node: Int) {
        states[node] = .down
        cluster.nodes[node].killHard()
    }

    private func kill(_ node: Int, again: Bool) throws -> Bool {
        guard states[node] == .up || states[node] == .paused else { return false }
        try note(again ? "killInRecovery" : "kill", name(node))
        end(node)
        guard again else {
            later(0...4000, node) { try self.start(node) }
            return true
        }
        later(0...1000, node) {
            try self.start(node)
            self.later(5...150, node) {
                guard self.states[node] == .up else { return }
                try self.note("kill", self.name(node))
                self.end(node)
                self.later(0...500, node) { try self.start(node) }
            }
        }
        return true
    }

    private func killAll() throws -> Bool {
        let running = nodes.filter { states[$0] == .up || states[$0] == .paused }
        guard running.count == cluster.nodes.count else { return false }
        try note("killAll", "all")
        for node in nodes { cluster.nodes[node].current?.send(signal: SIGKILL) }
        for node in nodes {
            end(node)
            later(0...1500, node) { try self.start(node) }
        }
        return true
    }

    private func stop(_ node: Int) throws -> Bool {
        guard states[node] == .up else { return false }
        try note("stop", name(node))
        states[node] = .stopping
        cluster.nodes[node].current?.send(signal: SIGTERM)
        let limit = Recorder.now + Self.stopSecondsMax * Self.second
        later(300...4000, node) { try self.startAfterStop(node, limit) }
        return true
    }

    private func startAfterStop(_ node: Int, _ limit: Int64) throws {
        if cluster.nodes[node].isRunning {
            guard Recorder.now > limit else {
                return later(50...100, node) { try self.startAfterStop(node, limit) }
            }
            try violated(
                "process", name(node), "it did not stop within \(Self.stopSecondsMax) s")
            cluster.nodes[node].killHard()
        }
        states[node] = .down
        try start(node)
    }

    private func pause(_ node: Int) throws -> Bool {
        guard states[node] == .up, let child = cluster.nodes[node].current else { return false }
        try note("pause", name(node))
        states[node] = .paused
        child.send(signal: SIGSTOP)
        let longest = random.pick([400, 1500, 5000])
        later(100...longest, node) {
            guard self.states[node] == .paused, self.cluster.nodes[node].current === child else {
                return
            }
            try self.note("continue", self.name(node))
            child.send(signal: SIGCONT)
            self.states[node] = .up
        }
        return true
    }

    // MARK: - Clocks

    private func stepClock(_ node: Int) throws -> Bool {
        guard let wallClocks else { return false }
        let seconds: Int64 = random.pick(
            [-40_000_000, -3600, -30, -2, 2, 30, 3600, 40_000_000])
        try note("stepClock", "\(name(node)) by \(seconds) s")
        try wallClocks.set(node, seconds: seconds)
        later(500...8000, nil) {
            try wallClocks.set(node, seconds: 0)
            try self.note("setClock", self.name(node))
        }
        return true
    }

    // MARK: - Disks

    private func fillDisk() throws -> Bool {
        guard let smallDisk, !isDiskFull else { return false }
        let node = cluster.nodes.count - 1
        let bytes = smallDisk.fill()
        try note("fillDisk", "\(name(node)), \(bytes >> 20) MiB were left")
        isDiskFull = true
        later(500...8000, node) {
            smallDisk.empty()
            self.isDiskFull = false
            try self.note("emptyDisk", self.name(node))
        }
        return true
    }

    // MARK: - Links

    private func put(_ rules: [Links.Rule], _ milliseconds: ClosedRange<Int>, _ impaired: Int?)
        throws
    {
        guard let links else { return }
        for rule in rules { try links.add(rule) }
        later(milliseconds, impaired) { for rule in rules { try links.remove(rule) } }
    }

    private func cut(_ kind: FaultKind, _ node: Int, _ others: [Int], both: Bool) throws -> Bool {
        try note(
            kind.rawValue,
            "\(name(node)) from \(others.map { name($0) }.joined(separator: ", "))")
        var rules: [Links.Rule] = []
        for other in others {
            let toNode = Links.Rule(from: other, to: node, fate: .lost(perMille: 1000))
            let fromNode = Links.Rule(from: node, to: other, fate: .lost(perMille: 1000))
            if both || kind == .deafen { rules.append(toNode) }
            if both || kind == .mute { rules.append(fromNode) }
        }
        let longest = random.pick([300, 2500, 6000])
        try put(rules, 100...longest, kind.impairs ? node : nil)
        return true
    }

    private func lose(_ node: Int) throws -> Bool {
        let perMille = random.pick([20, 100, 300, 600])
        try note("lose", "\(perMille) of 1000 packets between \(name(node)) and the others")
        try put(everyWay(node, .lost(perMille: perMille)), 500...6000, nil)
        return true
    }

    private func delay(_ node: Int) throws -> Bool {
        let hold = random.pick(Links.Hold.allCases)
        try note("delay", "\(hold) between \(name(node)) and the others")
        try put(everyWay(node, .held(hold)), 500...6000, node)
        return true
    }

    private func everyWay(_ node: Int, _ fate: Links.Fate) -> [Links.Rule] {
        nodes.filter { $0 != node }.flatMap { other in
            [
                Links.Rule(from: other, to: node, fate: fate),
                Links.Rule(from: node, to: other, fate: fate),
            ]
        }
    }

    private func cutClients(_ node: Int) throws -> Bool {
        try note("cutClients", name(node))
        try put([Links.Rule(from: nil, to: node, fate: .lost(perMille: 1000))], 500...4000, nil)
        return true
    }
}

extension Array {
    fileprivate func randomElement(by random: inout SplitMix64) -> Element? {
        isEmpty ? nil : random.pick(self)
    }
}
