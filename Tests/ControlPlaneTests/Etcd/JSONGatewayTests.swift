import API
import ControlPlane
import Foundation
import NIOCore
import NIOPosix
import Primitives
import RPC
import Testing

/// A connection on which requests are written as text, and what comes is read as text.
private final class TextConnection: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer

    private var channel: (any Channel)?
    private var text = ""
    private(set) var isClosed = false

    static func open(_ etcd: EtcdHarness) async throws -> TextConnection {
        let connection = TextConnection()
        connection.channel = try await ClientBootstrap(group: etcd.eventLoop)
            .channelInitializer { $0.pipeline.addHandler(connection) }
            .connect(host: "127.0.0.1", port: etcd.port).get()
        return connection
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        text += String(buffer: unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) { isClosed = true }

    func post(_ path: String, _ body: String, headers: String = "") async throws {
        let request =
            "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n"
            + "\(headers)\r\n\(body)"
        let channel = try #require(self.channel)
        try await channel.writeAndFlush(ByteBuffer(string: request))
    }

    /// Everything that came, once `part` is in it.
    func text(with part: String, _ etcd: EtcdHarness) async throws -> String {
        for _ in 0..<100_000 {
            let found = try await etcd.onLoop { _ in self.text }
            if found.contains(part) { return found }
            await Task.yield()
        }
        Issue.record("\(part) did not come, but: \(text)")
        return text
    }

    func close() async throws { try await channel?.close() }
}

@Suite("JSON gateway (ETCD §1, HTTP/JSON; RELIABILITY A38)")
struct JSONGatewayTests {
    @Test("requests follow one another on a connection; the same store answers as over gRPC")
    func requests() async throws {
        try await EtcdHarness.run { etcd in
            try await etcd.put("a", "1")
            let http = try await TextConnection.open(etcd)
            try await http.post("/v3/kv/put", #"{"key":"Yg==","value":"Mg=="}"#)
            _ = try await http.text(with: #""revision":"3""#, etcd)
            try await http.post("/v3/kv/range", #"{"key":"YQ==","range_end":"Yw=="}"#)
            let text = try await http.text(with: #""count":"2""#, etcd)
            #expect(text.contains("HTTP/1.1 200 OK"))
            #expect(text.contains(#"{"key":"YQ==","create_revision":"2","mod_revision":"2","#))
            #expect(try await etcd.range("b").kvs.first?.value == Data("2".utf8))
        }
    }

    @Test("A38 a page of a browser is refused, whatever it asks")
    func browsers() async throws {
        try await EtcdHarness.run { etcd in
            let http = try await TextConnection.open(etcd)
            try await http.post(
                "/v3/kv/put", #"{"key":"YQ=="}"#, headers: "Origin: http://x\r\n")
            let text = try await http.text(with: "requests of web pages are refused", etcd)
            #expect(text.hasPrefix("HTTP/1.1 403"))
            #expect(try await etcd.range("a").kvs.isEmpty)
        }
    }

    @Test("a watch tells line by line, and ends with its connection")
    func watches() async throws {
        try await EtcdHarness.run { etcd in
            let http = try await TextConnection.open(etcd)
            try await http.post("/v3/watch", #"{"create_request":{"key":"YQ=="}}"#)
            _ = try await http.text(with: #""created":true"#, etcd)
            try await etcd.put("a", "1")
            try await etcd.put("a", "2")
            let text = try await http.text(with: #""value":"Mg==""#, etcd)
            #expect(text.contains(#"{"result":{"header":"#) && text.contains("chunked"))
            #expect(try await etcd.openWatchStreams() == 1)
            try await http.close()
            while try await etcd.openWatchStreams() > 0 { await Task.yield() }
        }
    }

    @Test("who waits for a lock and goes gives its place up")
    func waiting() async throws {
        try await EtcdHarness.run { etcd in
            let owner = try await TextConnection.open(etcd)
            try await owner.post("/v3/lock/lock", #"{"name":"bQ=="}"#)
            _ = try await owner.text(with: #""key":"#, etcd)
            let waiter = try await TextConnection.open(etcd)
            try await waiter.post("/v3/lock/lock", #"{"name":"bQ=="}"#)
            while try await etcd.queueWaiters() == 0 { await Task.yield() }
            try await waiter.close()
            while try await etcd.queueWaiters() > 0 { await Task.yield() }
            #expect(try await etcd.range("m/", end: "m0").kvs.count == 1)
        }
    }

    @Test("a client that does not read holds up the watch, not the server's memory")
    func slowReader() async throws {
        try await EtcdHarness.run { etcd in
            let http = try await TextConnection.open(etcd)
            try await http.post("/v3/watch", #"{"create_request":{"key":"YQ=="}}"#)
            _ = try await http.text(with: #""created":true"#, etcd)
            try await http.pause()
            let value = String(repeating: "x", count: 200_000)
            for _ in 0..<150 { try await etcd.put("a", value) }
            while try await etcd.watchersBehind().held == 0 { await Task.yield() }
            try await http.close()
        }
    }

    @Test("no bytes trap the cutting of a body into objects")
    func bodies() async throws {
        try await EtcdHarness.run { etcd in
            for body in ["}", "{", #"{"a":"}"}"#, #"{"\\"#, "[]", "{}{}", "{}{", "x"] {
                let http = try await TextConnection.open(etcd)
                try await http.post("/v3/watch", body, headers: "Connection: close\r\n")
                if body == "{}{}" || body == #"{"a":"}"}"# {
                    try await http.close()
                } else {
                    let text = try await http.text(with: "message", etcd)
                    #expect(text.hasPrefix("HTTP/1.1 400"), "\(body): \(text)")
                }
            }
        }
    }
}

extension TextConnection {
    fileprivate func pause() async throws {
        try await channel?.setOption(.autoRead, value: false).get()
    }
}
