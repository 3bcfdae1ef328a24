internal import Primitives

/// What recovery found in one segment, in the order of its offsets.
struct SegmentScan: Equatable, Sendable {
    enum Item: Equatable, Sendable {
        /// A batch with a good header; `isRotten` says that its entries cannot be read.
        case batch(BatchHeader, runs: [TermRun], isRotten: Bool)
        /// Bytes that hold no header although one was there; the next item is a batch, or none is.
        case lost(offset: Int)
        /// The next batch is not chained to the one before it, which therefore is not the right
        /// one.
        case broken(offset: Int)
    }

    var items: [Item] = []
    /// Behind the last thing to keep: what follows is zeros, or was torn.
    var end = SegmentHeader.areaBytes
    var chain: UInt32
    /// Bytes of an unfinished write behind `end`, zero when there was none.
    var tornBytes = 0
}

/// Tells in one segment what is whole, what a crash left unfinished and what rotted (DESIGN §5).
///
/// - Damage below an offset that a later header calls synced is rot.
/// - Elsewhere a bad sector is a torn write only if it still holds zeros; anything else is rot.
/// - From the first torn batch on, everything is cut: nothing behind it was synced either.
/// - In a segment that has a successor everything was synced.
struct SegmentScanner {
    let bytes: UnsafeRawBufferPointer
    let header: SegmentHeader
    let successor: Successor

    /// What follows the segment, and so what its end must be.
    enum Successor: Equatable, Sendable {
        /// Nothing: this is where the log is written.
        case none
        /// A segment whose header says what this one's chain ends with.
        case chained(to: UInt32)
        /// A segment whose header cannot be read.
        case unreadable
    }

    private enum Place {
        case batch(BatchHeader)
        case zeros
        case bad
    }

    func scan() -> SegmentScan {
        var scan = SegmentScan(chain: header.chainSeed)
        let synced = syncedThrough()
        var offset = SegmentHeader.areaBytes
        while offset < bytes.count {
            if .chained(to: scan.chain) == successor { break }
            let place = place(at: offset)
            if case .batch(let batch) = place {
                if !add(batch, to: &scan, synced: synced) { return scan }
                offset = scan.end
                continue
            }
            let next = nextBatch(behind: offset)
            if case .zeros = place, offset >= synced, successor == .none,
                !holdsMisplacedBatch(meantFor: offset)
            {
                scan.tornBytes = lastByte(behind: offset) - offset
                return scan
            }
            // The end of the data; only the next header could tell whether it is the right one.
            if case .zeros = place, next == nil, successor == .unreadable { return scan }
            scan.items.append(.lost(offset: offset))
            guard let next else {
                scan.end = BatchHeader.roundedToSector(lastByte(behind: offset))
                return scan
            }
            // What is chained to the lost batch cannot be checked against it.
            scan.chain = next.previousChecksum
            offset = next.offset
            scan.end = offset
        }
        return scan
    }

    /// Adds a batch with a good header; false when it is torn and the scan ends.
    private func add(_ batch: BatchHeader, to scan: inout SegmentScan, synced: Int) -> Bool {
        let condition = BatchDecoder.condition(
            bytes, at: batch.offset, batch, seed: header.chainSeed)
        #if KEELSON_MUTANTS
            if planted(.cutsRot), condition != .good, successor == .none {
                scan.tornBytes = lastByte(behind: batch.offset) - batch.offset
                return false
            }
        #endif
        if condition == .torn, batch.offset >= synced, successor == .none {
            scan.tornBytes = lastByte(behind: batch.offset) - batch.offset
            return false
        }
        #if KEELSON_MUTANTS
            if planted(.ignoresTheChain) { scan.chain = batch.previousChecksum }
        #endif
        if batch.previousChecksum != scan.chain {
            scan.items.append(.broken(offset: batch.offset))
        }
        let whole = UnsafeRawBufferPointer(
            rebasing: bytes[batch.offset..<(batch.offset + batch.totalBytes)])
        let runs =
            condition == .good ? BatchDecoder.runs(whole, batch) ?? [] : knownRuns(whole, batch)
        scan.items.append(.batch(batch, runs: runs, isRotten: condition != .good))
        scan.chain = batch.checksum
        scan.end = batch.offset + batch.totalBytes
        return true
    }

    /// The runs of a batch whose body is damaged: known if its extension is whole.
    private func knownRuns(_ batch: UnsafeRawBufferPointer, _ header: BatchHeader) -> [TermRun] {
        let rest = UnsafeRawBufferPointer(
            rebasing: batch[BatchHeader.fixedBytes..<header.headBytes])
        guard Checksum.crc32c(rest) == header.extensionChecksum else { return [] }
        return BatchDecoder.runs(batch, header) ?? []
    }

    private func place(at offset: Int) -> Place {
        if let batch = BatchHeader.decode(bytes, at: offset, of: header) { return .batch(batch) }
        let stop = min(offset + BatchHeader.sectorBytes, bytes.count)
        let sector = UnsafeRawBufferPointer(rebasing: bytes[offset..<stop])
        return sector.isAllZeros ? .zeros : .bad
    }

    /// Whether a whole header of this segment stands where it does not belong, and belongs at or
    /// behind `offset`: a write landed elsewhere, and may have been acknowledged.
    private func holdsMisplacedBatch(meantFor offset: Int) -> Bool {
        // It may have landed before all batches, too.
        var place = 0
        while bytes.count - place >= BatchHeader.fixedBytes {
            let claimed = Int(clamping: bytes.integer(at: place + 24, as: UInt64.self))
            if claimed != place, claimed >= offset,
                BatchHeader.decode(bytes, at: place, in: claimed, of: header) != nil
            {
                return true
            }
            place += BatchHeader.sectorBytes
        }
        return false
    }

    private func nextBatch(behind offset: Int) -> BatchHeader? {
        var place = offset + BatchHeader.sectorBytes
        while place < bytes.count {
            if let batch = BatchHeader.decode(bytes, at: place, of: header) { return batch }
            place += BatchHeader.sectorBytes
        }
        return nil
    }

    /// The highest offset that any header in the segment calls synced.
    private func syncedThrough() -> Int {
        var synced = SegmentHeader.areaBytes
        var place = SegmentHeader.areaBytes
        while place < bytes.count {
            if let batch = BatchHeader.decode(bytes, at: place, of: header) {
                synced = max(synced, batch.syncedThrough)
                place += batch.totalBytes
            } else {
                place += BatchHeader.sectorBytes
            }
        }
        return synced
    }

    /// Behind the last byte that is not zero, `offset` when there is none.
    private func lastByte(behind offset: Int) -> Int {
        var end = bytes.count
        while end - offset >= BatchHeader.sectorBytes {
            let sector = UnsafeRawBufferPointer(
                rebasing: bytes[(end - BatchHeader.sectorBytes)..<end])
            if !sector.isAllZeros { return end }
            end -= BatchHeader.sectorBytes
        }
        return offset
    }
}
