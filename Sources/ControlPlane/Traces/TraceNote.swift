package import Monitoring
package import Primitives

/// What the member that took a traced request tells the others once it is applied: which entry it
/// was, and which span theirs belong to. They know when the entry was where in their own log.
///
/// A frame of notes, on connections whose accepting side has said that it takes them:
///
///     frame := 0x80 u8 | count u16 | notes*
///     note  := trace id u64 u64 | span id u64 | log index u64      (little-endian)
///
/// Nothing waits for it and nothing is sent again: what is lost is a part of a trace.
package struct TraceNote: Equatable, Sendable {
    package var traceID: TraceID
    package var spanID: SpanID
    package var index: UInt64

    package init(traceID: TraceID, spanID: SpanID, index: UInt64) {
        self.traceID = traceID
        self.spanID = spanID
        self.index = index
    }

    /// No message of consensus begins with it.
    private static let kind: UInt8 = 0x80
    /// Of one frame.
    package static let countMax = 1024

    package static func isFrame(_ bytes: [UInt8]) -> Bool { bytes.first == kind }

    /// The first ``countMax`` of them.
    package static func encode(_ notes: [TraceNote]) -> [UInt8] {
        let notes = notes.prefix(countMax)
        var writer = ByteWriter(capacity: 3 + 32 * notes.count)
        writer.write(kind)
        writer.write(UInt16(notes.count))
        for note in notes {
            writer.write(note.traceID.high)
            writer.write(note.traceID.low)
            writer.write(note.spanID.rawValue)
            writer.write(note.index)
        }
        return writer.bytes
    }

    package static func decode(_ bytes: [UInt8]) throws(DecodingError) -> [TraceNote] {
        var reader = ByteReader(bytes)
        guard try reader.read(UInt8.self) == kind else {
            throw .invalid(field: "trace notes", offset: 0)
        }
        let count = Int(try reader.read(UInt16.self))
        guard count <= countMax else { throw .invalid(field: "trace notes", offset: 1) }
        var notes: [TraceNote] = []
        for _ in 0..<count {
            let start = reader.offset
            let (high, low): (UInt64, UInt64) = (try reader.read(), try reader.read())
            guard let traceID = TraceID(high: high, low: low),
                let spanID = SpanID(try reader.read(UInt64.self))
            else { throw .invalid(field: "trace id", offset: start) }
            notes.append(
                TraceNote(traceID: traceID, spanID: spanID, index: try reader.read()))
        }
        return notes
    }
}
