#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// What `keelson doctor` finds out of the machine it runs on.
struct MachineExamination {
    let directory: String

    private static let syncs = 200
    private static let syncBytes = 8 << 10
    /// A disk that is so slow need not be measured longer.
    private static let measuringTime: Duration = .seconds(10)
    private static let descriptorsMin = 4096.0

    /// - Throws: ``Failure`` where the directory cannot be written to.
    func run() throws -> [Finding] {
        [try syncLatency(), try space(), fileSystem(), descriptors()]
    }

    /// 8 KiB are appended and made durable, as a write of the log is, again and again.
    private func syncLatency() throws -> Finding {
        var durations = try measure()
        durations.sort()
        func quantile(_ share: Double) -> Double {
            durations[min(durations.count - 1, Int(Double(durations.count) * share))]
        }
        let p99 = quantile(0.99)
        return .bounded(
            "disk-sync", directory, p99, .seconds, warnAbove: 0.01, failAbove: 0.1,
            "fdatasync of 8 KiB: p50 \(Figures.seconds(quantile(0.5))),"
                + " p99 \(Figures.seconds(p99)), \(durations.count) of them",
            advice: "every write waits for this: give the data directory an SSD with power-loss"
                + " protection, or a disk that nothing else writes to")
    }

    private func measure() throws -> [Double] {
        let path = directory + "/keelson-doctor-\(getpid())"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        guard descriptor >= 0 else { throw failure("cannot be written to") }
        defer {
            close(descriptor)
            unlink(path)
        }
        let block = [UInt8](repeating: 0x5A, count: Self.syncBytes)
        let began = ContinuousClock.now
        var durations: [Double] = []
        while durations.count < Self.syncs, ContinuousClock.now - began < Self.measuringTime {
            let start = ContinuousClock.now
            let written = block.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard written == block.count, fdatasync(descriptor) == 0 else {
                throw failure("does not take a write")
            }
            durations.append((ContinuousClock.now - start).milliseconds / 1000)
        }
        return durations
    }

    private func failure(_ what: String) -> Failure {
        Failure(
            .inputOutput, "'\(directory)' \(what): \(String(cString: strerror(errno)))",
            advice: "--data-dir names the folder, or a folder on the disk, of a server of this"
                + " machine; run this as the server's user")
    }

    private func space() throws -> Finding {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { throw failure("cannot be looked at") }
        let total = Double(status.f_blocks) * Double(status.f_frsize)
        let free = Double(status.f_bavail) * Double(status.f_frsize)
        return Self.space(directory, total: total, free: free)
    }

    static func space(_ subject: String, total: Double, free: Double) -> Finding {
        .bounded(
            "disk-space", subject, total > 0 ? free / total : 1, .share, warnBelow: 0.15,
            failBelow: 0.03, "\(Figures.bytes(free)) of \(Figures.bytes(total)) free",
            advice: "make room: a member whose disk is full neither votes nor acknowledges")
    }

    /// What keeps files in memory, or on another machine, does not keep what it says it does.
    private func fileSystem() -> Finding {
        guard let type = MountTable.type(of: directory) else {
            return Finding("file-system", directory, .warn, "unknown", advice: "look by hand")
        }
        let isUnfit = Self.unfit.contains(type) || type.hasPrefix("nfs") || type.hasPrefix("fuse")
        return Finding(
            "file-system", directory, isUnfit ? .warn : .ok, type,
            advice: "it may lose what it was asked to keep, or is not made for this: use a local"
                + " ext4 or XFS")
    }

    private static let unfit: Set<String> = [
        "tmpfs", "ramfs", "overlay", "cifs", "smb3", "9p", "vfat",
    ]

    private func descriptors() -> Finding {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let most = Double(limit.rlim_cur)
        return Finding(
            "descriptors", "this shell", most < Self.descriptorsMin ? .warn : .ok,
            "\(Figures.count(most)) files may be open",
            advice: "a server started from here may have few clients: raise `ulimit -n`, or"
                + " LimitNOFILE of its unit")
    }
}

/// Which file systems are where. Source: proc(5), mountinfo.
private enum MountTable {
    /// Of the file system that a folder is on; nil where nothing says it.
    static func type(of path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return type(of: String(cString: real), in: text("/proc/self/mountinfo"))
    }

    /// The last of those with the longest mount point is what is seen.
    private static func type(of path: String, in table: String) -> String? {
        var found: (length: Int, type: String)?
        for line in table.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash >= 5, dash + 1 < fields.count
            else { continue }
            let point = fields[4].replacing("\\040", with: " ")
            let isAbove = point == "/" || path == point || path.hasPrefix(point + "/")
            if isAbove, point.count >= found?.length ?? 0 {
                found = (point.count, String(fields[dash + 1]))
            }
        }
        return found?.type
    }

    private static func text(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk[..<count]
        }
    }
}
