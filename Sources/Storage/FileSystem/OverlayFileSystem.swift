internal import Synchronization

/// Another file system, seen through a sheet of glass: whatever is written stays in memory, and
/// what is underneath is only read.
///
/// So the very code that starts a node can be let loose on its directory to see what it would find.
/// Syncs do nothing. Memory: what is written, in blocks of 64 KiB.
package final class OverlayFileSystem: FileSystem {
    private struct State {
        /// What became of names; nil: removed.
        var names: [String: OverlayContent?] = [:]
        var directories: Set<String> = []
    }

    private let base: any FileSystem
    private let state = Mutex(State())

    package init(over base: any FileSystem) { self.base = base }

    package func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any StorageFile {
        let found = try content(of: path)
        switch mode {
        case .read, .readWrite:
            guard let found else { throw .notFound(path: path) }
            return OverlayFile(path: path, content: found, mayWrite: mode != .read)
        case .createNew where found != nil: throw .alreadyExists(path: path)
        case .createNew, .openOrCreate:
            if let found { return OverlayFile(path: path, content: found, mayWrite: true) }
            try checkParent(of: path)
            let fresh = OverlayContent(under: nil, byteCount: 0)
            state.withLock { $0.names[path] = .some(fresh) }
            return OverlayFile(path: path, content: fresh, mayWrite: true)
        }
    }

    private func checkParent(of path: String) throws(StorageError) {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return }
        let parent = String(path[..<slash])
        guard case .directory = try kind(of: parent) else { throw .notFound(path: parent) }
    }

    /// One content for one file, whoever opens it; nil where there is none.
    private func content(of path: String) throws(StorageError) -> OverlayContent? {
        if let known = state.withLock({ $0.names[path] }) { return known }
        guard try base.kind(of: path) == .file else { return nil }
        let under = try base.open(path, .read)
        let found = OverlayContent(under: under, byteCount: try under.size())
        return state.withLock { state in
            if let known = state.names[path] { return known }
            state.names[path] = .some(found)
            return found
        }
    }

    package func rename(_ from: String, to: String) throws(StorageError) {
        guard let moved = try content(of: from) else { throw .notFound(path: from) }
        state.withLock { state in
            state.names[to] = .some(moved)
            state.names[from] = .some(nil)
        }
    }

    package func remove(_ path: String) throws(StorageError) {
        guard try content(of: path) != nil else { throw .notFound(path: path) }
        state.withLock { $0.names[path] = .some(nil) }
    }

    package func list(_ directory: String) throws(StorageError) -> [String] {
        let (names, directories) = state.withLock { ($0.names, $0.directories) }
        let under: [String]
        do throws(StorageError) { under = try base.list(directory) } catch {
            guard directories.contains(directory), case .notFound = error else { throw error }
            under = []
        }
        var found = Set(under)
        for (path, content) in names {
            guard let name = Self.name(path, in: directory) else { continue }
            if content == nil { found.remove(name) } else { found.insert(name) }
        }
        found.formUnion(directories.compactMap { Self.name($0, in: directory) })
        return found.sorted()
    }

    /// The last part of the path of something that is right in the directory.
    private static func name(_ path: String, in directory: String) -> String? {
        guard path.hasPrefix(directory + "/") else { return nil }
        let name = path.dropFirst(directory.count + 1)
        return name.contains("/") ? nil : String(name)
    }

    package func makeDirectory(_ path: String) throws(StorageError) {
        switch try kind(of: path) {
        case .directory: return
        case .missing: break
        case .file, .symbolicLink, .other: throw .alreadyExists(path: path)
        }
        try checkParent(of: path)
        state.withLock { _ = $0.directories.insert(path) }
    }

    package func syncDirectory(_ path: String) throws(StorageError) {
        if try kind(of: path) == .missing { throw .notFound(path: path) }
    }

    package func kind(of path: String) throws(StorageError) -> PathKind {
        let (known, isOurs) = state.withLock { ($0.names[path], $0.directories.contains(path)) }
        if let known { return known == nil ? .missing : .file }
        switch try base.kind(of: path) {
        // Whose it is matters to those who write: an operator may look at another user's.
        case .directory(let groupMayWrite, let worldMayWrite, _):
            return .directory(
                groupMayWrite: groupMayWrite, worldMayWrite: worldMayWrite, isForeign: false)
        case .missing where isOurs:
            return .directory(groupMayWrite: false, worldMayWrite: false, isForeign: false)
        case .missing: return .missing
        case .file: return .file
        case .symbolicLink: return .symbolicLink
        case .other: return .other
        }
    }
}

/// A file's bytes: those underneath, where no block of our own lies over them.
private final class OverlayContent: Sendable {
    static let blockBytes = 64 << 10

    private struct State {
        var blocks: [Int: [UInt8]] = [:]
        var byteCount: Int
        /// Underneath counts up to here only: what was cut off reads as zeros when it comes back.
        var underBytes: Int
        var isLocked = false
    }

    let under: (any StorageFile)?
    private let state: Mutex<State>

    init(under: (any StorageFile)?, byteCount: Int) {
        self.under = under
        state = Mutex(State(byteCount: byteCount, underBytes: byteCount))
    }

    var byteCount: Int { state.withLock { $0.byteCount } }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(StorageError) -> Int {
        let known = state.withLock { $0 }
        let total = max(0, min(buffer.count, known.byteCount - offset))
        var done = 0
        while done < total {
            let place = offset + done
            let (number, start) = place.quotientAndRemainder(dividingBy: Self.blockBytes)
            let count = min(total - done, Self.blockBytes - start)
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<(done + count)])
            if let block = known.blocks[number] {
                block.withUnsafeBytes {
                    part.copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: $0[start..<start + count]))
                }
            } else {
                try readUnder(into: part, at: place, underBytes: known.underBytes)
            }
            done += count
        }
        return total
    }

    private func readUnder(
        into part: UnsafeMutableRawBufferPointer, at offset: Int, underBytes: Int
    ) throws(StorageError) {
        var filled = 0
        let there = max(0, min(part.count, underBytes - offset))
        if there > 0, let under {
            filled = try under.read(
                into: UnsafeMutableRawBufferPointer(rebasing: part[..<there]), at: offset)
        }
        UnsafeMutableRawBufferPointer(rebasing: part[filled...])
            .initializeMemory(as: UInt8.self, repeating: 0)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError) {
        guard !bytes.isEmpty else { return }
        var done = 0
        while done < bytes.count {
            let (number, start) = (offset + done).quotientAndRemainder(dividingBy: Self.blockBytes)
            let count = min(bytes.count - done, Self.blockBytes - start)
            var block = try block(number)
            block.withUnsafeMutableBytes {
                UnsafeMutableRawBufferPointer(rebasing: $0[start..<start + count])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[done..<done + count]))
            }
            state.withLock { $0.blocks[number] = block }
            done += count
        }
        state.withLock { $0.byteCount = max($0.byteCount, offset + bytes.count) }
    }

    private func block(_ number: Int) throws(StorageError) -> [UInt8] {
        let (known, underBytes) = state.withLock { ($0.blocks[number], $0.underBytes) }
        if let known { return known }
        var failure: StorageError?
        let block = [UInt8](unsafeUninitializedCapacity: Self.blockBytes) { room, filled in
            do throws(StorageError) {
                try readUnder(
                    into: UnsafeMutableRawBufferPointer(room), at: number * Self.blockBytes,
                    underBytes: underBytes)
            } catch { failure = error }
            filled = Self.blockBytes
        }
        if let failure { throw failure }
        return block
    }

    /// The lock underneath stays as long as the overlay: who uses the directory would be read in
    /// the middle of a change.
    func lock() throws(StorageError) -> Bool {
        guard state.withLock({ !$0.isLocked }), try under?.lock() ?? true else { return false }
        state.withLock { $0.isLocked = true }
        return true
    }

    func unlock() { state.withLock { $0.isLocked = false } }

    func resize(to byteCount: Int) throws(StorageError) {
        let (number, start) = byteCount.quotientAndRemainder(dividingBy: Self.blockBytes)
        var edge: [UInt8]?
        if byteCount < self.byteCount, start > 0 {
            var block = try block(number)
            for place in start..<Self.blockBytes { block[place] = 0 }
            edge = block
        }
        state.withLock { state in
            if byteCount < state.byteCount {
                state.blocks = state.blocks.filter { $0.key < number }
                if let edge { state.blocks[number] = edge }
                state.underBytes = min(state.underBytes, byteCount)
            }
            state.byteCount = byteCount
        }
    }
}

private final class OverlayFile: StorageFile {
    let path: String
    private let content: OverlayContent
    private let mayWrite: Bool
    private let holdsLock = Mutex(false)

    init(path: String, content: OverlayContent, mayWrite: Bool) {
        self.path = path
        self.content = content
        self.mayWrite = mayWrite
    }

    /// EBADF.
    private static let badDescriptor: Int32 = 9

    deinit { if holdsLock.withLock({ $0 }) { content.unlock() } }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(StorageError) -> Int {
        try content.read(into: buffer, at: offset)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError) {
        guard mayWrite else {
            throw .io(operation: "write", path: path, offset: offset, errno: Self.badDescriptor)
        }
        try content.write(bytes, at: offset)
    }

    func sync() throws(StorageError) {}

    func allocate(_ byteCount: Int) throws(StorageError) {
        if byteCount > content.byteCount { try content.resize(to: byteCount) }
    }

    func truncate(to byteCount: Int) throws(StorageError) { try content.resize(to: byteCount) }

    func size() throws(StorageError) -> Int { content.byteCount }

    func lock() throws(StorageError) -> Bool {
        if holdsLock.withLock({ $0 }) { return true }
        guard try content.lock() else { return false }
        holdsLock.withLock { $0 = true }
        return true
    }
}
