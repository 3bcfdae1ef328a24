package import Monitoring

/// Which handler answers which method, by full path (`/etcdserverpb.KV/Put`).
package struct RPCRoutes {
    package final class Route {
        let path: [UInt8]
        package let pathText: String
        let unary: ((ServerCall, [UInt8]) -> Void)?
        let stream: ((ServerCall) -> any ServerStream)?
        package let meter: MethodMeter

        init(
            _ path: String, unary: ((ServerCall, [UInt8]) -> Void)? = nil,
            stream: ((ServerCall) -> any ServerStream)? = nil
        ) {
            self.path = Array(path.utf8)
            pathText = path
            self.unary = unary
            self.stream = stream
            meter = MethodMeter(path: path, isUnary: stream == nil)
        }
    }

    private(set) var routes: [Route] = []

    /// The paths of all methods, in the order in which they were added.
    package var paths: [String] { routes.map(\.pathText) }

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

    package mutating func add(_ others: RPCRoutes) {
        for route in others.routes { insert(route) }
    }

    /// Stands before the handlers of one method.
    package struct Guard {
        /// Whether every call passes just now: then nothing else is asked.
        let isOpen: () -> Bool
        /// Calls the closure, now or later, to let a call pass, or ends the call.
        let admit: (ServerCall, @escaping () -> Void) -> Void

        package init(
            isOpen: @escaping () -> Bool,
            admit: @escaping (ServerCall, @escaping () -> Void) -> Void
        ) {
            self.isOpen = isOpen
            self.admit = admit
        }
    }

    /// The same methods behind a guard each. No message reaches a stream before its call passed.
    package func guarded(by guardOf: (String) -> Guard) -> RPCRoutes {
        var all = RPCRoutes()
        for route in routes {
            let gate = guardOf(route.pathText)
            if let handler = route.unary {
                all.unary(route.pathText) { call, body in
                    if gate.isOpen() { return handler(call, body) }
                    gate.admit(call) { handler(call, body) }
                }
            } else if let make = route.stream {
                all.stream(route.pathText) { call in
                    if gate.isOpen() { return make(call) }
                    var hasPassed = false
                    var isWaiting = false
                    gate.admit(call) {
                        hasPassed = true
                        if isWaiting { call.resumeReading() }
                    }
                    if !hasPassed, call.isOpen {
                        isWaiting = true
                        call.pauseReading()
                    }
                    return call.isOpen ? make(call) : RefusedStream()
                }
            }
        }
        return all
    }

    /// A stream of a call that is over.
    private final class RefusedStream: ServerStream {
        func received(_ message: [UInt8]) {}
        func halfClosed() {}
        func closed(cancelled: Bool) {}
        func writable() {}
    }

    private mutating func insert(_ route: Route) {
        routes.removeAll { $0.path == route.path }
        routes.append(route)
    }
}
