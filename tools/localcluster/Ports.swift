import Glibc
import Synchronization

/// Free ports on the loopback.
///
/// They lie below the range from which the system gives ports to outgoing connections: a server
/// that is down for a moment must find its port free when it comes back.
package enum Ports {
    private static let range = 20_000..<32_000
    private static let next = Mutex<Int>(range.lowerBound + Int(getpid()) * 37 % range.count)

    /// `count` ports that nothing listens on and that no earlier call of this process returned.
    package static func free(_ count: Int) throws(LocalClusterError) -> [Int] {
        let found = next.withLock { candidate -> [Int] in
            var ports: [Int] = []
            for _ in range where ports.count < count {
                if isFree(candidate) { ports.append(candidate) }
                candidate = candidate + 1 < range.upperBound ? candidate + 1 : range.lowerBound
            }
            return ports
        }
        guard found.count == count else { throw .noFreePorts(wanted: count) }
        return found
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
