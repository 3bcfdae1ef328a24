internal import Primitives

/// Encodes batches one behind the other into memory that is used again, so that one append is one
/// write.
///
/// Cost: one copy of each payload and one checksum pass; no allocation once the buffer has grown.
final class BatchEncoder {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    private var scratch: [UInt8] = []
    private var gate: CompressionGate
    /// Bytes encoded since ``clear()``.
    private(set) var count = 0

    init(compressionMinBytes: Int) {
        capacity = 64 << 10
        base = .allocate(byteCount: capacity, alignment: BatchHeader.sectorBytes)
        gate = CompressionGate(bytesMin: compressionMinBytes)
    }

    deinit { base.deallocate() }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// Forgets what was encoded. A buffer that one large write blew up is given back.
    func clear() {
        count = 0
        if capacity > 16 << 20 { resize(64 << 10) }
    }

    /// Appends one batch. `header` says everything but what follows from the entries: their number
    /// and runs, sizes, checksums. Returns the finished header.
    func encode(
        _ entries: ArraySlice<LogEntry>, plainBytes: Int, runCount: Int, header start: BatchHeader,
        seed: UInt32
    ) -> BatchHeader {
        var header = start
        header.entryCount = entries.count
        header.runCount = runCount
        header.plainBytes = plainBytes
        header.storedBytes = plainBytes
        header.isCompressed = false
        header.plainChecksum = 0
        reserve(header.totalBytes)
        let batch = base + count
        writeRecords(entries, to: batch + header.headBytes, byteCount: plainBytes)
        compressIfItPays(batch, &header)
        let used = header.headBytes + header.storedBytes
        (batch + used).initializeMemory(
            as: UInt8.self, repeating: 0, count: header.totalBytes - used)
        writeExtension(entries, to: batch, header, seed: seed)
        header.extensionChecksum = Checksum.crc32c(
            UnsafeRawBufferPointer(
                start: batch + BatchHeader.fixedBytes,
                count: header.headBytes - BatchHeader.fixedBytes))
        header.checksum = header.encode(to: batch, seed: seed)
        count += header.totalBytes
        return header
    }

    private func writeRecords(
        _ entries: ArraySlice<LogEntry>, to body: UnsafeMutableRawPointer, byteCount: Int
    ) {
        var position = 0
        for entry in entries {
            let length = entry.payload.count
            body.put(UInt64(length) | UInt64(entry.kind.rawValue) << 32, at: position)
            position += BatchHeader.recordHeadBytes
            let padded = (length + 7) & ~7
            if padded > 0 {
                // The padding first, with the word that the payload's tail then overwrites.
                body.put(UInt64(0), at: position + padded - 8)
                entry.payload.withUnsafeBytes { payload in
                    if let source = payload.baseAddress {
                        (body + position).copyMemory(from: source, byteCount: length)
                    }
                }
            }
            position += padded
        }
        invariant(position == byteCount, "records of \(position) bytes, planned \(byteCount)")
    }

    private func compressIfItPays(_ batch: UnsafeMutableRawPointer, _ header: inout BatchHeader) {
        let body = UnsafeRawBufferPointer(
            start: batch + header.headBytes, count: header.plainBytes)
        guard gate.wants(body) else { return }
        let room = CompressionGate.worthwhileBytes(body.count)
        if scratch.count < room { scratch = [UInt8](repeating: 0, count: room) }
        let size = scratch.withUnsafeMutableBytes { buffer in
            LZ4.compress(
                body, into: UnsafeMutableRawBufferPointer(rebasing: buffer[0..<room]),
                acceleration: CompressionGate.acceleration)
        }
        gate.note(succeeded: size != nil)
        guard let size else { return }
        header.plainChecksum = Checksum.crc32c(body)
        header.isCompressed = true
        header.storedBytes = size
        let target = batch + header.headBytes
        scratch.withUnsafeBytes { buffer in
            if let source = buffer.baseAddress {
                target.copyMemory(from: source, byteCount: size)
            }
        }
    }

    private func writeExtension(
        _ entries: ArraySlice<LogEntry>, to batch: UnsafeMutableRawPointer, _ header: BatchHeader,
        seed: UInt32
    ) {
        var position = BatchHeader.fixedBytes
        var term: Term?
        for entry in entries where entry.term != term {
            term = entry.term
            batch.put(entry.index.rawValue, at: position)
            batch.put(entry.term.rawValue, at: position + 8)
            position += BatchHeader.runBytes
        }
        let tableEnd = header.headBytes
        (batch + position).initializeMemory(
            as: UInt8.self, repeating: 0, count: tableEnd - position)
        let end = header.headBytes + header.storedBytes
        var start = header.headBytes
        while start < end {
            let stop = min(end, (start / BatchHeader.sectorBytes + 1) * BatchHeader.sectorBytes)
            let piece = UnsafeRawBufferPointer(start: batch + start, count: stop - start)
            batch.put(Checksum.crc32c(piece, seed: seed), at: position)
            position += 4
            start = stop
        }
    }

    private func reserve(_ more: Int) {
        if count + more > capacity { resize(max(capacity * 2, count + more)) }
    }

    private func resize(_ newCapacity: Int) {
        let larger = UnsafeMutableRawPointer.allocate(
            byteCount: newCapacity, alignment: BatchHeader.sectorBytes)
        larger.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = larger
        capacity = newCapacity
    }
}
