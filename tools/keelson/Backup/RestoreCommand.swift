internal import ArgumentParser
internal import Backup
internal import ControlPlane
internal import Primitives
internal import StateMachine
internal import Storage

struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make the data directory of one member of a new cluster, from a backup.",
        discussion: """
            Run it once for each member, with the same file, --initial-cluster,
            --initial-cluster-token and --nonce; then start the members, all of them, with those
            flags. The new cluster has an id of its own, which follows from all of these: members of
            the old cluster are strangers to it, and of two that are restored from one backup at
            different times, give one another --nonce.

            The revision goes up by 1,000,000,000 and history is compacted there, so that watches
            and caches read anew instead of going back in time. Leases have their full time.
            Launches that no agent had confirmed are lost; nothing that runs is killed.

            FILE may be the directory of `keelson backup follow`; then --to-revision or --to-time
            names any moment that it covers. Give all members the same.

            Also takes a snapshot of etcd's (`etcdctl snapshot save`), without passwords.

            EXAMPLE, on the machine of n1:
              keelson restore monday.kbk --name n1 --data-dir /var/lib/keelson \\
                --initial-cluster n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380 \\
                --initial-cluster-token monday --initial-advertise-peer-urls http://10.0.0.1:2380
            """)

    @Argument(help: "The backup, or a snapshot of etcd's.")
    var file: String

    @Option(
        help: ArgumentHelp("Of an archive: the last state at this revision.", valueName: "revision")
    )
    var toRevision: Int64?

    @Option(
        help: ArgumentHelp(
            "Of an archive: the state at this moment, by the leaders' clocks:"
                + " 2026-11-30T10:42:00Z, or milliseconds since 1970.", valueName: "time"))
    var toTime: String?

    @Option(help: "This member's name.")
    var name: String

    @Option(help: ArgumentHelp("All members: name=peer URL,…", valueName: "members"))
    var initialCluster: String

    @Option(help: ArgumentHelp("The new cluster's token.", valueName: "text"))
    var initialClusterToken = "keelson-cluster"

    @Option(help: ArgumentHelp("This member's peer URLs.", valueName: "urls"))
    var initialAdvertisePeerUrls: String

    @Option(help: ArgumentHelp("Where to; empty or not there.", valueName: "directory"))
    var dataDir: String

    @Option(
        help: ArgumentHelp(
            "Tells this restoration from others of the same backup.",
            valueName: "text"))
    var nonce = ""

    @Option(help: ArgumentHelp("How far the revision goes up.", valueName: "count"))
    var bumpRevision = RestorationStep.revisionsMin

    @Flag(help: "Only say what there would be.")
    var dryRun = false

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("How to print.", valueName: "format"))
    var format = OutputFormat.text

    func run() throws {
        let order = try makeOrder()
        let state = try BackupLoading.load(file, cut: try cut())
        let plan = try Failure.describing { () throws(BackupError) in
            try RestorePlan(state, order)
        }
        if !dryRun {
            try Failure.describing { () throws(BackupError) in
                try plan.write(
                    for: name, to: dataDir, disk: UInt32.random(in: 1...(.max)),
                    fileSystem: PosixFileSystem())
            }
        }
        var output = Output()
        switch format {
        case .text: show(plan, state, to: &output)
        case .json: output.line(json(plan, state))
        }
        output.flush()
    }

    private func cut() throws -> ArchiveCut {
        switch (toRevision, toTime) {
        case (nil, nil): return .end
        case (let revision?, nil): return .revision(Revision(revision))
        case (nil, let text?):
            guard let time = TimeOfDay.milliseconds(of: text) else {
                throw Failure(
                    .usage, "--to-time \(text) is no time",
                    advice: "write it as 2026-11-30T10:42:00Z, or in milliseconds since 1970")
            }
            return .time(time)
        case (_?, _?): throw Failure(.usage, "--to-revision and --to-time name two moments")
        }
    }

    /// What all members are told, checked as the server checks it.
    private func makeOrder() throws -> RestoreOrder {
        var flags = ServerConfiguration()
        flags.name = name
        flags.dataDirectory = dataDir
        flags.initialClusterToken = initialClusterToken
        do throws(ConfigurationError) {
            try flags.setInitialCluster(initialCluster)
            flags.initialAdvertisePeerURLs = try ServiceURL.list(
                initialAdvertisePeerUrls, flag: "--initial-advertise-peer-urls")
            try flags.validateRestoration()
        } catch { throw Failure(.usage, "\(error)") }
        return try Failure.describing { () throws(BackupError) in
            try RestoreOrder(
                members: flags.initialCluster.map {
                    RestoredMember(name: $0.name, peerURLs: $0.peerURLs.map(\.description))
                }, token: initialClusterToken, nonce: nonce, revisionStep: bumpRevision)
        }
    }

    private func show(_ plan: RestorePlan, _ state: BackupState, to output: inout Output) {
        let old = plan.oldClusterID.map { " (it was \($0))" } ?? ""
        output.line(
            dryRun ? "\(dataDir) would be member \(name)" : "\(dataDir) is member \(name)")
        output.line("cluster \(plan.clusterID)\(old)")
        output.table(
            ["MEMBER", "NAME", "PEER URLS"],
            plan.members.map {
                ["\($0.id)", $0.name, $0.peerURLs.joined(separator: ",")]
            })
        let store = plan.store
        output.line(
            "revision \(store.revision) (it was \(plan.oldRevision)), history compacted at"
                + " \(store.compactedRevision); index \(store.appliedIndex), term"
                + " \(store.appliedTerm)")
        output.line(
            "\(store.keyCount) keys, \(store.leases.count) leases with their full time,"
                + " \(store.auth.users.count) users, authentication"
                + (store.auth.isEnabled ? " on" : " off"))
        for task in plan.changes.lostLaunches {
            output.line("note: task \(task) is lost: no agent had confirmed its launch")
        }
        for alarm in plan.changes.alarms {
            output.line("note: alarm \(alarm) is not raised any more")
        }
        for notice in state.notices { output.line("note: \(notice)") }
        if !dryRun {
            output.line(
                "when all members are restored, start each with the same flags and"
                    + " --initial-cluster-state existing")
        }
    }

    private func json(_ plan: RestorePlan, _ state: BackupState) -> JSONValue {
        .object([
            ("dryRun", .bool(dryRun)), ("directory", .string(dataDir)), ("name", .string(name)),
            ("cluster", .string("\(plan.clusterID)")),
            ("oldCluster", plan.oldClusterID.map { .string("\($0)") } ?? .null),
            (
                "members",
                .array(
                    plan.members.map { member in
                        .object([
                            ("id", .string("\(member.id)")), ("name", .string(member.name)),
                            ("peerURLs", .array(member.peerURLs.map { .string($0) })),
                        ])
                    })
            ),
            ("revision", .integer(plan.store.revision.rawValue)),
            ("oldRevision", .integer(plan.oldRevision.rawValue)),
            ("compactedRevision", .integer(plan.store.compactedRevision.rawValue)),
            ("index", .unsigned(plan.store.appliedIndex.rawValue)),
            ("term", .unsigned(plan.store.appliedTerm.rawValue)),
            ("keys", .integer(Int64(plan.store.keyCount))),
            ("leases", .integer(Int64(plan.store.leases.count))),
            ("users", .integer(Int64(plan.store.auth.users.count))),
            (
                "lostLaunches",
                .array(plan.changes.lostLaunches.map { .string("\($0)") })
            ),
            ("notices", .array(state.notices.map { .string($0) })),
        ])
    }
}
