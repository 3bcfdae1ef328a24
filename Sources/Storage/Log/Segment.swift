internal import Primitives

/// Where a batch lies. Of its entries the first `count` are live: a later truncation superseded the
/// rest.
struct BatchReference: Equatable, Sendable {
    var first: LogIndex
    var count: UInt32
    var offset: UInt32
    var totalBytes: UInt32
    var end: LogIndex { first + Int(count) }
}

/// One segment file as the open log knows it.
final class Segment {
    let path: String
    let header: SegmentHeader
    let file: any StorageFile
    /// The batches with live entries, by rising index.
    var batches: [BatchReference] = []
    /// Where the next batch goes, in bytes.
    var writeOffset: Int
    /// Everything before this offset is durable.
    var syncedThrough: Int
    /// The checksum that the next batch is chained to.
    var chain: UInt32
    /// Lowest index that a truncation in this segment superseded.
    var truncationFloor = BatchHeader.noFloor

    init(path: String, header: SegmentHeader, file: any StorageFile) {
        self.path = path
        self.header = header
        self.file = file
        writeOffset = SegmentHeader.areaBytes
        syncedThrough = SegmentHeader.areaBytes
        chain = header.chainSeed
    }

    var room: Int { header.segmentBytes - writeOffset }

    /// Drops what lies at `index` and behind it.
    func truncate(from index: LogIndex) {
        while let last = batches.last, last.first >= index { batches.removeLast() }
        if let last = batches.last, last.end > index {
            batches[batches.count - 1].count = UInt32(index.distance(from: last.first))
        }
    }
}
