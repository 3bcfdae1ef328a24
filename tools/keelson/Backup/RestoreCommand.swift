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

    @Argument(help: "The backup, an archive, or a snapshot of etcd's.")
    var file: String

    @OptionGroup var moment: ArchiveMomentOptions

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
        let order = try RestoreOrder.checked(
            name: name, directory: dataDir, cluster: initialCluster,
            peerURLs: initialAdvertisePeerUrls, token: initialClusterToken, nonce: nonce,
            revisionStep: bumpRevision)
        let state = try BackupLoading.load(file, cut: try moment.cut())
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
        let report = RestoreReport(
            plan: plan, state: state, directory: dataDir, name: name, isDry: dryRun)
        report.print(
            as: format, before: "when all members are restored, start each with the same flags")
    }
}

extension RestoreOrder {
    /// What all members are told, checked as the server checks it.
    static func checked(
        name: String, directory: String, cluster: String, peerURLs: String, token: String,
        nonce: String, revisionStep: Int64
    ) throws -> RestoreOrder {
        var flags = ServerConfiguration()
        flags.name = name
        flags.dataDirectory = directory
        flags.initialClusterToken = token
        do throws(ConfigurationError) {
            try flags.setInitialCluster(cluster)
            flags.initialAdvertisePeerURLs = try ServiceURL.list(
                peerURLs, flag: "--initial-advertise-peer-urls")
            try flags.validateRestoration()
        } catch { throw Failure(.usage, "\(error)") }
        return try Failure.describing { () throws(BackupError) in
            try RestoreOrder(
                members: flags.initialCluster.map {
                    RestoredMember(name: $0.name, peerURLs: $0.peerURLs.map(\.description))
                }, token: token, nonce: nonce, revisionStep: revisionStep)
        }
    }
}
