internal import ArgumentParser
internal import Backup
internal import ControlPlane
internal import Primitives
internal import StateMachine
internal import Storage

struct RecoverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Make a cluster of one out of what a lost cluster left on one machine.",
        discussion: """
            For the day on which a majority of the members is gone for good and there is no backup
            that is newer. Members that can come back are started again instead: a cluster with a
            majority needs no recovery, and this makes another one.

            DIRECTORY is the data directory of a member that survived; its server must not run. It
            is read and checked whole, and not changed. Of several, take the one whose log goes
            furthest: the highest term, and of those the highest index; --dry-run says both.
            Everything that is in its log counts, also what no majority may have had: what was
            acknowledged is not lost, and a write whose outcome nobody knew may have taken effect.

            The new cluster has one member, an id of its own and numbers far ahead, as after
            `keelson restore`: old members are strangers to it, watches and caches read anew. Add
            members with `keelson member add`. Writes that only the lost members had are lost.

            EXAMPLE:
              keelson recover /var/lib/keelson --force-new-cluster --name n1 \\
                --data-dir /var/lib/keelson-new --initial-advertise-peer-urls http://10.0.0.1:2380
            """)

    @Argument(help: "The data directory of a member that survived.")
    var directory: String

    @Flag(help: "Says that the members that are missing do not come back. It has to be given.")
    var forceNewCluster = false

    @Option(help: "The member's name.")
    var name: String

    @Option(help: ArgumentHelp("The member's peer URLs.", valueName: "urls"))
    var initialAdvertisePeerUrls: String

    @Option(
        help: ArgumentHelp(
            "Where the new cluster goes; empty or not there.", valueName: "directory"))
    var dataDir: String

    @Option(help: ArgumentHelp("The new cluster's token.", valueName: "text"))
    var initialClusterToken = "keelson-cluster"

    @Option(help: ArgumentHelp("How far the revision goes up.", valueName: "count"))
    var bumpRevision = RestorationStep.revisionsMin

    @Flag(help: "Take what can be read, where the directory is damaged or its member was removed.")
    var acceptLoss = false

    @Flag(help: "Only say what there would be.")
    var dryRun = false

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("How to print.", valueName: "format"))
    var format = OutputFormat.text

    func run() throws {
        guard forceNewCluster || dryRun else {
            throw Failure(
                .usage, "a new cluster is made only with --force-new-cluster",
                advice: "where a majority of the members can be started, start them instead;"
                    + " `keelson recover --dry-run` says what is in \(directory)")
        }
        let urls = initialAdvertisePeerUrls.split(separator: ",").map { "\(name)=\($0)" }
        let order = try RestoreOrder.checked(
            name: name, directory: dataDir, cluster: urls.joined(separator: ","),
            peerURLs: initialAdvertisePeerUrls, token: initialClusterToken, nonce: "",
            revisionStep: bumpRevision)
        let state = try Failure.describing { () throws(BackupError) in
            try MemberDirectory(directory, fileSystem: PosixFileSystem())
                .newestState(acceptingLoss: acceptLoss)
        }
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
            as: format,
            before: "start it with these flags, --initial-cluster \(urls.joined(separator: ","))")
    }
}
