internal import Glibc
internal import Primitives

/// The faulty disk as a value: files with what is durable and what is only in the page cache,
/// directories with names that are durable and names that are not. ``MemoryFileSystem`` puts a lock
/// around it.
struct MemoryDisk {
    typealias FileID = Int
    static let sectorBytes = 512

    /// A change to a file that no sync has made durable.
    enum Change {
        case write(offset: Int, bytes: [UInt8])
        case resize(Int)
    }

    struct File {
        /// What a read returns.
        var cached: [UInt8] = []
        /// What a crash cannot take.
        var durable: [UInt8] = []
        var unsynced: [Change] = []
        /// Sectors, by number, that the disk cannot read.
        var unreadable: [Int] = []
        var lockHolder: Int?
        /// How many handles are open on it.
        var handles = 0
    }

    /// A change to the names in a directory.
    enum NameChange {
        case link(String, FileID)
        case unlink(String)
        case rename(String, String, FileID)
        case makeDirectory(String)
        case moveDirectory(String, String)
    }

    /// The names as they are now or as a crash leaves them at least.
    struct Names {
        var files: [String: FileID] = [:]
        var directories: [String: Mode] = ["/": Mode()]
        var links: [String] = []
    }

    struct Mode: Equatable {
        var groupMayWrite = false
        var worldMayWrite = false
        var isForeign = false
    }

    var files: [FileID: File] = [:]
    var names = Names()
    var durableNames = Names()
    var unsyncedNames: [(directory: String, change: NameChange)] = []
    var random: SplitMix64
    var rates = FaultRates()
    var planned: [(path: String, fault: PlannedFault)] = []
    var capacityBytes = Int.max
    var nextID = 0
    var operations = 0
    var powerFailsAt = Int.max
    var syncs = 0
    var stalls = 0
    /// Counts crashes: a handle from before one is dead.
    var epoch = 0

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    // MARK: - Faults

    /// Counts a change of the disk's state; throws when the power is gone.
    mutating func begin(_ operation: String, _ path: String) throws(StorageError) {
        guard operations < powerFailsAt else { throw Self.failure(operation, path) }
        operations += 1
        if draws(rates.stall) { stalls += 1 }
    }

    mutating func draws(_ rate: Int) -> Bool {
        rate > 0 && random.next(below: 65_536) < UInt64(rate)
    }

    /// Whether this fault was planned for the file, or is drawn.
    mutating func strikes(_ fault: PlannedFault, _ path: String, rate: Int = 0) -> Bool {
        if let position = planned.firstIndex(where: {
            $0.fault == fault && path.hasSuffix($0.path)
        }) {
            planned.remove(at: position)
            return true
        }
        return draws(rate)
    }

    private mutating func misdirection(_ path: String) -> Int {
        for (position, plan) in planned.enumerated() where path.hasSuffix(plan.path) {
            if case .misdirectedWrite(let distance) = plan.fault {
                planned.remove(at: position)
                return distance
            }
        }
        guard draws(rates.misdirectedWrite) else { return 0 }
        return random.next(below: 2) == 0 ? Self.sectorBytes : -Self.sectorBytes
    }

    static func failure(_ operation: String, _ path: String, offset: Int = -1) -> StorageError {
        .io(operation: operation, path: path, offset: offset, errno: EIO)
    }

    // MARK: - Contents

    mutating func read(
        _ id: FileID, _ path: String, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(StorageError) -> Int {
        guard operations < powerFailsAt else { throw Self.failure("read", path) }
        if strikes(.readError, path, rate: rates.readError) {
            throw Self.failure("read", path, offset: offset)
        }
        guard let file = files[id] else { throw Self.failure("read", path) }
        let count = max(0, min(buffer.count, file.cached.count - offset))
        for sector in file.unreadable
        where sector * Self.sectorBytes < offset + count
            && (sector + 1) * Self.sectorBytes > offset
        { throw Self.failure("read", path, offset: sector * Self.sectorBytes) }
        if count > 0 {
            file.cached.withUnsafeBytes {
                buffer.copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: $0[offset..<(offset + count)]))
            }
        }
        return count
    }

    mutating func write(
        _ id: FileID, _ path: String, _ raw: UnsafeRawBufferPointer, at offset: Int
    ) throws(StorageError) {
        try begin("write", path)
        if strikes(.noSpace, path) { throw outOfSpace("write", path, raw.count) }
        try checkSpace("write", path, id, size: offset + raw.count)
        var bytes = Array(raw)
        if strikes(.writeError, path, rate: rates.writeError) {
            let sectors = UInt64(bytes.count / Self.sectorBytes + 1)
            let kept = Int(random.next(below: sectors)) * Self.sectorBytes
            apply(.write(offset: offset, bytes: Array(bytes.prefix(kept))), to: id)
            throw Self.failure("write", path, offset: offset)
        }
        let place = max(0, offset + misdirection(path))
        if !bytes.isEmpty, draws(rates.bitFlip) {
            let bit = Int(random.next(below: UInt64(bytes.count * 8)))
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        }
        if strikes(.lostWrite, path, rate: rates.lostWrite) {
            files[id]?.cached.apply(.write(offset: place, bytes: bytes))
        } else {
            apply(.write(offset: place, bytes: bytes), to: id)
        }
    }

    mutating func resize(_ id: FileID, _ path: String, to count: Int) throws(StorageError) {
        try begin("truncate", path)
        try checkSpace("truncate", path, id, size: count)
        apply(.resize(count), to: id)
    }

    mutating func allocate(_ id: FileID, _ path: String, _ count: Int) throws(StorageError) {
        try begin("allocate", path)
        if strikes(.noSpace, path) { throw outOfSpace("allocate", path, count) }
        try checkSpace("allocate", path, id, size: count)
        if count > files[id]?.cached.count ?? 0 { apply(.resize(count), to: id) }
    }

    mutating func sync(_ id: FileID, _ path: String) throws(StorageError) {
        try begin("sync", path)
        syncs += 1
        guard var file = files.removeValue(forKey: id) else { throw Self.failure("sync", path) }
        defer { files[id] = file }
        if strikes(.syncError, path, rate: rates.syncError) {
            // The kernel marks the pages clean: they can be read, and no later sync writes them.
            file.unsynced = []
            throw .syncFailed(path: path, errno: EIO)
        }
        for change in file.unsynced { file.durable.apply(change) }
        file.unsynced = []
    }

    private mutating func apply(_ change: Change, to id: FileID) {
        guard var file = files.removeValue(forKey: id) else { return }
        file.cached.apply(change)
        file.unsynced.append(change)
        if case .write(let offset, let bytes) = change, !file.unreadable.isEmpty {
            // Writing a sector makes the disk give it a good place.
            let first = offset / Self.sectorBytes
            let last = (offset + bytes.count) / Self.sectorBytes
            file.unreadable.removeAll { $0 >= first && $0 < last }
        }
        files[id] = file
    }

    private func checkSpace(
        _ operation: String, _ path: String, _ id: FileID, size: Int
    ) throws(StorageError) {
        guard capacityBytes < .max else { return }
        let own = files[id]?.cached.count ?? 0
        guard size > own else { return }
        if usedBytes + size - own > capacityBytes {
            throw outOfSpace(operation, path, size - own)
        }
    }

    var usedBytes: Int { files.values.reduce(0) { $0 + $1.cached.count } }

    private func outOfSpace(_ operation: String, _ path: String, _ count: Int) -> StorageError {
        .outOfSpace(operation: operation, path: path, bytesNeeded: count)
    }
}

extension [UInt8] {
    mutating func apply(_ change: MemoryDisk.Change) {
        switch change {
        case .write(let offset, let bytes):
            if bytes.isEmpty { return }
            if offset + bytes.count > count {
                append(contentsOf: [UInt8](repeating: 0, count: offset + bytes.count - count))
            }
            withUnsafeMutableBytes { target in
                bytes.withUnsafeBytes { source in
                    UnsafeMutableRawBufferPointer(
                        rebasing: target[offset..<(offset + bytes.count)]
                    ).copyMemory(from: source)
                }
            }
        case .resize(let size):
            if size > count {
                append(contentsOf: [UInt8](repeating: 0, count: size - count))
            } else {
                removeLast(count - size)
            }
        }
    }
}
