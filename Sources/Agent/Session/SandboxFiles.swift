package import AgentLogic
internal import Glibc

/// What may be seen of an agent's disk from outside: the sandboxes of its tasks, and nothing else.
///
/// A path is walked component by component from the work directory, each opened without following
/// links, so that no task can lay a link that leads out of its sandbox. The one exception is
/// `runs/latest`, which the agent itself makes and whose target is one plain name.
package struct SandboxFiles: Sendable {
    package struct Entry: Equatable, Sendable {
        package var path: String
        package var isDirectory: Bool
        package var bytes: UInt64
        package var mode: UInt32
        package var links: UInt64
        package var user: UInt32
        package var group: UInt32
        /// Seconds since 1970.
        package var modified: Int64
    }

    /// Bytes that one read gives at most.
    package static let readBytesMax = 1 << 20
    private static let entriesMax = 10_000
    private static let depthMax = 64

    private let directory: WorkDirectory

    package init(_ directory: WorkDirectory) { self.directory = directory }

    /// - Parameter path: absolute, as the agent's state names it, or relative to the work
    ///   directory; below `slaves/` in either case.
    /// - Throws: ``AgentError/invalid(field:why:)`` for a path that is outside, I/O errors for what
    ///   is not there.
    package func list(_ path: String) throws(AgentError) -> [Entry] {
        let descriptor = try open(path, O_RDONLY | O_DIRECTORY)
        guard let stream = fdopendir(descriptor) else {
            close(descriptor)
            throw .io(operation: "list", path: path, errno: errno)
        }
        defer { closedir(stream) }
        var entries: [Entry] = []
        while let entry = readdir(stream), entries.count < Self.entriesMax {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            var status = stat()
            guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            entries.append(
                Entry(
                    path: path.hasSuffix("/") ? path + name : path + "/" + name,
                    isDirectory: status.st_mode & S_IFMT == S_IFDIR,
                    bytes: UInt64(clamping: status.st_size), mode: status.st_mode,
                    links: UInt64(status.st_nlink), user: status.st_uid, group: status.st_gid,
                    modified: Int64(status.st_mtim.tv_sec)))
        }
        return entries.sorted { $0.path < $1.path }
    }

    /// A part of a file, and how large the whole is.
    /// - Parameters:
    ///   - offset: nil for the end of the file.
    ///   - length: nil for as much as there may be.
    package func read(
        _ path: String, offset: UInt64?, length: Int?
    ) throws(AgentError) -> (bytes: [UInt8], size: UInt64) {
        let (descriptor, size) = try openFile(path)
        defer { close(descriptor) }
        guard let offset, offset < size else { return ([], size) }
        let count = min(max(0, length ?? Self.readBytesMax), Self.readBytesMax)
        return (try Self.bytes(descriptor, path, offset: offset, count: count), size)
    }

    /// A regular file to be read to its end as it is now; to be closed by whoever asked.
    package func openFile(_ path: String) throws(AgentError) -> (descriptor: Int32, size: UInt64) {
        let descriptor = try open(path, O_RDONLY | O_NONBLOCK)
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .invalid(field: "path", why: "it is no file")
        }
        return (descriptor, UInt64(clamping: status.st_size))
    }

    package static func bytes(
        _ descriptor: Int32, _ path: String, offset: UInt64, count: Int
    ) throws(AgentError) -> [UInt8] {
        guard let start = off_t(exactly: offset) else { return [] }
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
            while used < count {
                let got = pread(
                    descriptor, buffer.baseAddress?.advanced(by: used), count - used,
                    start + off_t(used))
                if got > 0 {
                    used += got
                } else if got == 0 || errno != EINTR {
                    failure = got == 0 ? 0 : errno
                    break
                }
            }
        }
        if failure != 0 { throw .io(operation: "read", path: path, errno: failure) }
        return bytes
    }

    private func components(of path: String) throws(AgentError) -> [String] {
        var rest = Substring(path)
        if rest.hasPrefix("/") {
            guard rest.hasPrefix(directory.path + "/") else {
                throw .invalid(field: "path", why: "it is outside of the sandboxes")
            }
            rest = rest.dropFirst(directory.path.count + 1)
        }
        let parts = rest.split(separator: "/").map(String.init)
        guard parts.first == "slaves", parts.count <= Self.depthMax else {
            throw .invalid(field: "path", why: "it is outside of the sandboxes")
        }
        let isPlain = parts.allSatisfy { $0 != "." && $0 != ".." && !$0.utf8.contains(0) }
        guard isPlain else { throw .invalid(field: "path", why: "a part of it is no name") }
        return parts
    }

    private func open(_ path: String, _ flags: Int32) throws(AgentError) -> Int32 {
        let parts = try components(of: path)
        var folder = try SystemCall.open(directory.path, O_RDONLY | O_DIRECTORY)
        for (place, part) in parts.enumerated() {
            let current = folder
            defer { close(current) }
            // slaves/A/frameworks/F/executors/E/runs/latest
            let name = place == 7 && part == "latest" ? try latest(current, path) : part
            let isLast = place == parts.count - 1
            let wanted = isLast ? flags : O_RDONLY | O_DIRECTORY
            let next = openat(current, name, wanted | O_NOFOLLOW | O_CLOEXEC)
            guard next >= 0 else { throw .io(operation: "open", path: path, errno: errno) }
            if isLast { return next }
            folder = next
        }
        throw .invalid(field: "path", why: "it is empty")
    }

    private func latest(_ folder: Int32, _ path: String) throws(AgentError) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { readlinkat(folder, "latest", $0, bytes.count) } ?? -1
        }
        guard count > 0,
            let container = ContainerID(String(decoding: buffer[..<count], as: UTF8.self))
        else { throw .io(operation: "open", path: path, errno: ENOENT) }
        return container.description
    }
}
