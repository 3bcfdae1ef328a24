internal import Primitives

// A small value that must survive a crash in the middle of its own change. The file has two slots,
// each a multiple of 4096 bytes so that no disk sector or page holds parts of both. A slot,
// little-endian:
//
//    0   8  magic of the kind of file
//    8   4  format version
//   12   4  CRC-32C of bytes 0 ..< 12; these 16 bytes are the same in every version
//   16   4  CRC-32C from byte 20 to the end of the value
//   20   4  bytes of the value
//   24   8  sequence, one more with each change
//   32      value, then anything
//
// A change goes to the older slot and is synced, then to the other and is synced: whatever a crash
// leaves, and whichever slot rots, the other one holds the last acknowledged value or the one that
// was being written. The good slot with the higher sequence counts. Only both bad is beyond repair.
//
// Both slots are written when the file is made, so that a change needs no room on the disk: term
// and vote can be stored on a full one, except on file systems that never overwrite in place.

/// A value of bounded size in two slots, each with its checksum.
///
/// One thread at a time uses it, which is why it can be `@unchecked Sendable`.
final class TwoSlotFile: @unchecked Sendable {
    struct Kind: Sendable {
        /// Eight letters.
        let magic: UInt64
        let version: UInt32
        /// Room of one slot, a multiple of 4096.
        let slotBytes: Int

        var valueBytesMax: Int { slotBytes - TwoSlotFile.headBytes }
    }

    static let headBytes = 32

    private let file: any StorageFile
    private let kind: Kind
    private var sequence: UInt64

    private init(file: any StorageFile, kind: Kind, sequence: UInt64) {
        self.file = file
        self.kind = kind
        self.sequence = sequence
    }

    /// Writes `value` into a fresh file and gives it the name `name`: file and directory are
    /// synced.
    static func create(
        _ kind: Kind, fileSystem: any FileSystem, directory: String, name: String,
        value: [UInt8], sequence: UInt64 = 1
    ) throws(StorageError) -> TwoSlotFile {
        let path = directory + "/" + name
        let temporary = path + ".tmp"
        if try fileSystem.exists(temporary) { try fileSystem.remove(temporary) }
        let slot = try encode(value, sequence, kind, path: path)
        let room = [UInt8](repeating: 0, count: kind.slotBytes - slot.count)
        do throws(StorageError) {
            let file = try fileSystem.open(temporary, .createNew)
            // Whole slots, so that the room for any later value is taken now.
            try file.write(slot + room, at: 0)
            try file.write(slot + room, at: kind.slotBytes)
            try file.sync()
            try fileSystem.rename(temporary, to: path)
        } catch {
            if error.isOutOfSpace { try? fileSystem.remove(temporary) }
            throw error
        }
        try fileSystem.syncDirectory(directory)
        return TwoSlotFile(
            file: try fileSystem.open(path, .readWrite), kind: kind, sequence: sequence)
    }

    /// Reads the value, and copies it into a fresh file: what is read may be known to the page
    /// cache only. Where there is no room for the copy the value is stored in place, which makes
    /// the disk take it as well.
    static func open(
        _ kind: Kind, fileSystem: any FileSystem, directory: String, name: String
    ) throws(StorageError) -> (file: TwoSlotFile, value: [UInt8]) {
        let path = directory + "/" + name
        let found = try readBest(kind, fileSystem: fileSystem, path: path)
        do throws(StorageError) {
            let file = try create(
                kind, fileSystem: fileSystem, directory: directory, name: name, value: found.value,
                sequence: found.sequence + 1)
            return (file, found.value)
        } catch {
            guard error.isOutOfSpace else { throw error }
            // The slot that was read, perhaps the only good one, must be the second to be written.
            let isNextSlot = (found.sequence + 1) % 2 == UInt64(found.slot)
            let file = TwoSlotFile(
                file: try fileSystem.open(path, .readWrite), kind: kind,
                sequence: found.sequence + (isNextSlot ? 1 : 0))
            try file.store(found.value)
            // Its name may be one that an earlier start could not make durable.
            try fileSystem.syncDirectory(directory)
            return (file, found.value)
        }
    }

    /// Reads the value and changes nothing.
    static func read(
        _ kind: Kind, fileSystem: any FileSystem, path: String
    ) throws(StorageError) -> (value: [UInt8], sequence: UInt64) {
        let best = try readBest(kind, fileSystem: fileSystem, path: path)
        return (best.value, best.sequence)
    }

    private struct Found {
        var value: [UInt8]
        var sequence: UInt64
        var slot: Int
    }

    private static func readBest(
        _ kind: Kind, fileSystem: any FileSystem, path: String
    ) throws(StorageError) -> Found {
        let file = try fileSystem.open(path, .read)
        var best: Found?
        for slot in 0..<2 {
            // A sector that cannot be read is a bad slot; the other one may be good.
            guard let raw = try? file.read(kind.slotBytes, at: slot * kind.slotBytes) else {
                continue
            }
            guard let found = try decode(raw, kind, path: path) else { continue }
            if found.sequence > best?.sequence ?? 0 {
                best = Found(value: found.value, sequence: found.sequence, slot: slot)
            }
        }
        guard let best else {
            throw .corrupt(path: path, offset: 0, reason: "both of its slots have a bad checksum")
        }
        return best
    }

    /// The slots, 0 and 1, that do not hold the value which was written last: after a crash between
    /// the two, or because of damage. Changes nothing.
    static func damagedSlots(
        _ kind: Kind, fileSystem: any FileSystem, path: String
    ) throws(StorageError) -> [Int] {
        let file = try fileSystem.open(path, .read)
        var sequences: [UInt64] = []
        for slot in 0..<2 {
            let raw = try? file.read(kind.slotBytes, at: slot * kind.slotBytes)
            sequences.append(
                try raw.flatMap { (raw) throws(StorageError) in
                    try decode(raw, kind, path: path)?.sequence
                } ?? 0)
        }
        let newest = max(sequences[0], sequences[1], 1)
        return sequences.indices.filter { sequences[$0] < newest }
    }

    /// Replaces the value. Durable when it returns; two syncs. When the disk is full it can be
    /// tried again.
    func store(_ value: [UInt8]) throws(StorageError) {
        let next = sequence + 1
        let slot = try Self.encode(value, next, kind, path: file.path)
        // The sequence stays until the first slot is written: a second try must not begin with the
        // slot that is still good.
        for number in [Int(next % 2), Int(1 - next % 2)] {
            try file.write(slot, at: number * kind.slotBytes)
            sequence = next
            #if KEELSON_MUTANTS
                if planted(.skipsSyncsOfSlots) { continue }
            #endif
            try file.sync()
        }
    }

    private static func encode(
        _ value: [UInt8], _ sequence: UInt64, _ kind: Kind, path: String
    ) throws(StorageError) -> [UInt8] {
        guard value.count <= kind.valueBytesMax else {
            throw .tooLarge(path: path, byteCount: value.count, limit: kind.valueBytesMax)
        }
        var writer = ByteWriter(capacity: headBytes + value.count)
        writer.write(kind.magic)
        writer.write(kind.version)
        writer.write(Checksum.crc32c(writer.bytes))
        writer.write(UInt32(0))
        writer.write(UInt32(value.count))
        writer.write(sequence)
        writer.write(value)
        writer.patch(Checksum.crc32c(Array(writer.bytes[20...])), at: 16)
        return writer.bytes
    }

    private static func decode(
        _ raw: [UInt8], _ kind: Kind, path: String
    ) throws(StorageError) -> (value: [UInt8], sequence: UInt64)? {
        var reader = ByteReader(raw)
        guard raw.count >= headBytes, (try? reader.read(UInt64.self)) == kind.magic,
            let version = try? reader.read(UInt32.self), let head = try? reader.read(UInt32.self),
            head == Checksum.crc32c(Array(raw[0..<12]))
        else { return nil }
        if version > kind.version {
            throw .newerFormat(path: path, found: version, supported: kind.version)
        }
        guard let sum = try? reader.read(UInt32.self), let count = try? reader.read(UInt32.self),
            let sequence = try? reader.read(UInt64.self),
            let value = try? reader.readBytes(Int(count)),
            sum == Checksum.crc32c(Array(raw[20..<(headBytes + Int(count))]))
        else { return nil }
        return (value, sequence)
    }

    /// A magic number from eight ASCII letters.
    static func magic(_ text: StaticString) -> UInt64 {
        invariant(text.utf8CodeUnitCount == 8, "a magic of eight letters: \(text)")
        return text.withUTF8Buffer { letters in
            UnsafeRawBufferPointer(letters).integer(at: 0, as: UInt64.self)
        }
    }
}
