import Primitives
import Storage
import Testing

@Suite("Snapshot stream (DESIGN §4, snapshots)")
struct SnapshotStreamTests {
    @Test(
        "what goes in comes out, whatever the size of a chunk",
        arguments: [1, 7, 100, 4_096, 1 << 20])
    func roundTrip(chunk: Int) throws {
        let rows = CheckpointFixture.rows(chunk < 100 ? 12 : 60, byteCount: 700)
        let chunks = try SnapshotFixture.chunks(rows, chunk: chunk)
        #expect(try SnapshotFixture.rows(chunks) == rows)
    }

    @Test("no rows make a header and a trailer")
    func noRows() throws {
        let chunks = try SnapshotFixture.chunks([])
        #expect(chunks.count == 2)
        #expect(try SnapshotFixture.rows(chunks) == [])
    }

    @Test("the header is known after the first chunk, the end only after the last")
    func progress() throws {
        let chunks = try SnapshotFixture.chunks(CheckpointFixture.rows(20), chunk: 9_000)
        var reader = SnapshotReader(clusterID: SnapshotFixture.cluster)
        #expect(reader.header == nil)
        #expect(reader.resumePoint == nil)
        for (number, chunk) in chunks.enumerated() {
            #expect(!reader.isComplete)
            _ = try reader.accept(chunk)
            #expect(reader.header == SnapshotFixture.header)
            #expect(reader.nextSequence == UInt64(number + 1))
        }
        #expect(reader.isComplete)
        #expect(reader.rowCount == 20)
        #expect(reader.resumePoint == nil)
    }

    @Test("the writer counts what the reader counts")
    func counts() throws {
        let rows = CheckpointFixture.rows(20)
        var writer = SnapshotWriter(header: SnapshotFixture.header, rows: rows.makeIterator())
        var reader = SnapshotReader(clusterID: SnapshotFixture.cluster)
        while let chunk = try writer.nextChunk() { _ = try reader.accept(chunk) }
        #expect(writer.isComplete)
        #expect(writer.rowCount == reader.rowCount)
        #expect(writer.contentByteCount == reader.contentByteCount)
        #expect(writer.nextSequence == reader.nextSequence)
        #expect(try writer.nextChunk() == nil)
    }

    @Test("a chunk is compressed where it pays and never grows much where it does not")
    func compression() throws {
        let size = 100_000
        let easy = Row(
            table: 1, key: [1], value: CheckpointFixture.bytes(size, seed: 1, repeats: true))
        let hard = Row(table: 1, key: [1], value: CheckpointFixture.bytes(size, seed: 1))
        #expect(try SnapshotFixture.chunks([easy])[1].count < size / 10)
        #expect(try SnapshotFixture.chunks([hard])[1].count == size + 9 + 1 + 32)
    }

    @Test("rows are drawn one chunk at a time")
    func pullBased() throws {
        var drawn = 0
        let rows = (0..<100).lazy.map { number -> Row in
            drawn += 1
            return Row(
                table: 0, key: CheckpointFixture.key(number),
                value: [UInt8](repeating: 0, count: 88))
        }
        var writer = SnapshotWriter(
            header: SnapshotFixture.header, rows: rows.makeIterator(),
            limits: SnapshotFixture.limits(chunk: 1_000))
        _ = try writer.nextChunk()
        #expect(drawn == 0)
        _ = try writer.nextChunk()
        #expect(drawn == 10)
    }

    @Test("the writer refuses rows that are not sorted, or twice the same")
    func writerChecksOrder() throws {
        let first = Row(table: 1, key: [1], value: [])
        for second in [
            first, Row(table: 1, key: [0], value: []), Row(table: 0, key: [2], value: []),
            Row(table: 1, key: [], value: []),
        ] {
            let fault = SnapshotFixture.fault { _ = try SnapshotFixture.chunks([first, second]) }
            #expect(fault == .rowsOutOfOrder(row: 1))
        }
    }

    @Test("the writer refuses keys and configurations over their limits")
    func writerChecksLimits() throws {
        let key = [UInt8](repeating: 0, count: RowLimits.keyBytesMax + 1)
        #expect(
            SnapshotFixture.fault {
                _ = try SnapshotFixture.chunks([Row(table: 0, key: key, value: [])])
            }
                == .tooLarge(
                    "key", size: UInt64(key.count), limit: UInt64(RowLimits.keyBytesMax)))
        var header = SnapshotFixture.header
        header.configuration = [UInt8](repeating: 0, count: 70_000)
        #expect(
            SnapshotFixture.fault { _ = try SnapshotFixture.chunks([], header: header) }
                == .tooLarge("configuration", size: 70_000, limit: 65_536))
    }

    @Test("a stream goes on from any chunk as if nothing had happened")
    func resumes() throws {
        let rows = CheckpointFixture.rows(24, byteCount: 900)
        let limits = SnapshotFixture.limits(chunk: 1_000)
        let chunks = try SnapshotFixture.chunks(rows, chunk: 1_000)
        for stop in 1..<chunks.count {
            var reader = SnapshotReader(clusterID: SnapshotFixture.cluster)
            var received: [Row] = []
            for chunk in chunks[..<stop] { received += try reader.accept(chunk) }
            let point = try #require(reader.resumePoint)
            #expect(try SnapshotResumePoint.decode(point.encode()) == point)
            var writer = SnapshotWriter(
                header: SnapshotFixture.header, rows: rows.makeIterator(), limits: limits)
            try writer.resume(from: point)
            var sent: [[UInt8]] = []
            while let chunk = try writer.nextChunk() { sent.append(chunk) }
            #expect(sent == Array(chunks[stop...]))
            for chunk in sent { received += try reader.accept(chunk) }
            #expect(reader.isComplete)
            #expect(received == rows)
        }
    }

    @Test("a place is reached in steps, too")
    func resumesInSteps() throws {
        let rows = CheckpointFixture.rows(24, byteCount: 900)
        let chunks = try SnapshotFixture.chunks(rows, chunk: 1_000)
        var reader = SnapshotReader(clusterID: SnapshotFixture.cluster)
        for chunk in chunks[..<11] { _ = try reader.accept(chunk) }
        let point = try #require(reader.resumePoint)
        var writer = SnapshotWriter(
            header: SnapshotFixture.header, rows: rows.makeIterator(),
            limits: SnapshotFixture.limits(chunk: 1_000))
        var steps = 1
        while try !writer.advance(toward: point, chunksMax: 4) { steps += 1 }
        #expect(steps == 3 && writer.nextSequence == 11)
        #expect(try writer.nextChunk() == chunks[11])
        #expect(
            SnapshotFixture.fault { _ = try writer.advance(toward: point, chunksMax: 4) }
                == .notResumable(chunk: 11))
    }

    @Test("another sender, life, snapshot, content or place is not resumed")
    func refusesToResume() throws {
        let rows = CheckpointFixture.rows(24, byteCount: 900)
        var reader = SnapshotReader(clusterID: SnapshotFixture.cluster)
        for chunk in try SnapshotFixture.chunks(rows, chunk: 1_000)[..<4] {
            _ = try reader.accept(chunk)
        }
        let point = try #require(reader.resumePoint)
        var others = [SnapshotResumePoint](repeating: point, count: 5)
        others[0].sender = NodeID(1)
        others[1].boot = point.boot.next
        others[2].snapshotID += 1
        others[3].digest ^= 1
        others[4].nextChunk = 1_000
        for other in others {
            var writer = SnapshotWriter(
                header: SnapshotFixture.header, rows: rows.makeIterator(),
                limits: SnapshotFixture.limits(chunk: 1_000))
            #expect(
                SnapshotFixture.fault { try writer.resume(from: other) }
                    == .notResumable(chunk: other.nextChunk))
        }
        var changed = rows
        changed[1].value[0] ^= 1
        var writer = SnapshotWriter(
            header: SnapshotFixture.header, rows: changed.makeIterator(),
            limits: SnapshotFixture.limits(chunk: 1_000))
        #expect(
            SnapshotFixture.fault { try writer.resume(from: point) } == .notResumable(chunk: 4))
    }

    @Test("a place to resume from that is cut or extended is not decoded")
    func resumePointDecoding() {
        let bytes = SnapshotResumePoint(
            sender: NodeID(1), boot: BootNumber(2), snapshotID: 3, nextChunk: 4, digest: 5
        ).encode()
        for count in 0..<bytes.count {
            #expect(throws: DecodingError.self) {
                try SnapshotResumePoint.decode(Array(bytes[..<count]))
            }
        }
        #expect(throws: DecodingError.self) { try SnapshotResumePoint.decode(bytes + [0]) }
    }
}
