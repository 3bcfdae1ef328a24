import Primitives
import Storage
import Testing

@Suite("Snapshot stream with right checksums and wrong contents (DESIGN §4, snapshots)")
struct SnapshotForgedTests {
    /// Makes chunks that continue each other, whatever is in them.
    private struct Forger {
        var sequence: UInt64 = 0
        var digest: UInt64 = 0
        var rowBytes: UInt64 = 0

        mutating func chunk(_ kind: SnapshotChunk.Kind, _ content: [UInt8]) -> [UInt8] {
            digest = RowDigest.chain(
                digest, crc: Checksum.crc32c(content), byteCount: content.count)
            if kind == .rows { rowBytes += UInt64(content.count) }
            defer { sequence += 1 }
            return SnapshotChunk.encode(
                kind, sequence: sequence, digest: digest, content: content, compresses: false)
        }

        mutating func header() throws -> [UInt8] {
            let chunk = try SnapshotFixture.chunks([])[0]
            return self.chunk(.header, Array(chunk[32...]))
        }

        mutating func trailer(
            rows: UInt64, bytes: UInt64? = nil, digest stated: UInt64? = nil
        ) -> [UInt8] {
            var writer = ByteWriter()
            writer.write(rows)
            writer.write(bytes ?? rowBytes)
            writer.write(stated ?? digest)
            return chunk(.trailer, writer.bytes)
        }
    }

    private static func encoded(
        _ table: UInt8, _ key: [UInt8], keyByteCount: UInt32? = nil, valueByteCount: UInt32 = 0
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(table)
        writer.write(keyByteCount ?? UInt32(key.count))
        writer.write(valueByteCount)
        writer.write(key)
        return writer.bytes
    }

    /// What the last of the chunks after a header is refused with; those before it are accepted.
    private func fault(_ make: (inout Forger) -> [[UInt8]]) throws -> SnapshotFault? {
        var forger = Forger()
        var reader = SnapshotReader(clusterID: SnapshotFixture.cluster)
        _ = try reader.accept(try forger.header())
        let chunks = make(&forger)
        for chunk in chunks.dropLast() { _ = try reader.accept(chunk) }
        let fault = SnapshotFixture.fault { _ = try reader.accept(try #require(chunks.last)) }
        #expect(reader.failure == fault)
        #expect((reader.resumePoint == nil) == (fault != nil) || reader.isComplete)
        return fault
    }

    @Test("a forged stream that is right in every way is accepted")
    func control() throws {
        let fault = try fault { forger in
            [
                forger.chunk(.rows, Self.encoded(0, [1]) + Self.encoded(0, [2])),
                forger.trailer(rows: 2),
            ]
        }
        #expect(fault == nil)
    }

    @Test("rows out of order, in one chunk or across two, are refused")
    func rowsOutOfOrder() throws {
        for (first, second) in [
            (Self.encoded(0, [2]), Self.encoded(0, [1])),
            (Self.encoded(0, [2]), Self.encoded(0, [2])),
            (Self.encoded(1, []), Self.encoded(0, [9])),
            (Self.encoded(0, [1, 0]), Self.encoded(0, [1])),
        ] {
            #expect(
                try fault { [$0.chunk(.rows, first + second)] } == .rowsOutOfOrder(row: 1))
            #expect(
                try fault { [$0.chunk(.rows, first), $0.chunk(.rows, second)] }
                    == .rowsOutOfOrder(row: 1))
        }
    }

    @Test("A33 a row that states more than its limit is refused before its bytes come")
    func largeRow() throws {
        let key = Self.encoded(0, [], keyByteCount: .max)
        #expect(
            try fault { [$0.chunk(.rows, key)] }
                == .tooLarge(
                    "key", size: UInt64(UInt32.max), limit: UInt64(RowLimits.keyBytesMax)))
        let value = Self.encoded(0, [], valueByteCount: .max)
        #expect(
            try fault { [$0.chunk(.rows, value)] }
                == .tooLarge(
                    "value", size: UInt64(UInt32.max), limit: UInt64(RowLimits.valueBytesMax)))
    }

    @Test("A33 a stream that ends inside a row is refused")
    func incompleteRow() throws {
        let row = Self.encoded(0, [1, 2, 3])
        for count in 1..<row.count {
            #expect(
                try fault { [$0.chunk(.rows, Array(row[..<count])), $0.trailer(rows: 0)] }
                    == .incompleteRow(row: 0))
        }
    }

    @Test("a trailer that states other counts, or another digest, is refused")
    func wrongTrailer() throws {
        let row = Self.encoded(0, [1])
        #expect(
            try fault { [$0.chunk(.rows, row), $0.trailer(rows: 2)] }
                == .wrongCount("rows", stated: 2, found: 1))
        #expect(
            try fault { [$0.chunk(.rows, row), $0.trailer(rows: 1, bytes: 9)] }
                == .wrongCount("bytes", stated: 9, found: 10))
        let mismatch = try fault { [$0.chunk(.rows, row), $0.trailer(rows: 1, digest: 7)] }
        guard case .digestMismatch(chunk: 2, stored: 7, computed: _) = mismatch else {
            Issue.record("\(String(describing: mismatch))")
            return
        }
        #expect(
            try fault { [$0.chunk(.trailer, [1, 2, 3])] } == .invalidField("trailer", chunk: 1))
    }

    @Test("an empty chunk of rows is refused: a stream of them would never end")
    func emptyRows() throws {
        #expect(try fault { [$0.chunk(.rows, [])] } == .invalidField("empty rows", chunk: 1))
    }

    @Test("a second header is refused, and anything before the first")
    func headerOnce() throws {
        #expect(
            try fault { [$0.chunk(.header, [1])] } == .invalidField("second header", chunk: 1))
        for kind in [SnapshotChunk.Kind.rows, .trailer] {
            var forger = Forger()
            var reader = SnapshotReader(clusterID: SnapshotFixture.cluster)
            let chunk = forger.chunk(kind, [UInt8](repeating: 0, count: 24))
            #expect(
                SnapshotFixture.fault { _ = try reader.accept(chunk) }
                    == .invalidField("header", chunk: 0))
        }
    }

    @Test("a header of a later format, or with anything missing or added, is refused")
    func badHeader() throws {
        let right = Array(try SnapshotFixture.chunks([])[0][32...])
        var later = right
        later[8] = 2
        for (content, expected) in [
            (later, SnapshotFault.unsupportedFormat(2)),
            (right + [0], .invalidField("header end", chunk: 0)),
            ([0] + right[1...], .invalidField("magic", chunk: 0)),
        ] {
            var forger = Forger()
            var reader = SnapshotReader(clusterID: SnapshotFixture.cluster)
            let chunk = forger.chunk(.header, content)
            #expect(SnapshotFixture.fault { _ = try reader.accept(chunk) } == expected)
        }
        for count in 0..<right.count {
            var forger = Forger()
            var reader = SnapshotReader(clusterID: SnapshotFixture.cluster)
            let chunk = forger.chunk(.header, Array(right[..<count]))
            #expect(SnapshotFixture.fault { _ = try reader.accept(chunk) } != nil)
        }
    }
}
