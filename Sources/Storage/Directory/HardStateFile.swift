package import Primitives

/// Term and vote on disk. They have a file and syncs of their own, never a place among log records,
/// which are superseded and used again (DESIGN §5).
///
/// One thread at a time uses it.
package final class HardStateFile: Sendable {
    package static let name = "hardstate"
    static let kind = TwoSlotFile.Kind(
        magic: TwoSlotFile.magic("KEELHARD"), version: 1, slotBytes: 4096)

    private let file: TwoSlotFile
    /// What the file held when it was opened.
    package let loaded: HardState

    private init(file: TwoSlotFile, loaded: HardState) {
        self.file = file
        self.loaded = loaded
    }

    package static func create(
        fileSystem: any FileSystem, directory: String
    ) throws(StorageError) -> HardStateFile {
        let file = try TwoSlotFile.create(
            kind, fileSystem: fileSystem, directory: directory, name: name, value: encode(.initial))
        return HardStateFile(file: file, loaded: .initial)
    }

    package static func open(
        fileSystem: any FileSystem, directory: String
    ) throws(StorageError) -> HardStateFile {
        let (file, value) = try TwoSlotFile.open(
            kind, fileSystem: fileSystem, directory: directory, name: name)
        return HardStateFile(file: file, loaded: try decode(value, directory + "/" + name))
    }

    /// Reads the value and changes nothing.
    package static func read(
        fileSystem: any FileSystem, directory: String
    ) throws(StorageError) -> HardState {
        let path = directory + "/" + name
        return try decode(
            try TwoSlotFile.read(kind, fileSystem: fileSystem, path: path).value, path)
    }

    /// Durable when it returns. Two syncs; elections are rare.
    package func store(_ state: HardState) throws(StorageError) {
        try file.store(Self.encode(state))
    }

    private static func encode(_ state: HardState) -> [UInt8] {
        var writer = ByteWriter(capacity: 16)
        writer.write(state.term.rawValue)
        writer.write(state.votedFor?.rawValue ?? NodeID.none.rawValue)
        return writer.bytes
    }

    private static func decode(_ value: [UInt8], _ path: String) throws(StorageError) -> HardState {
        var reader = ByteReader(value)
        guard let term = try? reader.read(UInt64.self), let vote = try? reader.read(UInt64.self),
            reader.isAtEnd
        else {
            throw .corrupt(
                path: path, offset: 0, reason: "\(value.count) bytes are no term and vote")
        }
        #if KEELSON_MUTANTS
            if planted(.forgetsVotes) { return HardState(term: Term(term), votedFor: nil) }
        #endif
        return HardState(term: Term(term), votedFor: vote == 0 ? nil : NodeID(vote))
    }
}
