internal import ArgumentParser
internal import Foundation
internal import LocalCluster
internal import NIOCore

extension Survive {
    /// One fault, and the same verdict as after any run.
    func run(_ trial: Trial, _ loop: any EventLoop) throws {
        switch trial {
        case .fullFollower, .fullLeader:
            let disks = try FullDiskTrial.makeDisks(name)
            let cluster = try ServerCluster(
                name, try program(), sites: FullDiskTrial.sites(on: disks), keepsData: true)
            try judge(trial, cluster, loop) { workload, readers, control in
                var full = FullDiskTrial(
                    disks: disks, cluster: cluster, workload: workload, readers: readers,
                    control: control)
                try full.run(fillsLeader: trial == .fullLeader, say: say)
                return full.violations
            }
        case .members:
            let cluster = try ServerCluster(name, try program(), spareCount: 3, keepsData: true)
            try judge(trial, cluster, loop) { workload, readers, control in
                var members = MembersTrial(cluster: cluster, workload: workload, control: control)
                try members.run(say: say)
                return members.violations
            }
        case .upgrade:
            let cluster = try ServerCluster(name, try program(), spareCount: 1, keepsData: true)
            try UpgradeTrial.startOlder(cluster)
            try judge(trial, cluster, loop) { workload, readers, control in
                var upgrade = UpgradeTrial(cluster: cluster, workload: workload, control: control)
                try upgrade.run(say: say)
                return upgrade.violations
            }
        case .rejoinEmpty, .rejoinOld:
            let cluster = try ServerCluster(
                name, try program(), arguments: RejoinTrial.arguments, keepsData: true)
            try judge(trial, cluster, loop) { workload, readers, control in
                var rejoin = RejoinTrial(
                    cluster: cluster, workload: workload, control: control,
                    loss: trial == .rejoinEmpty ? .empty : .older)
                try rejoin.run(say: say)
                return rejoin.violations
            }
        case .succession:
            let cluster = try ServerCluster(
                name, try program(), spareCount: 1, arguments: SuccessionTrial.arguments,
                keepsData: true)
            try judge(trial, cluster, loop) { workload, readers, control in
                var succession = SuccessionTrial(
                    cluster: cluster, workload: workload, control: control)
                try succession.run(say: say)
                return succession.violations
            }
        case .cutLeader, .deafLeader, .muteLeader, .cutLink:
            let network = try CutNetwork(nodeCount: 3)
            let cluster = try ServerCluster(
                name, try program(), sites: network.sites, keepsData: true)
            try judge(trial, cluster, loop) { workload, readers, control in
                var cut = CutTrial(
                    network: network, cluster: cluster, workload: workload, readers: readers,
                    control: control)
                try cut.run(trial, say: say)
                return cut.violations
            }
        }
    }

    /// Load, with a reader on each node, around `disturb`; then every write is looked up.
    private func judge(
        _ trial: Trial, _ cluster: ServerCluster, _ loop: any EventLoop,
        _ disturb: (Workload, [Reader], ControlClient) throws -> [String]
    ) throws {
        try cluster.start()
        let workload = Workload(
            loop: loop, nodes: cluster.nodes + cluster.spares, writerCount: clients,
            valueBytes: trial.valueBytes,
            pauseMilliseconds: pause, hasDefiniteTexts: kind == "keelson")
        let readers = cluster.nodes.map {
            Reader(node: $0, workload: workload, mayBeOld: oldReads)
        }
        let control = ControlClient(loop: loop)
        try workload.start()
        try workload.onLoop { _ in for reader in readers { reader.start() } }
        let isWriting = try workload.waitUntil(.seconds(10)) {
            $0.ledger.acknowledgements.count >= 100
        }
        guard isWriting else {
            try workload.stop()
            throw SurviveFailure.noWrites(after: "the start", logs: cluster.logTails())
        }
        var violations: [String] = []
        do { violations = try disturb(workload, readers, control) } catch {
            violations.append("the trial was given up: \(error)")
        }
        try workload.stop()
        violations += try workload.onLoop { _ in
            for reader in readers { reader.stop() }
            return readers.flatMap(\.violations)
        }
        let ledger = try workload.currentLedger()
        _ = try control.waitForLeader(of: cluster)
        let verdict = try Verdict.reach(ledger, cluster, control)
        violations += verdict.violations
        report(ledger, verdict, violations)
        if !violations.isEmpty { throw ExitCode(1) }
        try cluster.stopAll()
        cluster.removeData()
    }

    private func report(_ ledger: Ledger, _ verdict: Verdict, _ violations: [String]) {
        let counts = ledger.counts
        say(
            "\(counts.acknowledged) writes acknowledged, \(counts.refused) refused, "
                + "\(counts.unknown) unknown (of these \(verdict.unknownButDone) done)")
        for (reason, count) in ledger.reasons.sorted(by: { $0.key < $1.key }) {
            say("  \(count) times \(reason)")
        }
        say(
            "\(verdict.keyCount) keys at revision \(verdict.revision); HashKV "
                + verdict.hashes.map { String($0, radix: 16) }.joined(separator: " "))
        for violation in violations { say("VIOLATION: " + violation) }
        say(violations.isEmpty ? "survived" : "NOT SURVIVED")
    }

    /// Watchers under kills, and a verdict about what they were told.
    func runSoak(seconds: Int, _ loop: any EventLoop) throws {
        let cluster = try ServerCluster(name, try program(), keepsData: true)
        try cluster.start()
        let soak = WatchSoak(loop: loop, nodes: cluster.nodes)
        let violations = try soak.run(seconds: seconds, cluster: cluster, say: say)
        for violation in violations { say("VIOLATION: " + violation) }
        say(violations.isEmpty ? "survived" : "NOT SURVIVED")
        if !violations.isEmpty { throw ExitCode(1) }
        try cluster.stopAll()
        cluster.removeData()
    }

    private func say(_ what: String) {
        print(what)
        fflush(nil)
    }
}
