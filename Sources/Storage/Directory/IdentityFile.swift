internal import Primitives

/// The file that says whose directory this is. Written last when the directory is made: where it
/// stands, the rest is complete.
enum IdentityFile {
    static let name = "identity"
    static let kind = TwoSlotFile.Kind(
        magic: TwoSlotFile.magic("KEELNODE"), version: NodeIdentity.currentFormatVersion,
        slotBytes: 4096)

    static func create(
        _ identity: NodeIdentity, fileSystem: any FileSystem, directory: String
    ) throws(StorageError) {
        guard identity.name.utf8.count <= NodeIdentity.nameBytesMax else {
            throw .tooLarge(
                path: directory + "/" + name, byteCount: identity.name.utf8.count,
                limit: NodeIdentity.nameBytesMax)
        }
        guard identity.initialVoters.count <= NodeIdentity.initialVotersMax else {
            throw .tooLarge(
                path: directory + "/" + name, byteCount: identity.initialVoters.count * 8,
                limit: NodeIdentity.initialVotersMax * 8)
        }
        var writer = ByteWriter(capacity: 64)
        writer.write(identity.clusterID.rawValue)
        writer.write(identity.memberID.rawValue)
        writer.writeLengthPrefixed(identity.name)
        writer.write(UInt16(identity.initialVoters.count))
        for voter in identity.initialVoters { writer.write(voter.rawValue) }
        if identity.isRestored { writer.write(UInt8(1)) }
        _ = try TwoSlotFile.create(
            kind, fileSystem: fileSystem, directory: directory, name: name, value: writer.bytes)
    }

    static func read(
        fileSystem: any FileSystem, directory: String
    ) throws(StorageError) -> NodeIdentity {
        let path = directory + "/" + name
        return try decode(
            try TwoSlotFile.read(kind, fileSystem: fileSystem, path: path).value, path)
    }

    /// As ``read(fileSystem:directory:)``; a slot that is damaged is written anew, for the other
    /// one may be next.
    static func open(
        fileSystem: any FileSystem, directory: String
    ) throws(StorageError) -> NodeIdentity {
        let path = directory + "/" + name
        let identity = try read(fileSystem: fileSystem, directory: directory)
        guard try !TwoSlotFile.damagedSlots(kind, fileSystem: fileSystem, path: path).isEmpty
        else { return identity }
        do throws(StorageError) {
            _ = try TwoSlotFile.open(
                kind, fileSystem: fileSystem, directory: directory, name: name)
        } catch {
            // It was read, and the next start tries again.
            switch error {
            case .outOfSpace, .io: break
            default: throw error
            }
        }
        return identity
    }

    private static func decode(
        _ value: [UInt8], _ path: String
    ) throws(StorageError) -> NodeIdentity {
        var reader = ByteReader(value)
        do throws(DecodingError) {
            var identity = NodeIdentity(
                clusterID: ClusterID(try reader.read()), memberID: NodeID(try reader.read()),
                name: try reader.readString(limit: NodeIdentity.nameBytesMax))
            // Directories of the first builds end here.
            if reader.isAtEnd { return identity }
            for _ in 0..<(try reader.read(UInt16.self)) {
                identity.initialVoters.append(NodeID(try reader.read()))
            }
            // Only restored ones go on.
            if !reader.isAtEnd { identity.isRestored = try reader.read(UInt8.self) == 1 }
            return identity
        } catch {
            throw .corrupt(path: path, offset: reader.offset, reason: "it is no identity")
        }
    }
}
