import Foundation
import Glibc
import Synchronization

/// A port of this machine that leads to another one, and that cuts its first connections off after
/// so many bytes each on the way back.
///
/// Each connection has two threads of its own, which end with it.
final class CuttingProxy: Sendable {
    let port: Int
    private let listener: Int32
    private let target: Int
    private let state: Mutex<(cuts: [Int], connections: Int)>

    /// How many connections there were.
    var connectionCount: Int { state.withLock { $0.connections } }

    /// - Parameter cuts: after how many bytes, the first connection's first.
    init?(on port: Int, to target: Int, cuts: [Int]) {
        self.port = port
        self.target = target
        state = Mutex((cuts, 0))
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard listener >= 0 else { return nil }
        var yes: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard Self.with(port, { bind(listener, $0, $1) == 0 }), listen(listener, 16) == 0 else {
            close(listener)
            return nil
        }
        let descriptor = listener
        Thread.detachNewThread { [weak self] in
            while true {
                let client = accept(descriptor, nil, nil)
                guard client >= 0 else { return }
                guard let self else {
                    close(client)
                    return
                }
                self.serve(client)
            }
        }
    }

    /// Wakes the thread that accepts, which ends.
    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private static func with(
        _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Bool
    ) -> Bool {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private func serve(_ client: Int32) {
        let limit = state.withLock { state in
            state.connections += 1
            return state.cuts.isEmpty ? Int.max : state.cuts.removeFirst()
        }
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard server >= 0, Self.with(target, { connect(server, $0, $1) == 0 }) else {
            close(server)
            close(client)
            return
        }
        // The numbers are free for others once neither thread uses them.
        let ends = Ends([client, server])
        Thread.detachNewThread {
            withExtendedLifetime(ends) { Self.pump(from: client, to: server, limit: .max) }
        }
        Thread.detachNewThread {
            withExtendedLifetime(ends) { Self.pump(from: server, to: client, limit: limit) }
        }
    }

    /// Sockets that close when nobody has them any more.
    private final class Ends: Sendable {
        private let descriptors: [Int32]
        init(_ descriptors: [Int32]) { self.descriptors = descriptors }
        deinit { for descriptor in descriptors { close(descriptor) } }
    }

    /// Ends both ways once either side does, or `limit` bytes went over.
    private static func pump(from source: Int32, to target: Int32, limit: Int) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var left = limit
        while left > 0 {
            let count = recv(source, &buffer, min(left, buffer.count), 0)
            if count <= 0 { break }
            left -= count
            var offset = 0
            while offset < count {
                let sent = buffer[offset..<count].withUnsafeBytes {
                    send(target, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if sent <= 0 { break }
                offset += sent
            }
            if offset < count { break }
        }
        shutdown(source, Int32(SHUT_RDWR))
        shutdown(target, Int32(SHUT_RDWR))
    }
}
