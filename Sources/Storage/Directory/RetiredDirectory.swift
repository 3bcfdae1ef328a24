package import Primitives

/// Data directories of members whose place was given anew. They stay beside the directory, as
/// `NAME.replaced-MEMBER`, until the operator removes them: the server deletes none.
package enum RetiredDirectory {
    /// With so many beside it no further directory is put away.
    package static let keptMax = 4
    private static let infix = ".replaced-"

    /// Their names, sorted.
    package static func names(
        beside path: String, fileSystem: any FileSystem
    ) throws(StorageError) -> [String] {
        let path = DataDirectory.plain(path)
        let parent = DataDirectory.parent(of: path)
        guard try fileSystem.exists(parent) else { return [] }
        return try fileSystem.list(parent).filter { $0.hasPrefix(name(of: path) + infix) }
    }

    /// Whether the directory of this member was put away here.
    package static func has(
        _ member: NodeID, beside path: String, fileSystem: any FileSystem
    ) throws(StorageError) -> Bool {
        let name = name(of: DataDirectory.plain(path)) + infix + "\(member)"
        return try names(beside: path, fileSystem: fileSystem).contains {
            $0 == name || $0.hasPrefix(name + ".")
        }
    }

    /// - Throws: ``StorageError/unsafeDirectory(path:reason:)`` where one more would be too many.
    package static func checkRoom(
        beside path: String, fileSystem: any FileSystem
    ) throws(StorageError) {
        let kept = try names(beside: path, fileSystem: fileSystem)
        guard kept.count < keptMax else {
            throw .unsafeDirectory(
                path: path,
                reason: "it has to be put away, and \(kept.count) directories of replaced members "
                    + "are kept beside it already (\(kept.joined(separator: ", "))): remove what "
                    + "nobody needs any more")
        }
    }

    /// Puts the directory away, if there is one; durable when it returns. A crash leaves it at one
    /// of the two names.
    /// - Returns: where it is now; nil where there was none.
    /// - Throws: ``StorageError/locked(path:)`` while a process uses it.
    package static func retire(
        _ path: String, of member: NodeID, fileSystem: any FileSystem
    ) throws(StorageError) -> String? {
        let path = DataDirectory.plain(path)
        guard try fileSystem.exists(path) else { return nil }
        try checkRoom(beside: path, fileSystem: fileSystem)
        let lock = try fileSystem.open(path + "/" + DataDirectory.lockName, .openOrCreate)
        guard try lock.lock() else { throw .locked(path: path) }
        let parent = DataDirectory.parent(of: path)
        let first = path + infix + "\(member)"
        var place = first
        var number = 1
        while try fileSystem.exists(place) {
            number += 1
            place = first + ".\(number)"
        }
        try fileSystem.rename(path, to: place)
        #if KEELSON_MUTANTS
            if planted(.losesRetirements) { return place }
        #endif
        try fileSystem.syncDirectory(parent)
        return place
    }

    private static func name(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
    }
}
