import Backup
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage
import Testing

@Suite("Restoring a backup")
struct RestoreTests {
    private static let members = (1...3).map {
        RestoredMember(name: "n\($0)", peerURLs: ["http://10.0.0.\($0):2380"])
    }

    private func order(_ token: String = "t", nonce: String = "") throws -> RestoreOrder {
        try RestoreOrder(members: Self.members, token: token, nonce: nonce)
    }

    private func backedUp(_ store: Store) throws -> MemoryFileSystem {
        let disk = MemoryFileSystem(seed: 3)
        try BackupFixture.write(store, to: "/b.kbk", disk)
        return disk
    }

    private func plan(_ disk: MemoryFileSystem, _ order: RestoreOrder) throws -> RestorePlan {
        try RestorePlan(try BackupState.load("/b.kbk", fileSystem: disk), order)
    }

    private func open(
        _ plan: RestorePlan, _ name: String, _ path: String, _ disk: MemoryFileSystem
    ) throws -> NodeStorage {
        let found = try #require(try DataDirectory.identity(at: path, fileSystem: disk))
        #expect(found.clusterID == plan.clusterID && found.name == name && found.isRestored)
        return try NodeStorage.open(
            NodePlace(
                path: path, identity: found, freshDisk: 9, nonce: 9,
                logOptions: LogOptions(segmentBytes: 16 << 10)),
            fileSystem: disk, progress: { _ in })
    }

    @Test("each member starts with the same state: keys, leases and users as they were")
    func members() throws {
        let source = BackupFixture.filled()
        let disk = try backedUp(source.store)
        var clusters: [ClusterID] = []
        var fingerprints: [UInt64] = []
        for name in ["n1", "n2", "n3"] {
            let plan = try plan(disk, try order())
            try plan.write(for: name, to: "/\(name)", disk: 7, fileSystem: disk)
            let storage = try open(plan, name, "/\(name)", disk)
            let store = storage.store
            #expect(BackupFixture.lines(store) == BackupFixture.lines(source.store))
            #expect(store.auth.encode() == source.store.auth.encode())
            #expect(
                store.revision.rawValue
                    == source.store.revision.rawValue + RestorationStep.revisionsMin)
            #expect(store.compactedRevision == store.revision)
            #expect(storage.restored.lastIndex == store.appliedIndex)
            #expect(storage.restored.hardState.term == store.appliedTerm)
            #expect(storage.restored.configuration.voters == plan.members.map(\.id).sorted())
            #expect(store.members.voters == plan.members.map(\.id).sorted())
            #expect(store.leases.all.allSatisfy { $0.remainingSeconds == 0 })
            store.checkInvariants()
            clusters.append(plan.clusterID)
            fingerprints.append(store.fullHash())
        }
        #expect(Set(clusters).count == 1 && Set(fingerprints).count == 1)
        #expect(clusters[0] != BackupFixture.cluster)
    }

    @Test("another token, nonce, set of members or state makes another cluster with other ids")
    func identities() throws {
        let source = BackupFixture.filled(keyCount: 20)
        let disk = try backedUp(source.store)
        source.put("one", "more")
        let later = try backedUp(source.store)
        let fewer = try RestoreOrder(members: Array(Self.members.prefix(2)), token: "t")
        let plans = [
            try plan(disk, try order()), try plan(disk, try order("u")),
            try plan(disk, try order(nonce: "x")), try plan(disk, fewer),
            try plan(later, try order()),
        ]
        #expect(Set(plans.map(\.clusterID)).count == plans.count)
        let ids = plans.flatMap { $0.members.map(\.id) }
        #expect(Set(ids).count == ids.count)
        #expect(try plan(disk, try order()).clusterID == plans[0].clusterID)
    }

    @Test("what of history a member still had makes no difference to the cluster's id")
    func sameFromEveryMember() throws {
        let source = BackupFixture.filled(keyCount: 100)
        var compaction = ProtobufWriter()
        compaction.field(1, Int64(90))
        source.apply(.compact, compaction.bytes)
        let before = try plan(try backedUp(source.store), try order())
        while source.store.purge(budget: 100) {}
        let after = try plan(try backedUp(source.store), try order())
        #expect(before.clusterID == after.clusterID)
    }

    @Test("the ids of members before are never used again")
    func removedMembers() throws {
        let source = BackupFixture.filled(keyCount: 3)
        let old = MemberAttributes(
            member: NodeID(5), name: "n1", clientURLs: [], peerURLs: ["http://10.0.0.1:2380"],
            version: "1")
        source.apply(.memberFoundation, MemberCommand.foundation([old]))
        let plan = try plan(try backedUp(source.store), try order())
        #expect(plan.store.members.isRemoved(NodeID(5)))
        #expect(plan.store.members[NodeID(5)] == nil)
    }

    @Test("a directory that holds anything is refused and left alone")
    func notEmpty() throws {
        let disk = try backedUp(BackupFixture.filled(keyCount: 3).store)
        let plan = try plan(disk, try order())
        try disk.makeDirectory("/n1")
        _ = try disk.open("/n1/mine", .createNew)
        let error = BackupFixture.error {
            try plan.write(for: "n1", to: "/n1/", disk: 1, fileSystem: disk)
        }
        #expect(error == .targetNotEmpty(path: "/n1", holds: "mine") && error?.exitStatus == 64)
        #expect(try disk.list("/n1") == ["mine"])
        try plan.write(for: "n2", to: "/n2", disk: 1, fileSystem: disk)
        let again = BackupFixture.error {
            try plan.write(for: "n2", to: "/n2", disk: 1, fileSystem: disk)
        }
        #expect(again?.exitStatus == 64)
        let stranger = BackupFixture.error {
            try plan.write(for: "n9", to: "/n9", disk: 1, fileSystem: disk)
        }
        #expect(stranger?.exitStatus == 64)
        #expect(try !disk.exists("/n9"))
    }

    @Test("a disk that fills half way leaves nothing that looks whole, and room for another try")
    func fullDisk() throws {
        let store = BackupFixture.filled(keyCount: 60).store
        let whole = try backedUp(store)
        let plan = try plan(whole, try order())
        var failures = 0
        for capacity in stride(from: 0, to: 400_000, by: 9_973) {
            let disk = MemoryFileSystem(seed: 4)
            disk.setCapacity(capacity)
            let error = BackupFixture.error {
                try plan.write(for: "n1", to: "/n1", disk: 1, fileSystem: disk)
            }
            if error == nil {
                _ = try DirectoryCheck.run("/n1", fileSystem: OverlayFileSystem(over: disk))
                continue
            }
            failures += 1
            #expect(error?.exitStatus == 74, "\(String(describing: error))")
            #expect(try DataDirectory.identity(at: "/n1", fileSystem: disk) == nil)
            disk.setCapacity(.max)
            try plan.write(for: "n1", to: "/n1", disk: 1, fileSystem: disk)
        }
        #expect(failures > 5 && failures < 40)
    }

    @Test("power that fails half way leaves a whole directory, or one that no server starts from")
    func powerLoss() throws {
        let plan = try plan(
            try backedUp(BackupFixture.filled(keyCount: 10).store), try order())
        var isWhole = false
        var operations = 0
        while !isWhole, operations < 400 {
            let disk = MemoryFileSystem(seed: UInt64(operations))
            disk.failPower(afterOperations: operations)
            let error = BackupFixture.error {
                try plan.write(for: "n1", to: "/n1", disk: 1, fileSystem: disk)
            }
            isWhole = error == nil
            disk.crash(CrashKind.allCases[operations % CrashKind.allCases.count])
            if try DataDirectory.identity(at: "/n1", fileSystem: disk) != nil {
                let store = try open(plan, "n1", "/n1", disk).store
                #expect(store.revision == plan.store.revision)
            }
            operations += 1
        }
        #expect(isWhole && operations > 20)
    }

    @Test("numbers that no cluster reaches, and a step that is too small, are refused")
    func numbers() throws {
        let disk = try backedUp(BackupFixture.filled(keyCount: 3).store)
        let small = try RestoreOrder(members: Self.members, token: "t", revisionStep: 1000)
        let error = BackupFixture.error { _ = try plan(disk, small) }
        #expect(error == .notRestorable(path: "/b.kbk", .stepTooSmall(1000)))
        let huge = try RestoreOrder(members: Self.members, token: "t", revisionStep: .max)
        #expect(BackupFixture.error { _ = try plan(disk, huge) }?.exitStatus == 65)
    }

    @Test("members that are no cluster are refused")
    func badMembers() throws {
        let one = RestoredMember(name: "a", peerURLs: ["http://a:1"])
        for members in [
            [], [one, one], [one, RestoredMember(name: "a", peerURLs: ["http://b:1"])],
            [one, RestoredMember(name: "b", peerURLs: ["http://a:1"])],
            [RestoredMember(name: "", peerURLs: ["http://a:1"])],
            [RestoredMember(name: "a", peerURLs: [])],
        ] {
            let error = BackupFixture.error {
                _ = try RestoreOrder(members: members, token: "t")
            }
            #expect(error?.exitStatus == 64, "\(members)")
        }
    }
}
