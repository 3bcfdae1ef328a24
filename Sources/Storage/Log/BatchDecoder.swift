internal import Primitives

/// What a batch's bytes say beyond its header.
enum BatchCondition: Equatable, Sendable {
    case good
    /// Every bad sector still holds the zeros of before: the write did not finish.
    case torn
    /// A sector holds something that was never written there.
    case rotten
}

/// Reads and judges one batch. Total: any bytes may stand where a batch is expected.
enum BatchDecoder {
    /// Judges the extension and the body of the batch at `offset`, sector by sector.
    ///
    /// The batch's first sector holds the header, which is good: a crash has written all of it.
    static func condition(
        _ segment: UnsafeRawBufferPointer, at offset: Int, _ header: BatchHeader, seed: UInt32
    ) -> BatchCondition {
        guard segment.count - offset >= header.totalBytes else { return .rotten }
        let batch = UnsafeRawBufferPointer(rebasing: segment[offset..<(offset + header.totalBytes)])
        let rest = UnsafeRawBufferPointer(
            rebasing: batch[BatchHeader.fixedBytes..<header.headBytes])
        let sector = BatchHeader.sectorBytes
        if Checksum.crc32c(rest) != header.extensionChecksum {
            // Nothing tells which of the extension's sectors is bad; none of them is ever all
            // zeros.
            for start in stride(from: sector, to: header.headBytes, by: sector)
            where isZeroSector(batch, start) { return .torn }
            return .rotten
        }
        var condition = BatchCondition.good
        var entry = BatchHeader.fixedBytes + header.runCount * BatchHeader.runBytes
        var start = header.headBytes
        let end = start + header.storedBytes
        while start < end {
            let stop = min(end, (start / sector + 1) * sector)
            let piece = UnsafeRawBufferPointer(rebasing: batch[start..<stop])
            if Checksum.crc32c(piece, seed: seed) != batch.integer(at: entry, as: UInt32.self) {
                let sectorStart = start / sector * sector
                guard sectorStart > 0, isZeroSector(batch, sectorStart) else { return .rotten }
                condition = .torn
            }
            entry += 4
            start = stop
        }
        if condition == .good, runs(batch, header) == nil { return .rotten }
        return condition
    }

    private static func isZeroSector(_ batch: UnsafeRawBufferPointer, _ start: Int) -> Bool {
        let stop = min(start + BatchHeader.sectorBytes, batch.count)
        return UnsafeRawBufferPointer(rebasing: batch[start..<stop]).isAllZeros
    }

    /// The term runs, or nil unless they rise from the first index with terms that never fall.
    static func runs(_ batch: UnsafeRawBufferPointer, _ header: BatchHeader) -> [TermRun]? {
        var runs: [TermRun] = []
        runs.reserveCapacity(header.runCount)
        for number in 0..<header.runCount {
            let place = BatchHeader.fixedBytes + number * BatchHeader.runBytes
            let run = TermRun(
                first: LogIndex(batch.integer(at: place, as: UInt64.self)),
                term: Term(batch.integer(at: place + 8, as: UInt64.self)))
            if let last = runs.last {
                guard run.first > last.first, run.term > last.term else { return nil }
            } else {
                guard run.first == header.first else { return nil }
            }
            guard run.first < header.end else { return nil }
            runs.append(run)
        }
        return runs
    }

    /// The entries of a batch that ``condition(_:at:_:seed:)`` found good, from `from` to
    /// `through`, stopping behind the one that brings `bytes` to `bytesMax`. Nil when the records
    /// do not fit together.
    static func entries(
        _ batch: UnsafeRawBufferPointer, _ header: BatchHeader, from: LogIndex, through: LogIndex,
        bytesMax: Int, bytes: inout Int, into entries: inout [LogEntry]
    ) -> Bool {
        guard let runs = runs(batch, header) else { return false }
        let end = header.headBytes + header.storedBytes
        let stored = UnsafeRawBufferPointer(rebasing: batch[header.headBytes..<end])
        if !header.isCompressed {
            return records(
                stored, header, runs, from: from, through: through, bytesMax: bytesMax,
                bytes: &bytes, into: &entries)
        }
        let room = UnsafeMutableRawBufferPointer.allocate(
            byteCount: header.plainBytes, alignment: 8)
        defer { room.deallocate() }
        let plain = UnsafeRawBufferPointer(room)
        guard LZ4.decompress(stored, into: room),
            Checksum.crc32c(plain) == header.plainChecksum
        else { return false }
        return records(
            plain, header, runs, from: from, through: through, bytesMax: bytesMax, bytes: &bytes,
            into: &entries)
    }

    private static func records(
        _ body: UnsafeRawBufferPointer, _ header: BatchHeader, _ runs: [TermRun], from: LogIndex,
        through: LogIndex, bytesMax: Int, bytes: inout Int, into entries: inout [LogEntry]
    ) -> Bool {
        var position = 0
        var run = 0
        for number in 0..<header.entryCount {
            guard body.count - position >= BatchHeader.recordHeadBytes else { return false }
            let head = body.integer(at: position, as: UInt64.self)
            position += BatchHeader.recordHeadBytes
            let length = Int(head & 0xFFFF_FFFF)
            guard head >> 40 == 0, let kind = EntryKind(rawValue: UInt8(head >> 32)),
                body.count - position >= (length + 7) & ~7
            else { return false }
            let index = header.first + number
            while run + 1 < runs.count, runs[run + 1].first <= index { run += 1 }
            if index > through { return true }
            if index >= from {
                let payload = [UInt8](
                    UnsafeRawBufferPointer(rebasing: body[position..<(position + length)]))
                let entry = LogEntry(
                    index: index, term: runs[run].term, kind: kind, payload: payload)
                entries.append(entry)
                bytes += entry.weightBytes
                if bytes >= bytesMax { return true }
            }
            position += (length + 7) & ~7
        }
        return position == body.count
    }
}
