package import Primitives

/// The number of the last start. Every start draws the next one before its first message (DESIGN
/// §5).
package final class BootFile: Sendable {
    package static let name = "boot"
    private static let kind = TwoSlotFile.Kind(
        magic: TwoSlotFile.magic("KEELBOOT"), version: 1, slotBytes: 4096)

    package static func create(
        fileSystem: any FileSystem, directory: String, disk: UInt32 = 0
    ) throws(StorageError) {
        _ = try TwoSlotFile.create(
            kind, fileSystem: fileSystem, directory: directory, name: name,
            value: encode(BootNumber(disk: disk)))
    }

    /// One more than the number drawn last, durable when it returns.
    package static func draw(
        fileSystem: any FileSystem, directory: String
    ) throws(StorageError) -> BootNumber {
        let (file, value) = try TwoSlotFile.open(
            kind, fileSystem: fileSystem, directory: directory, name: name)
        let next = try decode(value, directory + "/" + name).next
        try file.store(encode(next))
        return next
    }

    /// The number drawn last; changes nothing.
    package static func read(
        fileSystem: any FileSystem, directory: String
    ) throws(StorageError) -> BootNumber {
        let path = directory + "/" + name
        return try decode(
            try TwoSlotFile.read(kind, fileSystem: fileSystem, path: path).value, path)
    }

    private static func encode(_ boot: BootNumber) -> [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.write(boot.rawValue)
        return writer.bytes
    }

    private static func decode(_ value: [UInt8], _ path: String) throws(StorageError) -> BootNumber
    {
        var reader = ByteReader(value)
        guard let number = try? reader.read(UInt64.self), reader.isAtEnd, number < .max else {
            throw .corrupt(path: path, offset: 0, reason: "\(value.count) bytes are no boot number")
        }
        return BootNumber(number)
    }
}
