import Primitives
import RPC
import Testing

@Suite("Compressed messages (RFC 1951, RFC 1952)")
struct GzipTests {
    /// Made by zlib 1.2.13: what is compressed, level, and the file.
    private static let fixedBlock: [UInt8] = hex(
        "1f8b0800000000000203cb4e4dcd29cecf53c8c64203005a7b63111c000000")
    private static let dynamicBlock: [UInt8] = hex(
        """
        1f8b080000000000020355d74b0ee4360c04d02b5924c50f821c268b594db60930b70f46c552a8a5
        d06ebb2c914ff2cf1fbfbe3ffffdebef7f7e7c7ffcfcf1ab5661b47e8f521323fb3d8a1d18d5ef91
        87f795fe7bb86b6328fb0c9761a8e75753ed1b9dffea160cfddc58626198e7a9ab3a919ed1d78904
        d732519cb8d691424e5eef4c6714d991f4dc36be8ee4e757978e54086c1d49cf53cd3b529c69d1ec
        48ebfc57aa33ed73b1ac0e55e7659776283b897767aa93a2a243d9f96b5687aa736dae0eb5cf6343
        3b549ec4bb3339124767923315969d29cfc5f675a67d6eacd299042f601d2acf7a2cef508e65e7da
        9de774a285f8c2448e2b19e90cc33b9221707424159448475a8912e9485d219c26458574a2dca890
        8e14c85b1d2aceaf6b75a8c07fd71cd5fee6b5e935ef1499f339f1c54ce1e223e2b63df39bdb7c3b
        4d9defae9fcc99115973de967d735677cd09afc867352ae65ae5f2b992a17baeb36f9b55b0439f1a
        299915646b8df252fd66ed89d5accce5f9d46dcca2f659ef257b76439acd5e09d7d9499e32fbccbf
        35bb70cb377bd4b46607ebced9df12319a7f954f19d6dad30db5694a6d1de064c8d4286a4dab627d
        5332979ace6dcba9a0794c23357d00aadf1eb88ad88077990e945dc64f956bfcadbe6fdc32afde68
        477dd238fdeeac041c6f62041cef69041cb3a03aa748e837e66fd1ef46f99b335f63514a9e154bea
        8df50cea8dd5f6cb377a917ca352b63c7564e41b55a6e41b3528e41b15bac837aa77ada7b4a97775
        6df8ec8a24df89dab0d94fb19e6ef3ab377a917ca353edf2dd7cd4ec72fd1e03847c438845bec107
        f5862d45be214f7d8f4b49c0a156107098e604bc2ba4a686568f9546bf21a91270382b041c0aaf0b
        38507efd9679a3a2df784cd2ef6a3f6a24f47cb61427dfbde1906fbcbad16f4c8cd2efec1a79363a
        a1df3de3f41beb41beb15845bfb19419cfd61bd76fd4ccf5bb8b643f9bfaf51b35f21c07947ca334
        957ca36e857e7755d36fd4bc3f4794a2df6897fa7c36535270b45a50f06e447f0f4e141c4dbcafe0
        98280a8e2227e0a041f673985b1770749ecf53e09e1a15fd8655b99fd365107038e704bc1524e07d
        6e25e040d0e681572fdf28101f260bf5c664536fb4b68e5bd6d51bdb613e69927e236b10f0de5d08
        38de731370cc82c59c21bd07f02e0e9b732bf4bbb7c30b389e3a97ace83716b478fec672e7251ced
        780fe0d8a9fc29a44dc251669b84a3088d84a3429584a37ec59fea5e24bc59aed918043c511c313b
        2af7d36f7101871814bc8f4f5770e4bf82a33af6838052701021149c80e473e2a3e0c0c71e998a82
        c3ada4e0502d29384a8480f711d51e2d370187a546c101ad52701e94630ee5157c5dc1d155369f53
        141c298a84a3c6f5d9548282e3ed9c82e3dd3709c7c46c129e5d23cf4ea724bca79c8463411609ef
        af1a12dedf3ccff65b9770ccf125bcab24670df9251c45f21c09360547651a05e769429faa26e1a8
        7959ebfd72fc66bf507034539170b45a927034627ecfe12948787fec5ec2f1bd41c27176ba67700c
        bfe734a757702426e1cd723e67e5985c553d07cca2e1da456213c2a0e160d26978e1fb689e79f715
        1c1552836525e06d488cffade7f8bd2ee0d8fe9f3445c23b2b0def0d26ffff24f80f7d99b2d64011
        0000
        """)

    private static func hex(_ text: String) -> [UInt8] {
        let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        return stride(from: 0, to: digits.count - 1, by: 2).map {
            UInt8(digits[$0] << 4 | digits[$0 + 1])
        }
    }

    private static let dynamicText: [UInt8] = Array(
        (0..<300).map { "key\($0 * 7919 % 1000)=value\($0 * $0 % 97);" }.joined().utf8)

    @Test("a block with fixed codes is read")
    func fixed() throws {
        let text = try Gzip.decompress(Self.fixedBlock, byteCountMax: 1000)
        #expect(text == Array("keelson keelson keelson keel".utf8))
    }

    @Test("a block with codes of its own is read")
    func dynamic() throws {
        let text = try Gzip.decompress(Self.dynamicBlock, byteCountMax: 10_000)
        #expect(text == Self.dynamicText)
    }

    @Test("a stored block is read")
    func stored() throws {
        let body = Array("stored as it is".utf8)
        let count = UInt8(body.count)
        var file: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255, 1, count, 0, ~count, 255] + body
        withUnsafeBytes(of: CRC32.checksum(body).littleEndian) { file.append(contentsOf: $0) }
        withUnsafeBytes(of: UInt32(body.count).littleEndian) { file.append(contentsOf: $0) }
        #expect(try Gzip.decompress(file, byteCountMax: 100) == body)
    }

    @Test("the checksum is CRC-32 with its published check value")
    func checksum() { #expect(CRC32.checksum(Array("123456789".utf8)) == 0xCBF4_3926) }

    @Test("A23 output over the limit is refused while it is made")
    func bomb() {
        let limit = Self.dynamicText.count - 1
        #expect(throws: Gzip.Failure.tooLarge) {
            try Gzip.decompress(Self.dynamicBlock, byteCountMax: limit)
        }
    }

    @Test("a truncated file is an error")
    func truncated() {
        for count in stride(from: 0, to: Self.dynamicBlock.count, by: 13) {
            #expect(throws: Gzip.Failure.self) {
                try Gzip.decompress(Array(Self.dynamicBlock.prefix(count)), byteCountMax: 10_000)
            }
        }
    }

    @Test("no altered byte traps or goes unnoticed", arguments: [1, 2, 3] as [UInt64])
    func altered(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<200 {
            var file = Self.dynamicBlock
            // The first ten bytes hold a time and hints that nobody checks.
            let place = 10 + Int(random.next(below: UInt64(file.count - 10)))
            file[place] ^= UInt8(1 + random.next(below: 255))
            let text = try? Gzip.decompress(file, byteCountMax: 10_000)
            #expect(text == nil || text == Self.dynamicText)
        }
    }

    @Test("random bytes behind a right head never trap", arguments: [4, 5] as [UInt64])
    func noise(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<500 {
            let count = Int(random.next(below: 200))
            let noise = (0..<count).map { _ in UInt8(random.next(below: 256)) }
            let file: [UInt8] = [0x1F, 0x8B, 8, UInt8(random.next(below: 32)), 0, 0, 0, 0, 0, 0]
            #expect((try? Gzip.decompress(file + noise, byteCountMax: 5000)) == nil)
        }
    }

    @Test("a call takes compressed requests")
    func call() async throws {
        let server = try await TestServer.start()
        let peer = try await RawPeer.connect(server)
        let block = RawPeer.block(extra: [("grpc-encoding", "gzip")])
        peer.send(RawPeer.opening + RawPeer.headers(1, block))
        peer.send(RawPeer.data(1, RawPeer.prefixed(Self.fixedBlock, flags: 1), endStream: true))
        let answer = try await peer.waitForFrame(0)
        #expect(answer?.payload == RawPeer.prefixed(Array("keelson keelson keelson keel".utf8)))
        try await server.stop()
    }

    @Test("A23 an encoding that is not known is unimplemented")
    func unknownEncoding() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let result = try await client.unary("Echo", [1], metadata: [("grpc-encoding", "snappy")])
        let text = "grpc: Decompressor is not installed for grpc-encoding \"snappy\""
        #expect(result == .failure(RPCStatus(.unimplemented, text)))
        try await server.stop()
    }
}
