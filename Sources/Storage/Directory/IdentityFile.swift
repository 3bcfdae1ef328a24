internal import Primitives

/// The file that says whose directory this is. Written last when the directory is made: where it
/// stands, the rest is complete.
enum IdentityFile {
    static let name = "identity"
    private static let kind = TwoSlotFile.Kind(
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
        let (value, _) = try TwoSlotFile.read(kind, fileSystem: fileSystem, path: path)
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
