package import Primitives

/// One start of a node: its number, and how it is told from any other start with that number.
package struct NodeStart: Equatable, Sendable {
    package var boot: BootNumber
    /// Drawn at random. A disk that was set back to an older image draws numbers once more, but
    /// never the same nonces.
    package var nonce: UInt64
    /// The nonces of the starts before, the last one first; at most ``BootFile/earlierMax``.
    package var earlierNonces: [UInt64]

    package init(boot: BootNumber, nonce: UInt64, earlierNonces: [UInt64] = []) {
        self.boot = boot
        self.nonce = nonce
        self.earlierNonces = earlierNonces
    }
}

// The value: boot number u64, then the nonces of this start and those before it, u64 each. Version
// 1 had the number only.

/// The number of the last start, and the nonces of the last starts. Every start draws the next
/// number before its first message (DESIGN §5).
package final class BootFile: Sendable {
    package static let name = "boot"
    /// So many starts after its last meeting with a member a peer can tell whether that member's
    /// disk is the one that it met.
    package static let earlierMax = 256
    static let kind = TwoSlotFile.Kind(
        magic: TwoSlotFile.magic("KEELBOOT"), version: 2, slotBytes: 4096)

    package static func create(
        fileSystem: any FileSystem, directory: String, disk: UInt32 = 0
    ) throws(StorageError) {
        _ = try TwoSlotFile.create(
            kind, fileSystem: fileSystem, directory: directory, name: name,
            value: encode(BootNumber(disk: disk), []))
    }

    /// One more than the number drawn last, durable when it returns.
    package static func draw(
        fileSystem: any FileSystem, directory: String, nonce: UInt64
    ) throws(StorageError) -> NodeStart {
        let (file, value) = try TwoSlotFile.open(
            kind, fileSystem: fileSystem, directory: directory, name: name)
        let (last, nonces) = try decode(value, directory + "/" + name)
        let start = NodeStart(
            boot: last.next, nonce: nonce, earlierNonces: Array(nonces.prefix(earlierMax)))
        #if KEELSON_MUTANTS
            if planted(.drawsBootNumbersTwice) { return start }
        #endif
        try file.store(encode(start.boot, [nonce] + start.earlierNonces))
        return start
    }

    /// The number drawn last; changes nothing.
    package static func read(
        fileSystem: any FileSystem, directory: String
    ) throws(StorageError) -> BootNumber {
        let path = directory + "/" + name
        return try decode(
            try TwoSlotFile.read(kind, fileSystem: fileSystem, path: path).value, path
        ).boot
    }

    private static func encode(_ boot: BootNumber, _ nonces: [UInt64]) -> [UInt8] {
        var writer = ByteWriter(capacity: 8 + 8 * nonces.count)
        writer.write(boot.rawValue)
        for nonce in nonces { writer.write(nonce) }
        return writer.bytes
    }

    private static func decode(
        _ value: [UInt8], _ path: String
    ) throws(StorageError) -> (boot: BootNumber, nonces: [UInt64]) {
        var reader = ByteReader(value)
        guard let number = try? reader.read(UInt64.self), number < .max, value.count % 8 == 0 else {
            throw .corrupt(path: path, offset: 0, reason: "\(value.count) bytes are no boot number")
        }
        var nonces: [UInt64] = []
        while !reader.isAtEnd, let nonce = try? reader.read(UInt64.self) { nonces.append(nonce) }
        return (BootNumber(number), nonces)
    }
}
