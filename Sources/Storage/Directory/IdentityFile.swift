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
        var writer = ByteWriter(capacity: 64)
        writer.write(identity.clusterID.rawValue)
        writer.write(identity.memberID.rawValue)
        writer.writeLengthPrefixed(identity.name)
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
            return NodeIdentity(
                clusterID: ClusterID(try reader.read()), memberID: NodeID(try reader.read()),
                name: try reader.readString(limit: NodeIdentity.nameBytesMax))
        } catch {
            throw .corrupt(path: path, offset: reader.offset, reason: "it is no identity")
        }
    }
}
