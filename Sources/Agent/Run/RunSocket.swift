internal import AgentLogic
internal import Glibc

/// The Unix socket of a run. A socket's address has room for 107 bytes and a run's path is longer,
/// so that the directory is named by an open descriptor.
enum RunSocket {
    private static let name = "socket"

    /// A listening socket in a run's directory. Made by the agent before it starts the supervisor,
    /// which inherits it: there is no moment at which one cannot connect.
    static func listen(in files: String) throws(AgentError) -> Int32 {
        unlink(files + "/" + name)
        let socket = try open(files)
        do throws(AgentError) {
            try withAddress(files) { (address, length) throws(AgentError) in
                try SystemCall.check("bind", files) { bind(socket, address, length) }
            }
            try SystemCall.check("listen", files) { Glibc.listen(socket, 16) }
        } catch {
            close(socket)
            throw error
        }
        return socket
    }

    /// A connection that does not block.
    /// - Throws: ``AgentError/io(operation:path:errno:)`` with ECONNREFUSED or ENOENT where nobody
    ///   listens.
    static func connect(to files: String) throws(AgentError) -> Int32 {
        let socket = try open(files)
        do throws(AgentError) {
            try withAddress(files) { (address, length) throws(AgentError) in
                try SystemCall.check("connect", files) { Glibc.connect(socket, address, length) }
            }
            try setNonBlocking(socket)
        } catch {
            close(socket)
            throw error
        }
        return socket
    }

    static func remove(in files: String) { unlink(files + "/" + name) }

    static func setNonBlocking(_ descriptor: Int32) throws(AgentError) {
        let flags = fcntl(descriptor, F_GETFL)
        try SystemCall.check("set", "descriptor \(descriptor)") {
            fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
        }
    }

    private static func open(_ files: String) throws(AgentError) -> Int32 {
        try SystemCall.check("socket", files) {
            socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        }
    }

    private static func withAddress(
        _ files: String,
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws(AgentError) -> Void
    ) throws(AgentError) {
        let directory = try SystemCall.open(files, O_RDONLY | O_DIRECTORY)
        defer { close(directory) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array("/proc/self/fd/\(directory)/\(name)".utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        var thrown: AgentError?
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                do throws(AgentError) { try body(generic, length) } catch { thrown = error }
            }
        }
        if let thrown { throw thrown }
    }
}
