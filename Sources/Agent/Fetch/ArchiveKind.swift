internal import AgentLogic
internal import Glibc
internal import Subprocess
internal import SystemPackage

/// An archive by its name's ending, and how it is unpacked without anything getting out.
package enum ArchiveKind: Equatable, Sendable {
    case tar
    case zip

    private static let tarEndings = [
        ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz",
    ]

    package init?(name: String) {
        if Self.tarEndings.contains(where: name.hasSuffix) {
            self = .tar
        } else if name.hasSuffix(".zip") {
            self = .zip
        } else {
            return nil
        }
    }

    /// Unpacks beside the sandbox's files: into a directory of its own first, where everything is
    /// looked at, and only then to its place.
    func extract(
        _ archive: String, into parent: String, bytesMax: UInt64,
        owner: (user: UInt32, group: UInt32)?
    ) async throws(AgentError) {
        let fresh = parent + "/.unpacking-\(getpid())-\(MachineClock.steadyMillis)"
        try SystemCall.check("create", fresh) { mkdir(fresh, 0o700) }
        do throws(AgentError) {
            try await unpack(archive, into: fresh, bytesMax: bytesMax)
            var inspection = TreeInspection(root: fresh, bytesMax: bytesMax, owner: owner)
            try inspection.look(fresh, depth: 0)
            for name in try SystemCall.names(in: fresh) {
                let target = parent + "/" + name
                try WorkDirectory.removeTree(target)
                try SystemCall.check("move", target) { rename(fresh + "/" + name, target) }
            }
        } catch {
            try? WorkDirectory.removeTree(fresh)
            throw error
        }
        try WorkDirectory.removeTree(fresh)
    }

    private func unpack(
        _ archive: String, into directory: String, bytesMax: UInt64
    ) async throws(AgentError) {
        let (program, arguments) =
            switch self {
            case .tar:
                ("tar", ["-x", "--no-same-owner", "--no-same-permissions", "-f", archive])
            case .zip: ("unzip", ["-q", "-o", archive])
            }
        // The shell's limit holds for each file: a bomb stops at it. In blocks of 512 bytes.
        let script = "ulimit -f \(bytesMax / 512 + 1); exec \"$0\" \"$@\""
        let configuration = Configuration(
            executable: .path("/bin/sh"),
            arguments: Arguments(["-c", script, program] + arguments),
            workingDirectory: FilePath(directory))
        let status: TerminationStatus
        do {
            let result = try await Subprocess.run(
                configuration, input: .none, output: .discarded, error: .discarded)
            status = result.terminationStatus
        } catch {
            throw .program(name: program, why: "\(error)")
        }
        guard status.isSuccess else { throw .program(name: program, why: "\(status)") }
    }
}

/// Looks at everything below a directory: only files, directories and links that stay inside.
private struct TreeInspection {
    let root: String
    let bytesMax: UInt64
    let owner: (user: UInt32, group: UInt32)?
    private var bytes: UInt64 = 0
    private var entries: UInt64 = 0
    static let depthMax = 64
    static let entriesMax: UInt64 = 1_000_000

    init(root: String, bytesMax: UInt64, owner: (user: UInt32, group: UInt32)?) {
        self.root = root
        self.bytesMax = bytesMax
        self.owner = owner
    }

    mutating func look(_ path: String, depth: Int) throws(AgentError) {
        guard depth <= Self.depthMax else {
            throw .limit(what: "depth", value: UInt64(depth), max: UInt64(Self.depthMax))
        }
        for name in try SystemCall.names(in: path) {
            let child = path + "/" + name
            var status = stat()
            try SystemCall.check("look-up", child) { lstat(child, &status) }
            entries += 1
            bytes += UInt64(max(status.st_size, 0))
            if entries > Self.entriesMax {
                throw .limit(what: "files", value: entries, max: Self.entriesMax)
            }
            if bytes > bytesMax {
                throw .limit(what: "bytes unpacked", value: bytes, max: bytesMax)
            }
            switch status.st_mode & S_IFMT {
            case S_IFREG:
                chmod(child, status.st_mode & 0o777)
            case S_IFDIR:
                chmod(child, status.st_mode & 0o777 | 0o700)
                try look(child, depth: depth + 1)
            case S_IFLNK: try lookAtLink(child, depth: depth)
            default: throw .invalid(field: "archive", why: "\(name) is neither file nor link")
            }
            if let owner { _ = lchown(child, owner.user, owner.group) }
        }
    }

    /// `depth` directories lie between the root and the link.
    private func lookAtLink(_ path: String, depth: Int) throws(AgentError) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { raw in
            raw.withMemoryRebound(to: CChar.self) { readlink(path, $0.baseAddress!, $0.count) }
        }
        guard count > 0, count < buffer.count else {
            throw .io(operation: "read", path: path, errno: errno)
        }
        let target = buffer[0..<count]
        var ups = 0
        var escapes = target.first == UInt8(ascii: "/")
        var goesDown = false
        for part in target.split(separator: UInt8(ascii: "/")) {
            if part.elementsEqual("..".utf8) {
                // Behind a name it would lead to wherever that name, itself a link, leads from.
                if goesDown { escapes = true }
                ups += 1
            } else if !part.elementsEqual(".".utf8) {
                goesDown = true
            }
        }
        if ups > depth { escapes = true }
        if escapes {
            throw .invalid(field: "archive", why: "a link leads out of the sandbox")
        }
    }
}
