import NIOCore
import Primitives
import RPC
import Testing

@Suite("Random bytes on a live port (RELIABILITY §5, A21 to A25)")
struct NoiseTests {
    /// A conversation that a well-behaved client would hold.
    private static func conversation(_ random: inout SplitMix64) -> [UInt8] {
        let methods = ["Echo", "EchoStream", "Never", "Fail", "Missing"]
        var bytes = RawPeer.opening
        for number in 0..<20 {
            let method = methods[Int(random.next(below: UInt64(methods.count)))]
            let streamID = 2 * number + 1
            let body = [UInt8](repeating: 1, count: Int(random.next(below: 300)))
            bytes += RawPeer.headers(streamID, RawPeer.block("/test.Service/\(method)"))
            bytes += RawPeer.data(streamID, RawPeer.prefixed(body), endStream: number % 4 != 0)
            switch random.next(below: 8) {
            case 0: bytes += RawPeer.frame(3, 0, streamID, [0, 0, 0, 8])
            case 1: bytes += RawPeer.frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8])
            case 2: bytes += RawPeer.frame(8, 0, streamID, [0, 0, 1, 0])
            case 3: bytes += RawPeer.frame(4, 0, 0, [0, 4, 0, 0, 0, 9])
            default: break
            }
        }
        return bytes
    }

    @Test("altered conversations never stop the server", arguments: 1...8 as ClosedRange<UInt64>)
    func altered(seed: UInt64) async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        var random = SplitMix64(seed: seed)
        for _ in 0..<25 {
            var bytes = Self.conversation(&random)
            for _ in 0..<(1 + random.next(below: 12)) {
                let place = 24 + Int(random.next(below: UInt64(bytes.count - 24)))
                bytes[place] = UInt8(random.next(below: 256))
            }
            let peer = try await RawPeer.connect(server)
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + 1 + Int(random.next(below: 4000)))
                peer.send(Array(bytes[start..<end]))
                start = end
            }
            #expect(try await client.unary("Echo", [5]) == .success([5]))
            peer.close()
        }
        try await server.waitForConnectionCount(1)
        #expect(try await client.unary("Echo", [5]) == .success([5]))
        try await server.stop()
    }
}
