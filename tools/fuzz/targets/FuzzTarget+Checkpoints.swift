internal import Primitives
internal import Storage

extension FuzzTarget {
    private static let checkpointNames = [
        "a.sqlite", "b.sqlite", "manifest", "b.sqlite-journal",
    ]
    private static let pageBytes = 32_768

    /// The files of three checkpoints, over which pieces are laid: each behind a byte whose two
    /// lowest bits name the file, and a page and a place in it. With the third bit the page, or the
    /// manifest's slots, get checksums that fit. Whatever is there, a start finds a checkpoint or
    /// none, and the next one can be written.
    static let checkpointFiles = FuzzTarget("checkpoint-files") { bytes in
        guard let image = checkpoints else { return }
        let fileSystem = MemoryFileSystem(seed: 1)
        fileSystem.restore(image)
        var input = FuzzInput(bytes)
        while !input.isEmpty {
            let control = input.byte()
            let path = "/c/" + checkpointNames[Int(control & 3)]
            let page = Int(control >> 3)
            let place = input.number() % pageBytes
            let piece = input.piece()
            if control & 3 == 2, control & 4 == 4 {
                layManifest(fileSystem, path, value: piece)
            } else {
                lay(fileSystem, path, at: page * pageBytes + place, piece)
                if control & 4 == 4 { seal(fileSystem, path, page: page) }
            }
        }
        guard let store = try? openCheckpoints(fileSystem) else { return }
        for _ in 0..<2 {
            guard let header = store.newest, (try? store.load(header) { _ in }) == nil else {
                break
            }
            invariant(store.newest != header, "what could not be loaded is not used any more")
        }
        guard let next = try? write(store, 9) else { return }
        invariant(store.newest == next, "what was written is the newest")
    } seeds: {
        let fileSystem = MemoryFileSystem(seed: 1)
        guard let image = checkpoints else { return [] }
        fileSystem.restore(image)
        var seeds: [[UInt8]] = [[]]
        for (number, name) in checkpointNames.enumerated() {
            guard let file = fileSystem.contents(of: "/c/" + name) else { continue }
            let head = Array(file.prefix(128))
            seeds.append([UInt8(number), 0, 0] + head.asPiece)
            seeds.append([UInt8(number) | 4, 0, 0] + (number == 2 ? [] : head).asPiece)
            let pages = file.count / pageBytes
            for page in 1..<max(1, min(pages, 4)) {
                let start = page * pageBytes
                let control = UInt8(number) | 4 | UInt8(page) << 3
                seeds.append([control, 0, 0] + Array(file[start..<(start + 64)]).asPiece)
            }
        }
        // The value of the manifest's first slot, behind the slot's head.
        if let file = fileSystem.contents(of: "/c/manifest") {
            seeds.append([2 | 4, 0, 0] + Array(file[32..<112]).asPiece)
        }
        return seeds
    }

    private static let checkpoints: MemoryDiskImage? = {
        let fileSystem = MemoryFileSystem(seed: 1)
        guard let store = try? openCheckpoints(fileSystem) else { return nil }
        for index in 1...3 as ClosedRange<UInt64> {
            guard (try? write(store, index)) != nil else { return nil }
        }
        return fileSystem.image()
    }()

    private static func openCheckpoints(
        _ fileSystem: MemoryFileSystem
    ) throws -> CheckpointStore {
        try CheckpointStore.open(
            fileSystem, directory: "/c", clusterID: ClusterID(0xC1), memberID: NodeID(0x51))
    }

    private static func write(_ store: CheckpointStore, _ index: UInt64) throws -> CheckpointHeader
    {
        var rows: [Row] = []
        for number in 0..<40 {
            let value = [UInt8](repeating: UInt8(number), count: number * 60)
            rows.append(Row(table: UInt8(number / 20), key: [UInt8(number)], value: value))
        }
        let header = CheckpointHeader(
            index: LogIndex(index), term: Term(1), configuration: [1, 2, 3])
        return try store.write(
            header, upserts: rows, deletes: EmptyCollection(), replacingAll: false)
    }

    private static func lay(
        _ fileSystem: MemoryFileSystem, _ path: String, at place: Int, _ piece: [UInt8]
    ) {
        guard let file = try? fileSystem.open(path, .openOrCreate) else { return }
        try? file.write(piece, at: place)
    }

    /// Gives a page of a database the checksum of what it holds. Source: `CheckpointPages`.
    private static func seal(_ fileSystem: MemoryFileSystem, _ path: String, page: Int) {
        let start = page * pageBytes
        guard let file = fileSystem.contents(of: path), file.count >= start + pageBytes else {
            return
        }
        let seed = withUnsafeBytes(of: Int64(start).littleEndian) { Checksum.crc32c($0) }
        let covered = Array(file[start..<(start + pageBytes - 8)])
        let sum = covered.withUnsafeBytes { Checksum.crc32c($0, seed: seed) }
        var writer = ByteWriter()
        writer.write(sum)
        writer.write(~sum)
        lay(fileSystem, path, at: start + pageBytes - 8, writer.bytes)
    }

    private static func layManifest(
        _ fileSystem: MemoryFileSystem, _ path: String, value: [UInt8]
    ) {
        guard let file = fileSystem.contents(of: path), file.count >= 8192 else { return }
        let slot = sealedSlot(
            head: Array(file[..<16]), sequence: 9, value: Array(value.prefix(4096 - 32)))
        lay(fileSystem, path, at: 0, slot)
        lay(fileSystem, path, at: 4096, slot)
    }

    /// A slot of a two-slot file under checksums that fit, behind the head of its kind.
    static func sealedSlot(head: [UInt8], sequence: UInt64, value: [UInt8]) -> [UInt8] {
        var checked = ByteWriter()
        checked.write(UInt32(value.count))
        checked.write(sequence)
        checked.write(value)
        var writer = ByteWriter()
        writer.write(Checksum.crc32c(checked.bytes))
        return head + writer.bytes + checked.bytes
    }
}
