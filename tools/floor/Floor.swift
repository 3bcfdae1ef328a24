internal import ArgumentParser
internal import Foundation
internal import Measuring

/// What a process of the floor is.
enum FloorRole: String, ExpressibleByArgument {
    case leader, follower
}

@main
struct Floor: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keelson-floor",
        abstract: "Serve puts at the least that a replicated one costs on this machine.",
        discussion: """
            Three processes do what no replicated put can do without, with the parts that the \
            server is made of: one takes gRPC calls, writes and syncs what gathered while the last \
            sync ran, and has two others do the same; two of three answer the client. There is no \
            consensus and no store, so that what keelson takes beyond this is what those cost. The \
            load comes from `keelson bench`, as for the server. Ctrl-C ends it.

            What is measured depends on the disk: --data-dir has to be on the one that is meant, \
            and not in memory. Each of the three takes 64 MiB there until the end.

            EXAMPLES:
              keelson-floor --data-dir .build/floor
              keelson bench --endpoints 127.0.0.1:PORT     # the one that it says
            """)

    @Option(help: "A folder for the files, which is made where it is missing.")
    var dataDir = ".build/floor"

    @Option(help: ArgumentHelp("What this process is.", visibility: .hidden))
    var role: FloorRole?

    @Option(help: ArgumentHelp("The followers' ports.", visibility: .hidden))
    var follower: [Int] = []

    func validate() throws {
        guard !dataDir.isEmpty else { throw ValidationError("--data-dir must name a folder.") }
        if role == .leader, follower.count != 2 {
            throw ValidationError("a leader needs two followers.")
        }
    }

    func run() throws {
        switch role {
        case .leader: try FloorLeader.serve(folder: dataDir, followers: follower)
        case .follower: try FloorFollower.serve(folder: dataDir)
        case nil: try serveUntilInterrupted()
        }
    }

    private func serveUntilInterrupted() throws {
        let folder = try ScratchFolder(in: dataDir, for: "keelson-floor")
        folder.removeWhenInterrupted()
        defer { folder.remove() }
        let cluster = try FloorCluster(folder: folder.path)
        defer { cluster.stop() }
        FloorProcess.say("puts are served at 127.0.0.1:\(cluster.port)\n")
        while true {
            Thread.sleep(forTimeInterval: 0.5)
            try cluster.checkAlive()
        }
    }
}

/// Why the floor cannot be served.
struct FloorError: Error, CustomStringConvertible {
    let description: String
}
