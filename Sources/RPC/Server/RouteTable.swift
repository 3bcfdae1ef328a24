package import Monitoring

/// A server's routes, found by the bytes of a path without making a string of them.
package final class RouteTable {
    /// What is looked at before a route is: its hash and its path, kept alive by `routes`.
    private struct Slot {
        var hash: UInt32 = 0
        var route: Unmanaged<RPCRoutes.Route>?
    }

    private let routes: [RPCRoutes.Route]
    private let services: [String]
    /// Open addressing, a power of two of slots, at most half full.
    private let slots: UnsafeMutableBufferPointer<Slot>

    package init(_ list: RPCRoutes) {
        routes = list.routes
        services = list.routes.compactMap { Self.split($0.pathText)?.service }
        var count = 16
        while count < 2 * routes.count { count *= 2 }
        slots = .allocate(capacity: count)
        slots.initialize(repeating: Slot())
        for route in routes {
            let hash = route.path.withUnsafeBytes { Self.hash($0) }
            var index = Int(hash) & (count - 1)
            while slots[index].route != nil { index = (index + 1) & (count - 1) }
            slots[index] = Slot(hash: hash, route: .passUnretained(route))
        }
    }

    deinit { slots.deallocate() }

    /// The length and the last bytes: methods differ there, and their services share the rest.
    @inline(__always)
    private static func hash(_ path: UnsafeRawBufferPointer) -> UInt32 {
        guard path.count >= 8 else { return UInt32(truncatingIfNeeded: path.count) }
        let tail = path.loadUnaligned(fromByteOffset: path.count - 8, as: UInt64.self)
        let mixed = (tail ^ UInt64(path.count)) &* 0x9E37_79B9_7F4A_7C15
        return UInt32(truncatingIfNeeded: mixed >> 32)
    }

    /// Of all methods, in the order in which they were added.
    package var meters: [MethodMeter] { routes.map(\.meter) }

    package func find(_ path: UnsafeRawBufferPointer) -> RPCRoutes.Route? {
        guard let base = path.baseAddress else { return nil }
        let hash = Self.hash(path)
        var index = Int(hash) & (slots.count - 1)
        while let route = slots[index].route {
            if slots[index].hash == hash {
                let isEqual = route._withUnsafeGuaranteedRef { route in
                    route.path.count == path.count
                        && route.path.withUnsafeBytes {
                            $0.baseAddress.map { memoryEquals($0, base, path.count) } ?? false
                        }
                }
                if isEqual { return route.takeUnretainedValue() }
            }
            index = (index + 1) & (slots.count - 1)
        }
        return nil
    }

    private static func split(_ path: String) -> (service: String, method: String)? {
        let whole = path.hasPrefix("/") ? path.dropFirst() : path[...]
        guard let slash = whole.lastIndex(of: "/") else { return nil }
        return (String(whole[..<slash]), String(whole[whole.index(after: slash)...]))
    }

    /// The refusal of a path that no route has, in grpc-go's words.
    package func refusal(ofPath bytes: [UInt8]) -> RPCStatus {
        let path = String(decoding: bytes.prefix(512), as: UTF8.self)
        guard path.hasPrefix("/"), let (service, method) = Self.split(path) else {
            return RPCStatus(.unimplemented, "malformed method name: \"\(path)\"")
        }
        if services.contains(service) {
            return RPCStatus(.unimplemented, "unknown method \(method) for service \(service)")
        }
        return RPCStatus(.unimplemented, "unknown service \(service)")
    }
}
