internal import EtcdSnapshot
internal import Primitives
internal import Storage

extension FuzzTarget {
    private static let identity = NodeIdentity(
        clusterID: ClusterID(0xC1), memberID: NodeID(0x51), name: "n1")

    /// A log of two segments, over which pieces of the input are laid, each behind a file's number
    /// and a place. Opening it says what is torn or rotten, and what is left can be read.
    static let logSegment = FuzzTarget("log-segment") { bytes in
        guard let fileSystem = try? logFiles() else { return }
        let names = ((try? fileSystem.list("/log")) ?? []).sorted()
        var input = FuzzInput(bytes)
        while !input.isEmpty {
            let name = names[Int(input.byte()) % names.count]
            let place = input.number()
            fileSystem.corrupt("/log/" + name, at: place, with: input.piece())
        }
        guard let log = try? openLog(fileSystem) else { return }
        var count = 0
        try? log.scan(from: log.firstIndex) { (_) throws(StorageError) in count += 1 }
        _ = try? log.append([entry(log.lastIndex.next.rawValue, 9)])
        try? log.sync()
    } seeds: {
        let fileSystem = try logFiles()
        let names = try fileSystem.list("/log").sorted()
        var seeds: [[UInt8]] = [[]]
        for (number, name) in names.enumerated() {
            guard let file = fileSystem.contents(of: "/log/" + name) else { continue }
            for place in [0, 4096, 8192] where place + 400 <= file.count {
                let piece = Array(file[place..<(place + 400)])
                seeds.append(
                    [UInt8(number), UInt8(place & 0xFF), UInt8(place >> 8)] + piece.asPiece)
            }
        }
        return seeds
    }

    private static func entry(_ index: UInt64, _ count: Int) -> LogEntry {
        LogEntry(
            index: LogIndex(index), term: Term(1), kind: .command,
            payload: [UInt8](repeating: 7, count: count))
    }

    private static func logFiles() throws -> MemoryFileSystem {
        let fileSystem = MemoryFileSystem(seed: 1)
        try fileSystem.makeDirectory("/log")
        try fileSystem.syncDirectory("/")
        let log = try openLog(fileSystem)
        for index in 1...14 as ClosedRange<UInt64> {
            _ = try log.append([entry(index, 1000)])
            try log.sync()
        }
        return fileSystem
    }

    private static func openLog(_ fileSystem: MemoryFileSystem) throws -> SegmentedLog {
        try SegmentedLog.open(
            fileSystem: fileSystem, directory: "/log", identity: identity,
            options: LogOptions(
                segmentBytes: 20 << 10, batchBytesMax: 4096, compressionMinBytes: 64,
                spareSegments: 1),
            boot: BootNumber(1))
    }

    /// Term and vote, boot number, peers and identity. The first byte says whose value the rest
    /// becomes, under checksums that fit, or, above 127, which bytes are put where.
    static let slotFiles = FuzzTarget("slot-files") { bytes in
        guard let fileSystem = try? slotFileSystem() else { return }
        var input = FuzzInput(bytes)
        let kind = input.byte()
        let names = [HardStateFile.name, BootFile.name, PeerMemoryFile.name, "identity"]
        let path = "/d/" + names[Int(kind & 3)]
        if kind > 127 {
            let place = input.number()
            fileSystem.corrupt(path, at: place, with: input.takeAll())
        } else if let file = fileSystem.contents(of: path) {
            let slotBytes = file.count / 2
            let value = Array(input.takeAll().prefix(slotBytes - 32))
            let slot = sealedSlot(head: Array(file[..<16]), sequence: 7, value: value)
            fileSystem.corrupt(path, at: 0, with: slot)
            fileSystem.corrupt(path, at: slotBytes, with: slot)
        }
        _ = try? HardStateFile.read(fileSystem: fileSystem, directory: "/d")
        _ = try? HardStateFile.open(fileSystem: fileSystem, directory: "/d")
        _ = try? BootFile.read(fileSystem: fileSystem, directory: "/d")
        _ = try? BootFile.draw(fileSystem: fileSystem, directory: "/d", nonce: 5)
        _ = try? PeerMemoryFile.read(fileSystem: fileSystem, directory: "/d")
        _ = try? PeerMemoryFile.open(fileSystem: fileSystem, directory: "/d")
        _ = try? DataDirectory.identity(at: "/d", fileSystem: fileSystem)
    } seeds: {
        let fileSystem = try slotFileSystem()
        var seeds: [[UInt8]] = []
        for (number, name) in ["hardstate", "boot", "peers", "identity"].enumerated() {
            let file = fileSystem.contents(of: "/d/" + name) ?? []
            let count = Int(file[20]) | Int(file[21]) << 8
            seeds.append([UInt8(number)] + file[32..<(32 + count)])
            seeds.append([UInt8(128 + number), 0, 0] + file[..<(32 + count)])
        }
        return seeds
    }

    private static func slotFileSystem() throws -> MemoryFileSystem {
        let fileSystem = MemoryFileSystem(seed: 1)
        _ = try DataDirectory.open("/d", fileSystem: fileSystem).initialize(as: identity)
        let state = try HardStateFile.open(fileSystem: fileSystem, directory: "/d")
        try state.store(HardState(term: Term(3), votedFor: NodeID(2)))
        let peers = try PeerMemoryFile.open(fileSystem: fileSystem, directory: "/d")
        try peers.store([
            PeerMemory(member: NodeID(2), boot: BootNumber(1), term: Term(1), index: LogIndex(2))
        ])
        _ = try BootFile.draw(fileSystem: fileSystem, directory: "/d", nonce: 4)
        return fileSystem
    }

    /// Chunks of a snapshot's stream. Those with an odd first byte get a digest and a checksum that
    /// fit, and the kind that their second byte says.
    static let snapshotStream = FuzzTarget("snapshot-stream") { bytes in
        var input = FuzzInput(bytes)
        var reader = SnapshotReader(clusterID: ClusterID(0xC1))
        var digest: UInt64 = 0
        var sequence: UInt64 = 0
        while !input.isEmpty {
            let isSealed = input.byte() & 1 == 1
            let kind = SnapshotChunk.Kind(rawValue: input.byte()) ?? .rows
            var chunk = input.piece()
            if isSealed {
                let next = RowDigest.chain(
                    digest, crc: Checksum.crc32c(chunk), byteCount: chunk.count)
                let content = chunk
                chunk = SnapshotChunk.encode(
                    kind, sequence: sequence, digest: next, content: content, compresses: true)
                digest = next
                sequence += 1
            }
            _ = try? reader.accept(chunk)
            if let point = reader.resumePoint {
                invariant((try? SnapshotResumePoint.decode(point.encode())) == point, "a point")
            }
        }
        _ = try? SnapshotResumePoint.decode(bytes)
    } seeds: {
        let header = SnapshotHeader(
            index: LogIndex(9), term: Term(2), configuration: [1, 2, 3],
            clusterID: ClusterID(0xC1), sender: NodeID(3), boot: BootNumber(4), snapshotID: 77)
        let rows = (0..<3).map { Row(table: 1, key: [UInt8($0)], value: [1, 2, 3]) }
        var writer = SnapshotWriter(
            header: header, rows: rows.makeIterator(), limits: SnapshotLimits())
        var raw: [UInt8] = []
        var sealed: [UInt8] = []
        while let chunk = try writer.nextChunk() {
            raw += [0, 0] + chunk.asPiece
            // These contents are too short to be compressed.
            sealed += [1, chunk[0]] + Array(chunk[32...]).asPiece
        }
        return [raw, sealed]
    }

    /// A bbolt file: with zero first as it is, else as pages of 1 KiB behind two metas whose root
    /// is what the first byte says.
    static let boltFile = FuzzTarget("bolt-file") { bytes in
        var input = FuzzInput(bytes)
        let root = input.byte()
        let content = input.takeAll()
        let file = root == 0 ? content : boltMetas(root, content.count) + padded(content)
        _ = try? SnapshotSummary(BoltBytes(file))
        guard let reader = try? EtcdSnapshotReader(BoltBytes(file)) else { return }
        _ = try? reader.facts()
        var revisions = reader.revisions()
        while let row = try? revisions.next() { invariant(!row.key.isEmpty, "a key") }
        var leases = reader.leases()
        while (try? leases.next()) ?? nil != nil {}
        var members = reader.members()
        while (try? members.next()) ?? nil != nil {}
        var users = reader.users()
        while (try? users.next()) ?? nil != nil {}
        var roles = reader.roles()
        while (try? roles.next()) ?? nil != nil {}
    } seeds: {
        [[2] + BoltPages.tree(), [2] + BoltPages.inline(), [0] + boltMetas(2, 1024).prefix(2000)]
    }

    private static func padded(_ content: [UInt8]) -> [UInt8] {
        content + [UInt8](repeating: 0, count: (1024 - content.count % 1024) % 1024)
    }

    private static func boltMetas(_ root: UInt8, _ contentBytes: Int) -> [UInt8] {
        let pages = 2 + (contentBytes + 1023) / 1024
        return (0..<2).flatMap { number -> [UInt8] in
            var page = ByteWriter()
            page.write(UInt64(number))
            page.write(UInt64(4))
            page.write(UInt32(0xED0C_DAED))
            page.write(UInt32(2))
            page.write(UInt64(1024))
            page.write(UInt64(root))
            page.write(UInt64(0))
            page.write(UInt64.max)
            page.write(UInt64(pages))
            page.write(UInt64(number))
            // FNV-1a.
            page.write(
                page.bytes[16..<72].reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
                    ($0 ^ UInt64($1)) &* 0x100_0000_01B3
                })
            return page.bytes + [UInt8](repeating: 0, count: 1024 - page.bytes.count)
        }
    }
}

/// Pages of 1 KiB with a few rows.
enum BoltPages {
    typealias Row = (flags: UInt32, key: [UInt8], value: [UInt8])

    static func leaf(_ number: UInt64, _ rows: [Row], bytes: Int = 1024) -> [UInt8] {
        var page = ByteWriter()
        page.write(number)
        page.write(UInt16(2))
        page.write(UInt16(rows.count))
        page.write(UInt32(0))
        var data: [UInt8] = []
        for (index, row) in rows.enumerated() {
            page.write(row.flags)
            page.write(UInt32((rows.count - index) * 16 + data.count))
            page.write(UInt32(row.key.count))
            page.write(UInt32(row.value.count))
            data += row.key + row.value
        }
        page.write(data)
        return page.bytes + [UInt8](repeating: 0, count: max(0, bytes - page.bytes.count))
    }

    private static func bucket(_ root: UInt64, _ inline: [UInt8] = []) -> [UInt8] {
        var head = ByteWriter()
        head.write(root)
        head.write(UInt64(0))
        return head.bytes + inline
    }

    private static var revision: Row {
        let value: [UInt8] = [0x0A, 1, 97, 0x10, 2, 0x18, 2, 0x20, 1, 0x2A, 1, 98]
        return (0, EtcdSchema.revisionKey(main: 2, sub: 0), value)
    }

    private static var tombstone: Row {
        (0, EtcdSchema.revisionKey(main: 3, sub: 0, isDeletion: true), [0x0A, 1, 97])
    }

    static func inline() -> [UInt8] {
        let member = EtcdSchema.member(
            id: 0xF0, name: "a \"b\"", peerURLs: ["http://a"], clientURLs: [], isLearner: true)
        let lease = EtcdSchema.lease(id: 7, seconds: 60, remainingSeconds: 3)
        func small(_ name: String, _ rows: [Row]) -> Row {
            (1, Array(name.utf8), bucket(0, leaf(0, rows, bytes: 0)))
        }
        return leaf(
            2,
            [
                small("auth", [(0, Array("authEnabled".utf8), [1])]),
                small("authRoles", [(0, [114], [0x0A, 1, 114, 0x12, 3, 0x12, 1, 97])]),
                small("authUsers", [(0, [117], [0x0A, 1, 117, 0x1A, 1, 114, 0x22, 2, 8, 1])]),
                small("key", [revision, tombstone]),
                small("lease", [(0, EtcdSchema.bigEndian(7), lease)]),
                small("members", [(0, member.key, member.value)]),
                small("meta", [(0, Array("term".utf8), EtcdSchema.bigEndian(3))]),
            ])
    }

    static func tree() -> [UInt8] {
        var branch = ByteWriter()
        branch.write(UInt64(3))
        branch.write(UInt16(1))
        branch.write(UInt16(1))
        branch.write(UInt32(0))
        branch.write(UInt32(16))
        branch.write(UInt32(1))
        branch.write(UInt64(4))
        branch.write(UInt8(0))
        let rest = [UInt8](repeating: 0, count: 1024 - branch.bytes.count)
        return leaf(2, [(1, Array("key".utf8), bucket(3))]) + branch.bytes + rest
            + leaf(4, [revision, tombstone], bytes: 0)
    }
}
