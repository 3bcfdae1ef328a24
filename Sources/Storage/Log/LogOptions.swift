internal import Primitives

/// The log's sizes.
package struct LogOptions: Equatable, Sendable {
    /// Size of a segment file in bytes, a multiple of 4096 from 16 KiB to 1 GiB.
    package var segmentBytes: Int
    /// A batch ends when its records reach this many bytes; a larger entry is a batch of its own.
    package var batchBytesMax: Int
    /// Records smaller than this together are never compressed, in bytes.
    package var compressionMinBytes: Int
    /// How many zero-filled segments ``SegmentedLog/prepareSpare()`` keeps ready.
    package var spareSegments: Int

    package static let segmentBytesMin = 16 << 10
    package static let segmentBytesMax = 1 << 30

    package init(
        segmentBytes: Int = 64 << 20, batchBytesMax: Int = 1 << 20,
        compressionMinBytes: Int = 16 << 10, spareSegments: Int = 1
    ) {
        self.segmentBytes = segmentBytes
        self.batchBytesMax = batchBytesMax
        self.compressionMinBytes = compressionMinBytes
        self.spareSegments = spareSegments
    }

    /// Bytes of a payload that certainly fits into a segment: what is left by the header's area,
    /// the batch's head and a checksum for each sector.
    package var entryBytesMax: Int {
        (segmentBytes - SegmentHeader.areaBytes - 1024) / 129 * 128
    }

    func checkInvariants() {
        invariant(
            segmentBytes >= Self.segmentBytesMin && segmentBytes <= Self.segmentBytesMax
                && segmentBytes % 4096 == 0, "segments of \(segmentBytes) bytes")
        invariant(batchBytesMax >= 512, "batches of at most \(batchBytesMax) bytes")
        invariant(compressionMinBytes >= 0, "compression from \(compressionMinBytes) bytes")
        invariant(spareSegments >= 0, "\(spareSegments) spare segments")
    }
}
