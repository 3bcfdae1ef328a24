import Primitives

/// The manifest on disk.
struct CheckpointManifestFile {
    static let name = "manifest"
    static let kind = TwoSlotFile.Kind(
        magic: TwoSlotFile.magic("KEELCKPT"), version: 1, slotBytes: 4096)

    let directory: String
    let fileSystem: any FileSystem
    private var file: TwoSlotFile?

    var path: String { directory + "/" + Self.name }

    init(_ fileSystem: any FileSystem, directory: String) {
        self.fileSystem = fileSystem
        self.directory = directory
    }

    /// The manifest, or nil when there is none or neither slot is whole: the files' own headers
    /// then say what they hold.
    ///
    /// - Throws: ``StorageError/newerFormat(path:found:supported:)``, and what the disk throws.
    mutating func load() throws(StorageError) -> CheckpointManifest? {
        file = nil
        guard try fileSystem.exists(path) else { return nil }
        do {
            let (file, value) = try TwoSlotFile.open(
                Self.kind, fileSystem: fileSystem, directory: directory, name: Self.name)
            guard let manifest = CheckpointManifest.decode(value) else { return nil }
            self.file = file
            return manifest
        } catch {
            switch error {
            case .corrupt: return nil
            case .outOfSpace:
                // A full disk can still be read; the next store makes the fresh file.
                let value = try TwoSlotFile.read(Self.kind, fileSystem: fileSystem, path: path)
                    .value
                return CheckpointManifest.decode(value)
            default: throw error
            }
        }
    }

    /// Durable when it returns.
    mutating func store(_ manifest: CheckpointManifest) throws(StorageError) {
        if let file {
            // A slot that a failure tore must not be the one that stays when the next store begins.
            self.file = nil
            try file.store(manifest.encode())
            self.file = file
        } else {
            file = try TwoSlotFile.create(
                Self.kind, fileSystem: fileSystem, directory: directory, name: Self.name,
                value: manifest.encode())
        }
    }
}
