/// Which handler answers which method, by full path (`/etcdserverpb.KV/Put`).
package struct RPCRoutes {
    package final class Route {
        let path: [UInt8]
        package let pathText: String
        let unary: ((ServerCall, [UInt8]) -> Void)?
        let stream: ((ServerCall) -> any ServerStream)?

        init(
            _ path: String, unary: ((ServerCall, [UInt8]) -> Void)? = nil,
            stream: ((ServerCall) -> any ServerStream)? = nil
        ) {
            self.path = Array(path.utf8)
            pathText = path
            self.unary = unary
            self.stream = stream
        }
    }

    private(set) var routes: [Route] = []

    package init() {}

    /// A call with one request message. The handler gets it when the client has half-closed, and
    /// answers now or later with `respond` or `finish`. A path that is there already is replaced.
    package mutating func unary(
        _ path: String, _ handler: @escaping (ServerCall, [UInt8]) -> Void
    ) {
        insert(Route(path, unary: handler))
    }

    /// Any other kind of call. `make` is called when its headers are there.
    package mutating func stream(
        _ path: String, _ make: @escaping (ServerCall) -> any ServerStream
    ) {
        insert(Route(path, stream: make))
    }

    private mutating func insert(_ route: Route) {
        routes.removeAll { $0.path == route.path }
        routes.append(route)
    }
}
