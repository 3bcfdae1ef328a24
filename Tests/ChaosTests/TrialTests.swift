import Foundation
import LocalCluster
import Testing

/// One trial of keelson-survive: real processes, one fault, eight clients that write and one that
/// reads through each node.
private func run(_ trial: String, _ more: String...) throws -> Command.Output {
    let program = try ServerProgram.underTest()
    return try Command.run(
        try SurviveTests.tool(),
        [
            "--server", program.path, "--kind", program.kind.rawValue, "--name", "trial-\(trial)",
            "--trial", trial, "--clients", "8", "--pause", "1",
        ] + more, limit: .seconds(90))
}

private func survives(_ trial: String) throws {
    let output = try run(trial)
    // The figures are for the reader of the log; what is asserted is that nothing went wrong.
    print(output.text)
    #expect(output.status == .exited(0), "\(output.text)")
    #expect(output.text.contains("\nsurvived\n"))
}

@Suite("A full disk", .serialized)
struct FullDiskTests {
    static var isKeelson: Bool { (try? ServerProgram.underTest())?.kind == .keelson }

    @Test(
        "the others go on, nothing acknowledged is lost, and the member comes back with the room",
        .enabled(if: isKeelson, "etcd stops when its disk is full"),
        arguments: ["full-follower", "full-leader"])
    func fullDisk(trial: String) throws { try survives(trial) }
}

@Suite("A cut connection", .serialized)
struct CutConnectionTests {
    @Test(
        "a leader that is cut off, either way or both, is replaced, and nobody reads the past",
        arguments: ["cut-leader", "deaf-leader", "mute-leader"])
    func cutLeader(trial: String) throws { try survives(trial) }

    @Test("one link of three that is cut costs the leader no term and clients no write")
    func cutLink() throws { try survives("cut-link") }

    @Test("readers that are content with the past are found out")
    func oldReads() throws {
        let output = try run("cut-leader", "--old-reads")
        #expect(output.status == .exited(1))
        #expect(output.text.contains("STALE"), "\(output.text)")
    }
}

@Suite("Members that come and go", .serialized)
struct MembersTests {
    @Test(
        "three become five and three again, and a dead one is replaced, without a write lost",
        .enabled(if: FullDiskTests.isKeelson, "etcd counts a member before it has started"))
    func members() throws { try survives("members") }
}

@Suite("Disks that are lost", .serialized)
struct LostDiskTests {
    @Test(
        "a server whose disk is emptied, or set back, votes again under another id by itself",
        .enabled(if: FullDiskTests.isKeelson, "etcd leaves it to the operator"),
        arguments: ["rejoin-empty", "rejoin-old"])
    func rejoin(trial: String) throws { try survives(trial) }

    @Test(
        "a learner votes in the stead of a member that is dead for as long as the operator says",
        .enabled(if: FullDiskTests.isKeelson, "etcd has no such policy"))
    func succession() throws { try survives("succession") }
}

@Suite("Servers of two feature levels", .serialized)
struct UpgradeTests {
    @Test(
        "older servers are replaced one by one under load, and turned away when they come back",
        .enabled(if: FullDiskTests.isKeelson, "the levels are Keelson's"))
    func upgrade() throws { try survives("upgrade") }
}
