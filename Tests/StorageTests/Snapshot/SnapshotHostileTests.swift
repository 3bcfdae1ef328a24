import Primitives
import Storage
import Testing

@Suite("Snapshot stream from a bad source (DESIGN §4, snapshots)")
struct SnapshotHostileTests {
    private let rows = CheckpointFixture.rows(16, byteCount: 900)

    /// A reader that has accepted `chunks`.
    private func reader(
        _ chunks: some Sequence<[UInt8]>, limits: SnapshotLimits = SnapshotLimits()
    ) throws -> SnapshotReader {
        var reader = SnapshotReader(clusterID: SnapshotFixture.cluster, limits: limits)
        for chunk in chunks { _ = try reader.accept(chunk) }
        return reader
    }

    @Test("X05 a chunk with any bit changed is refused and the stream goes on with the right one")
    func everyBit() throws {
        let chunks = try SnapshotFixture.chunks(Array(rows[..<3]), chunk: 100)
        for (number, chunk) in chunks.enumerated() {
            var reader = try reader(chunks[..<number])
            let before = reader.resumePoint
            for bit in 0..<(chunk.count * 8) {
                var altered = chunk
                altered[bit / 8] ^= 1 << (bit % 8)
                #expect(SnapshotFixture.fault { _ = try reader.accept(altered) } != nil)
            }
            #expect(reader.resumePoint == before)
            #expect(reader.failure == nil)
            _ = try reader.accept(chunk)
        }
    }

    @Test("X05 a chunk that is cut anywhere, or goes on behind its end, is refused")
    func everyLength() throws {
        let chunks = try SnapshotFixture.chunks(Array(rows[..<3]), chunk: 100)
        for (number, chunk) in chunks.enumerated() {
            var reader = try reader(chunks[..<number])
            for count in 0..<chunk.count {
                #expect(
                    SnapshotFixture.fault { _ = try reader.accept(Array(chunk[..<count])) } != nil)
            }
            #expect(SnapshotFixture.fault { _ = try reader.accept(chunk + [0]) } != nil)
            _ = try reader.accept(chunk)
        }
    }

    @Test("a chunk out of turn is refused and says which one was expected")
    func outOfTurn() throws {
        let chunks = try SnapshotFixture.chunks(rows, chunk: 1_000)
        for expected in chunks.indices {
            var reader = try reader(chunks[..<expected])
            for other in chunks.indices where other != expected {
                #expect(
                    SnapshotFixture.fault { _ = try reader.accept(chunks[other]) }
                        == .wrongSequence(expected: UInt64(expected), found: UInt64(other)))
            }
        }
    }

    @Test("a chunk of another stream is refused though its own checksum holds")
    func otherStream() throws {
        let chunks = try SnapshotFixture.chunks(rows, chunk: 1_000)
        var header = SnapshotFixture.header
        header.snapshotID += 1
        let others = try SnapshotFixture.chunks(rows, header: header, chunk: 1_000)
        var reader = try reader(chunks[..<2])
        guard
            case .digestMismatch(chunk: 2, stored: _, computed: _) =
                SnapshotFixture.fault({ _ = try reader.accept(others[2]) })
        else {
            Issue.record("a foreign chunk was accepted")
            return
        }
        _ = try reader.accept(chunks[2])
    }

    @Test("nothing is accepted behind the trailer")
    func behindTrailer() throws {
        let chunks = try SnapshotFixture.chunks(rows)
        var reader = try reader(chunks)
        for chunk in chunks {
            #expect(
                SnapshotFixture.fault { _ = try reader.accept(chunk) } == .continuesBehindTrailer)
        }
    }

    @Test("A33 a stream of another cluster is refused for good")
    func otherCluster() throws {
        var header = SnapshotFixture.header
        header.clusterID = ClusterID(5)
        let chunks = try SnapshotFixture.chunks(rows, header: header)
        var reader = SnapshotReader(clusterID: SnapshotFixture.cluster)
        let expected = SnapshotFault.wrongCluster(
            expected: SnapshotFixture.cluster, found: ClusterID(5))
        #expect(SnapshotFixture.fault { _ = try reader.accept(chunks[0]) } == expected)
        #expect(reader.failure == expected)
        #expect(SnapshotFixture.fault { _ = try reader.accept(chunks[0]) } == expected)
    }

    @Test("A33 a chunk that states more content than the limit is refused before it is expanded")
    func decompressionBomb() throws {
        let value = [UInt8](repeating: 0, count: 2 << 20)
        let row = Row(table: 0, key: [1], value: value)
        let chunks = try SnapshotFixture.chunks([row], chunk: 4 << 20)
        #expect(chunks[1].count < 20_000)
        var reader = try reader(chunks[..<1])
        #expect(
            SnapshotFixture.fault { _ = try reader.accept(chunks[1]) }
                == .tooLarge("chunk", size: UInt64(value.count + 10), limit: 1 << 20))
    }

    @Test("a compressed body that expands to less, or more, than it states is undecodable")
    func wrongExpansion() throws {
        let row = Row(
            table: 0, key: [1], value: CheckpointFixture.bytes(5_000, seed: 1, repeats: true))
        let chunks = try SnapshotFixture.chunks([row])
        for difference in [-1, 1, 100_000] {
            var altered = chunks[1]
            let stated = UInt32(5_010 + difference)
            for position in 0..<4 {
                altered[24 + position] = UInt8(truncatingIfNeeded: stated >> (8 * position))
            }
            var reader = try reader(chunks[..<1])
            #expect(
                SnapshotFixture.fault {
                    _ = try reader.accept(SnapshotFixture.resealed(altered))
                } == .undecodable(chunk: 1))
        }
    }

    @Test("A33 an endless stream ends at the limit of the whole")
    func endless() throws {
        let endless = (0...).lazy.map { number in
            Row(
                table: 0, key: CheckpointFixture.key(number),
                value: [UInt8](repeating: 1, count: 900))
        }
        var limits = SnapshotFixture.limits(chunk: 1_000)
        limits.totalBytesMax = 20_000
        var writer = SnapshotWriter(
            header: SnapshotFixture.header, rows: endless.makeIterator(), limits: limits)
        var reader = SnapshotReader(clusterID: SnapshotFixture.cluster, limits: limits)
        let fault = SnapshotFixture.fault {
            for _ in 0..<100 { _ = try reader.accept(try #require(try writer.nextChunk())) }
        }
        #expect(fault == .tooLarge("snapshot", size: 21_000, limit: 20_000))
        #expect(reader.resumePoint == nil)
    }

    @Test(
        "A35 random bytes, and random changes that keep the checksum right, never trap",
        arguments: 0..<4)
    func fuzz(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let chunks = try SnapshotFixture.chunks(rows, chunk: 700)
        for _ in 0..<2_000 {
            let number = Int(random.next(below: UInt64(chunks.count)))
            var reader = try reader(chunks[..<number])
            var chunk = chunks[number]
            for _ in 0...random.next(below: 6) {
                let place = Int(random.next(below: UInt64(chunk.count)))
                chunk[place] = UInt8(truncatingIfNeeded: random.next())
            }
            if random.next(below: 4) == 0 {
                chunk.removeLast(Int(random.next(below: UInt64(chunk.count))))
            }
            if chunk.count > 8 { chunk = SnapshotFixture.resealed(chunk) }
            if chunk == chunks[number] { continue }
            var accepted: [Row] = []
            if SnapshotFixture.fault({ accepted = try reader.accept(chunk) }) == nil {
                // One content has more than one form as an LZ4 block.
                var right = try self.reader(chunks[..<number])
                #expect(try accepted == right.accept(chunks[number]))
            }
        }
        for _ in 0..<2_000 {
            var reader = SnapshotReader(clusterID: SnapshotFixture.cluster)
            let bytes = CheckpointFixture.bytes(Int(random.next(below: 80)), seed: random.next())
            let chunk = bytes.count > 8 ? SnapshotFixture.resealed(bytes) : bytes
            #expect(SnapshotFixture.fault { _ = try reader.accept(chunk) } != nil)
        }
    }
}
