internal import ControlPlane
internal import KeelsonClient
internal import NIOEmbedded
internal import Primitives
internal import RPC
internal import Simulation
internal import StateMachine

extension FuzzTarget {
    /// Methods that work on another thread, which an embedded event loop does not bear; their
    /// messages are read by ``gatewayJSON``.
    private static let elsewhere = [
        "/etcdserverpb.Auth/Authenticate", "/etcdserverpb.Auth/UserAdd",
        "/etcdserverpb.Auth/UserChangePassword", "/etcdserverpb.Maintenance/Snapshot",
        "/etcdserverpb.Maintenance/Hash",
    ]

    /// Every service of a node with a small store, behind one connection. Each piece is a message
    /// of a method, whose number stands before it; odd bits say that the call stays open.
    static let services = FuzzTarget("services") { bytes in
        let channel = EmbeddedChannel()
        let node = FuzzNode(eventLoop: channel.eventLoop, store: smallStore())
        let services = EtcdServices(node: node)
        let (routes, paths) = routes(services)
        let server = RPCServer(eventLoop: channel.eventLoop, routes: routes)
        guard (try? server.serve(channel)) != nil else { return }
        activate(channel)
        typealias Frames = HTTP2Frames
        feed(channel, Frames.preface + Frames.settings, pieceBytes: .max)
        var input = FuzzInput(bytes)
        var stream: UInt32 = 1
        while !input.isEmpty, stream < 64 {
            let path = paths[Int(input.byte()) % paths.count]
            let staysOpen = input.byte() & 1 == 1
            var frames = Frames.request(stream, path)
            repeat {
                let message = Frames.message(Array(input.piece().prefix(8_000)))
                frames += Frames.data(stream, message, endsStream: !staysOpen)
            } while staysOpen && !input.isEmpty && input.byte() & 1 == 1
            feed(channel, frames, pieceBytes: .max)
            stream += 2
        }
        node.store.checkInvariants()
        services.stopping()
        _ = try? channel.finish(acceptAlreadyClosed: true)
    } seeds: {
        let loop = EmbeddedEventLoop()
        let services = EtcdServices(node: FuzzNode(eventLoop: loop, store: smallStore()))
        let put = pair(1, "a") + pair(2, "value")
        let range = pair(1, "a") + pair(2, "\0")
        let bodies: [String: [UInt8]] = [
            "KV/Put": put, "KV/Range": range, "KV/DeleteRange": range,
            "KV/Txn": field(2, field(2, put)),
            "KV/Compact": [0x08, 3], "Watch/Watch": field(1, range),
            "Lease/LeaseGrant": [0x08, 60, 0x10, 1], "Lease/LeaseKeepAlive": [0x08, 1],
            "Lock/Lock": pair(1, "lock") + [0x10, 1], "Lock/Unlock": pair(1, "lock"),
            "Election/Campaign": pair(1, "e") + [0x10, 1] + pair(3, "v"),
            "Election/Leader": pair(1, "e"), "Election/Observe": pair(1, "e"),
            "Auth/RoleAdd": pair(1, "r"),
            "Auth/RoleGrantPermission": pair(1, "r") + field(2, range),
            "Cluster/MemberAdd": pair(1, "http://b:2380"), "Cluster/MemberList": [],
            "Maintenance/Alarm": [0x08, 1, 0x10, 2, 0x18, 1], "Health/Check": [],
        ]
        return routes(services).paths.enumerated().map { number, path in
            let body = bodies.first { path.hasSuffix($0.key) }?.value ?? pair(1, "a")
            return [UInt8(number), path.hasSuffix("Watch") ? 1 : 0] + body.asPiece
        }
    }

    private static func routes(_ services: EtcdServices) -> (routes: RPCRoutes, paths: [String]) {
        var routes = RPCRoutes()
        services.register(in: &routes)
        return (routes, routes.paths.filter { !elsewhere.contains($0) }.sorted())
    }

    /// Requests as JSON, and answers as protobuf that become JSON: the messages of every method.
    static let gatewayJSON = FuzzTarget("gateway-json") { bytes in
        var input = FuzzInput(bytes)
        let names = GatewayMethods.all.keys.sorted()
        let method = GatewayMethods.all[names[Int(input.byte()) % names.count]]
        let body = input.takeAll()
        _ = JSONObjects.split(body)
        _ = try? method?.decode(body)
        _ = try? method?.encode(body)
    } seeds: {
        let texts = [
            #"{"key":"YQ==","value":"Yg==","lease":"7"}"#,
            #"{"key":"YQ==","range_end":"AA==","limit":"3","sort_order":"DESCEND"}"#,
            #"{"compare":[{"key":"YQ==","target":"VALUE","value":"Yg=="}],"#
                + #""success":[{"requestPut":{"key":"YQ=="}}]}"#,
            #"{"create_request":{"key":"YQ==","start_revision":"3"}}"#, "{}", "",
            #"{"name":"u","password":"p","options":{"no_password":true}}"#,
        ]
        return GatewayMethods.all.keys.sorted().indices.map { number in
            [UInt8(number)] + Array(texts[number % texts.count].utf8)
        }
    }

    /// Files of revoked certificates, in PEM or DER, and the CAs that may have signed them.
    static let certificates = FuzzTarget("certificates") { bytes in
        var input = FuzzInput(bytes)
        let roots = input.byte() & 1 == 1 ? FuzzCertificates.authority : input.piece()
        _ = RevocationList.accepts(input.takeAll(), roots: roots)
    } seeds: {
        let der = FuzzCertificates.revocations
        return [
            [1] + der, [1] + Array("-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n".utf8),
            [0] + FuzzCertificates.authority.asPiece + der,
        ]
    }

    /// Addresses as operators and clients write them.
    static let addresses = FuzzTarget("addresses") { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        if let urls = try? ServiceURL.list(text, flag: "--flag") {
            for url in urls { _ = try? ServiceURL("\(url)", flag: "--flag") }
        }
        _ = try? TraceTarget(text)
        _ = try? Endpoint(text)
        _ = try? Endpoint(text, usingTLS: true)
    } seeds: {
        [
            "http://127.0.0.1:2379", "https://[::1]:2379/,http://a:1", "a:2379", "[::1]:1", "a",
            "http://a.b.c:65536", "unix://x",
        ].map { Array($0.utf8) }
    }

    /// What operators give a server, each value in a piece. What is accepted is accepted again.
    static let settings = FuzzTarget("settings") { bytes in
        var input = FuzzInput(bytes)
        func text() -> String { String(decoding: input.piece(), as: UTF8.self) }
        let kind = input.byte()
        var made = ServerConfiguration()
        made.dataDirectory = "d"
        made.name = text()
        made.initialClusterToken = text()
        guard (try? made.setInitialCluster(text())) != nil else { return }
        made.initialAdvertisePeerURLs =
            made.ownMember?.peerURLs ?? made.initialAdvertisePeerURLs
        made.autoCompactionMode = kind & 1 == 1 ? "revision" : "periodic"
        made.autoCompactionRetention = text()
        made.authToken = text()
        made.tlsMinimumVersion = kind & 2 == 2 ? text() : "TLS1.3"
        made.heartbeatMilliseconds = input.number()
        made.electionMilliseconds = input.number()
        made.snapshotCount = input.number()
        made.quotaBytes = Int64(input.number()) - 100
        made.maxTxnOps = input.number()
        made.clientTLS.isAutomatic = kind & 4 == 4
        guard (try? made.validate()) != nil else { return }
        invariant(made.ownMember != nil, "a server that may start is one of its cluster")
        invariant((try? made.validate()) != nil, "what was accepted is accepted again")
    } seeds: {
        let cluster = "n1=http://127.0.0.1:2380,n2=http://127.0.0.1:2390"
        let signed = "jwt,pub-key=a,priv-key=b,sign-method=ES256,ttl=1h30m"
        let numbers: [UInt8] = [100, 0, 0xE8, 3, 0, 4, 200, 0, 128, 0]
        let given: [(kind: UInt8, words: [String])] = [
            (0, [cluster, "30m", "simple"]), (1, [cluster, "1000", signed]),
            (2, [cluster, "0", "simple", "TLS1.2"]), (4, [cluster, "1", "jwt,sign-method=HS256"]),
        ]
        return given.map { one in
            var seed: [UInt8] = [one.kind]
            for word in ["n1", "token"] + one.words { seed += Array(word.utf8).asPiece }
            return seed + numbers
        }
    }

    /// Histories that other tools wrote.
    static let history = FuzzTarget("history") { bytes in
        let (history, _) = HistoryLines.decodeAll(bytes)
        let (_, problems) = HistoryLines.decodeAll(HistoryLines.encode(history))
        invariant(problems.isEmpty, "what was written is read: \(problems)")
    } seeds: {
        let put =
            #"{"type":"operation","id":7,"client":2,"start":1200,"end":4100,"request":"#
            + #"{"op":"put","key":"a","value":"1"},"outcome":"ok","revision":9,"#
            + #""answer":{"op":"put"}}"#
        let renewal =
            #"{"type":"operation","id":1,"client":2,"start":"3","end":4,"request":"#
            + #"{"op":"leaseKeepAlive","lease":7},"outcome":"failed","error":"x\u0041"}"#
        let watch = #"{"type":"watch","id":1,"client":3,"start":1,"key":"a"}"#
        let event =
            #"{"type":"response","watch":1,"time":5,"revision":2,"events":[{"put":"#
            + #"{"key":"a","value":{"base64":"AA=="},"create":2,"mod":2,"version":1}}]}"#
        return [put, renewal, watch + "\n" + event].map { Array($0.utf8) }
    }
}
