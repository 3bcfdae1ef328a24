package import AgentLogic
internal import Glibc

/// Fetches `file://` URIs and absolute paths of this machine, from below allowed directories only.
package struct FileFetcher: URIFetching {
    /// Directories below which files may be taken; none: no file is.
    package var roots: [String]
    /// Bytes of one file, and of everything that an archive unpacks to.
    package var bytesMax: UInt64

    package init(roots: [String], bytesMax: UInt64 = 4 << 30) {
        self.roots = roots
        self.bytesMax = bytesMax
    }

    package func fetch(
        _ uri: TaskURI, into sandbox: String, owner: (user: UInt32, group: UInt32)?
    ) async throws(AgentError) {
        let source = try self.source(of: uri.value)
        let components = try uri.destination
        let parent = try Self.makeParents(sandbox, components.dropLast(), owner)
        guard let name = components.last else {
            throw .invalid(field: "URI", why: "it names no file")
        }
        let destination = parent + "/" + name
        try copy(source, to: destination, isExecutable: uri.isExecutable)
        if let owner { _ = lchown(destination, owner.user, owner.group) }
        if uri.extracts, let kind = ArchiveKind(name: name) {
            try await kind.extract(destination, into: parent, bytesMax: bytesMax, owner: owner)
        }
    }

    /// The file itself, with all links resolved, where that is below an allowed directory.
    private func source(of value: String) throws(AgentError) -> String {
        var path = value
        if path.hasPrefix("file://") {
            path.removeFirst("file://".count)
            if path.hasPrefix("localhost/") { path.removeFirst("localhost".count) }
        }
        guard path.hasPrefix("/") else {
            throw .invalid(field: "URI", why: "it is neither file:// nor an absolute path")
        }
        let resolved = try Self.resolve(path)
        for root in roots {
            let root = try Self.resolve(root)
            if root == "/" || resolved.hasPrefix(root + "/") { return resolved }
        }
        throw .invalid(field: "URI", why: "it is not below a directory that files may come from")
    }

    static func resolve(_ path: String) throws(AgentError) -> String {
        guard let pointer = realpath(path, nil) else {
            throw .io(operation: "resolve", path: path, errno: errno)
        }
        defer { free(pointer) }
        return String(cString: pointer)
    }

    private static func makeParents(
        _ sandbox: String, _ components: ArraySlice<String>,
        _ owner: (user: UInt32, group: UInt32)?
    ) throws(AgentError) -> String {
        var path = sandbox
        for component in components {
            path += "/" + component
            try WorkDirectory.makeDirectories(path, mode: 0o755)
            if let owner { _ = lchown(path, owner.user, owner.group) }
        }
        return path
    }

    /// A new file: neither a link nor a file that is there is written through.
    private func copy(
        _ source: String, to destination: String, isExecutable: Bool
    ) throws(AgentError) {
        let input = try SystemCall.open(source, O_RDONLY | O_NOFOLLOW)
        defer { close(input) }
        var status = stat()
        try SystemCall.check("look-up", source) { fstat(input, &status) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .invalid(field: "URI", why: "\(source) is no file")
        }
        unlink(destination)
        let output = try SystemCall.open(
            destination, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
            mode: isExecutable ? 0o755 : 0o644)
        defer { close(output) }
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        var total: UInt64 = 0
        while true {
            let count = buffer.withUnsafeMutableBytes { read(input, $0.baseAddress, $0.count) }
            if count == 0 { return }
            if count < 0 {
                if errno == EINTR { continue }
                throw .io(operation: "read", path: source, errno: errno)
            }
            total += UInt64(count)
            if total > bytesMax {
                throw .limit(what: "bytes of \(source)", value: total, max: bytesMax)
            }
            if Task.isCancelled { throw .program(name: "fetch", why: "it was called off") }
            try SystemCall.writeAll(output, destination, Array(buffer[0..<count]))
        }
    }
}
