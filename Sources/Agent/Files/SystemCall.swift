internal import AgentLogic
internal import Glibc

/// What this room asks of the operating system, with errors as values.
enum SystemCall {
    /// Repeats a call that a signal interrupted.
    /// - Throws: ``AgentError/io(operation:path:errno:)``.
    @discardableResult
    static func check(
        _ operation: String, _ path: String, _ body: () -> Int32
    ) throws(AgentError) -> Int32 {
        while true {
            let result = body()
            if result >= 0 { return result }
            if errno != EINTR { throw .io(operation: operation, path: path, errno: errno) }
        }
    }

    static func open(
        _ path: String, _ flags: Int32, mode: mode_t = 0o600
    ) throws(AgentError) -> Int32 {
        try check("open", path) { Glibc.open(path, flags | O_CLOEXEC, mode) }
    }

    /// Everything that can be read, up to `limit` bytes.
    /// - Throws: ``AgentError/limit(what:value:max:)`` where there is more.
    static func readAll(
        _ descriptor: Int32, _ path: String, limit: Int
    ) throws(AgentError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw .io(operation: "read", path: path, errno: errno)
            }
            bytes.append(contentsOf: buffer[0..<count])
            if bytes.count > limit {
                throw .limit(
                    what: "bytes of \(path)", value: UInt64(bytes.count), max: UInt64(limit))
            }
        }
    }

    static func readFile(_ path: String, limit: Int) throws(AgentError) -> [UInt8] {
        let descriptor = try open(path, O_RDONLY)
        defer { close(descriptor) }
        return try readAll(descriptor, path, limit: limit)
    }

    static func writeAll(
        _ descriptor: Int32, _ path: String, _ bytes: [UInt8]
    ) throws(AgentError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw .io(operation: "write", path: path, errno: errno)
            }
            written += count
        }
    }

    /// The names in a directory, sorted; none when it is missing.
    static func names(in directory: String) throws(AgentError) -> [String] {
        guard let stream = opendir(directory) else {
            if errno == ENOENT { return [] }
            throw .io(operation: "list", path: directory, errno: errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        if errno != 0 { throw .io(operation: "list", path: directory, errno: errno) }
        return names.sorted()
    }
}

/// The machine's clocks, in milliseconds.
package enum MachineClock {
    /// Since 1970; it may jump.
    package static var wallMillis: UInt64 { millis(CLOCK_REALTIME) }
    /// Never goes back, and starts anywhere.
    package static var steadyMillis: UInt64 { millis(CLOCK_MONOTONIC) }

    private static func millis(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        guard time.tv_sec >= 0 else { return 0 }
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }
}
