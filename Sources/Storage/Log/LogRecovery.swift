internal import Primitives

/// A segment of which one copy of the header is damaged.
struct HalfHeader {
    let path: String
    let offset: Int
    let bytes: [UInt8]

    /// False where the disk refuses: the other copy does, as before.
    ///
    /// First the sector that counts, so that a write which goes astray does not reach the good
    /// copy; then its block, for over a block that it cannot read a disk takes only a whole one.
    func mend(_ fileSystem: any FileSystem) throws(StorageError) -> Bool {
        let file = try fileSystem.open(path, .readWrite)
        for count in [512, bytes.count] {
            do throws(StorageError) {
                try file.write(Array(bytes[..<count]), at: offset)
            } catch {
                guard case .io = error else { throw error }
                continue
            }
            try file.sync()
            return true
        }
        return false
    }
}

/// What the files of a log say: the result of reading all of them, before anything is changed.
struct RecoveredLog {
    var segments: [Segment] = []
    /// Segments that a reset made void, by path.
    var obsolete: [String] = []
    /// Segments whose header cannot be read, by generation.
    var unreadable: [UInt64] = []
    var temporaries: [String] = []
    var spares: [UInt64] = []
    var recycled: [UInt64] = []
    var newestGeneration: UInt64 = 0
    var baseIndex = LogIndex.zero
    var baseTerm = Term.zero
    var lastIndex = LogIndex.zero
    var termRuns: [TermRun] = []
    var rotten: [RottenRange] = []
    /// Segments with one good copy of their header of two, and what mends the other.
    var halfHeaders: [HalfHeader] = []
    /// Whether the last segment ends in something unreadable, behind which nothing may be written.
    var isTailLost = false
    /// Bytes of unfinished writes behind the end.
    var tornBytes = 0
    /// The contents of the last segment up to its end, for the fresh copy.
    var activeContents: [UInt8] = []
}

/// Reads a log's directory. Changes nothing, so that a directory that is refused stays as it was.
///
/// Cost: reads every segment once; memory for one segment.
struct LogRecovery {
    let fileSystem: any FileSystem
    let directory: String
    let identity: NodeIdentity

    private var log = RecoveredLog()
    /// The checksum that the next segment should name as its predecessor's last.
    private var chain: UInt32 = 0
    private var truncationFloor = BatchHeader.noFloor
    /// Damage whose extent the next good header tells.
    private var loss: (path: String, offset: Int)?

    private struct File {
        let generation: UInt64
        let path: String
        let header: SegmentHeader?
        var half: HalfHeader?
    }

    static func run(
        fileSystem: any FileSystem, directory: String, identity: NodeIdentity
    ) throws(StorageError) -> RecoveredLog {
        var recovery = LogRecovery(
            fileSystem: fileSystem, directory: directory, identity: identity)
        try recovery.run()
        return recovery.log
    }

    private init(fileSystem: any FileSystem, directory: String, identity: NodeIdentity) {
        self.fileSystem = fileSystem
        self.directory = directory
        self.identity = identity
    }

    private mutating func run() throws(StorageError) {
        var files = try headers(of: try classify())
        if let start = files.lastIndex(where: { $0.header?.startsLog == true }) {
            log.obsolete = files[..<start].map(\.path)
            files.removeFirst(start)
        }
        log.newestGeneration = files.last?.generation ?? 0
        let bytesMax = files.compactMap(\.header?.segmentBytes).max() ?? 0
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytesMax, alignment: 4096)
        defer { buffer.deallocate() }
        var isFirst = true
        for (position, file) in files.enumerated() {
            guard let header = file.header else {
                log.unreadable.append(file.generation)
                if loss == nil { loss = (file.path, 0) }
                continue
            }
            var successor = SegmentScanner.Successor.none
            if position + 1 < files.count {
                let next = files[position + 1].header
                successor = next.map { .chained(to: $0.previousChain) } ?? .unreadable
            }
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[0..<header.segmentBytes])
            try replay(file.path, header, successor, isFirst: isFirst, buffer: room)
            isFirst = false
            if let half = file.half { log.halfHeaders.append(half) }
        }
        if let loss {
            log.isTailLost = true
            log.rotten.append(
                RottenRange(
                    path: loss.path, offset: loss.offset, first: log.lastIndex.next, last: nil))
        }
    }

    /// Sorts the directory's files; the generations of the segments, without gaps.
    private mutating func classify() throws(StorageError) -> [UInt64] {
        var generations: [UInt64] = []
        for name in try fileSystem.list(directory) {
            switch LogFileName(name) {
            case .segment(let number): generations.append(number)
            case .spare(let number): log.spares.append(number)
            case .recycled(let number): log.recycled.append(number)
            case .temporary: log.temporaries.append(directory + "/" + name)
            case nil: break
            }
        }
        return generations.sorted()
    }

    /// The header of every segment. A generation that is missing between two counts as unreadable.
    private func headers(of generations: [UInt64]) throws(StorageError) -> [File] {
        var files: [File] = []
        for generation in generations {
            // A file name from elsewhere must not make this loop endless.
            if let last = files.last, generation - last.generation <= 1024 {
                for missing in (last.generation + 1)..<generation {
                    files.append(File(generation: missing, path: path(missing), header: nil))
                }
            }
            files.append(try readHeader(generation))
        }
        return files
    }

    private func readHeader(_ generation: UInt64) throws(StorageError) -> File {
        let path = path(generation)
        let unreadable = File(generation: generation, path: path, header: nil)
        let file = try fileSystem.open(path, .read)
        var area = [UInt8](repeating: 0, count: SegmentHeader.areaBytes)
        var failure: StorageError?
        area.withUnsafeMutableBytes { room in
            do throws(StorageError) { try Self.fill(room, from: file, at: 0) } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        guard let header = try SegmentHeader.decode(area, path: path) else { return unreadable }
        if header.clusterID != identity.clusterID {
            throw .foreign(
                path: path, field: "cluster", expected: identity.clusterID.description,
                found: header.clusterID.description)
        }
        if header.memberID != identity.memberID {
            throw .foreign(
                path: path, field: "member", expected: identity.memberID.description,
                found: header.memberID.description)
        }
        guard header.generation == generation else { return unreadable }
        let half = SegmentHeader.repair(of: area).map {
            HalfHeader(path: path, offset: $0.offset, bytes: $0.bytes)
        }
        return File(generation: generation, path: path, header: header, half: half)
    }

    private func path(_ generation: UInt64) -> String {
        directory + "/" + LogFileName.segment(generation).text
    }

    /// Fills `room`: with zeros behind the file's end, and with a pattern that nothing takes for
    /// zeros or a header where the disk cannot read its own sector, so that it counts as rot.
    private static func fill(
        _ room: UnsafeMutableRawBufferPointer, from file: any StorageFile, at offset: Int
    ) throws(StorageError) {
        let chunk = 1 << 20
        var position = 0
        while position < room.count {
            let count = min(chunk, room.count - position)
            let part = UnsafeMutableRawBufferPointer(rebasing: room[position..<(position + count)])
            var filled: Int
            do throws(StorageError) {
                filled = try file.read(into: part, at: offset + position)
            } catch {
                guard case .io = error else { throw error }
                filled = fillBySector(part, from: file, at: offset + position)
            }
            if filled < count {
                UnsafeMutableRawBufferPointer(rebasing: room[(position + filled)...])
                    .initializeMemory(as: UInt8.self, repeating: 0)
                return
            }
            position += count
        }
    }

    /// The first bytes of a file, as far as the disk can read them: see ``fill(_:from:at:)``.
    static func contents(
        of file: any StorageFile, byteCount: Int
    ) throws(StorageError) -> [UInt8] {
        var failure: StorageError?
        let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { room, filled in
            do throws(StorageError) {
                try fill(UnsafeMutableRawBufferPointer(room), from: file, at: 0)
            } catch { failure = error }
            filled = byteCount
        }
        if let failure { throw failure }
        return bytes
    }

    private static func fillBySector(
        _ part: UnsafeMutableRawBufferPointer, from file: any StorageFile, at offset: Int
    ) -> Int {
        for start in stride(from: 0, to: part.count, by: BatchHeader.sectorBytes) {
            let stop = min(start + BatchHeader.sectorBytes, part.count)
            let sector = UnsafeMutableRawBufferPointer(rebasing: part[start..<stop])
            let count = try? file.read(into: sector, at: offset + start)
            if count == nil { sector.initializeMemory(as: UInt8.self, repeating: 0xA5) }
            if let count, count < sector.count { return start + count }
        }
        return part.count
    }
}

// What the segments say is put together in their order.
extension LogRecovery {
    private mutating func replay(
        _ path: String, _ header: SegmentHeader, _ successor: SegmentScanner.Successor,
        isFirst: Bool, buffer: UnsafeMutableRawBufferPointer
    ) throws(StorageError) {
        let file = try fileSystem.open(path, .readWrite)
        try Self.fill(buffer, from: file, at: 0)
        let segment = Segment(path: path, header: header, file: file)
        begin(segment, isFirst: isFirst)
        let scan = SegmentScanner(
            bytes: UnsafeRawBufferPointer(buffer), header: header, successor: successor
        ).scan()
        var doubtful = false
        for item in scan.items {
            switch item {
            case .lost(let offset):
                loss = (path, offset)
            case .broken(let offset):
                doubtful = true
                doubt(segment, offset: offset)
            case .batch(let batch, let runs, let isRotten):
                add(batch, runs, to: segment, isRotten: isRotten, follows: !doubtful)
                doubtful = false
            }
        }
        segment.chain = scan.chain
        segment.writeOffset = scan.end
        segment.syncedThrough = scan.end
        chain = scan.chain
        truncationFloor = segment.truncationFloor
        log.segments.append(segment)
        if successor == .none {
            log.tornBytes = scan.tornBytes
            log.activeContents = Array(buffer[0..<scan.end])
        }
    }

    /// Joins a segment to what came before it.
    private mutating func begin(_ segment: Segment, isFirst: Bool) {
        let header = segment.header
        if isFirst {
            log.baseIndex = header.previousIndex
            log.baseTerm = header.previousTerm
            log.lastIndex = header.previousIndex
            if let lost = loss, header.previousIndex > .zero {
                // How far down the segments before reached is not known.
                log.rotten.append(
                    RottenRange(
                        path: lost.path, offset: lost.offset, first: LogIndex(1),
                        last: header.previousIndex))
            }
        } else if header.previousChain != chain || loss != nil {
            let place = loss ?? (segment.path, 0)
            if header.previousChain != chain {
                close(
                    place, before: header.previousIndex.next, previousTerm: header.previousTerm,
                    floor: header.previousTruncationFloor)
                if header.previousIndex < log.lastIndex {
                    truncate(from: header.previousIndex.next)
                }
                log.lastIndex = header.previousIndex
            }
        }
        loss = nil
        truncationFloor = BatchHeader.noFloor
    }

    /// Names what was lost at `place`: from behind the last known entry, or from where a truncation
    /// that was lost too may have begun, up to the entry before `next`.
    ///
    /// Nothing was where the entry before `next` is here with the right term: it stands for all
    /// before it (Log Matching). Otherwise every index that was ever superseded in this segment may
    /// have been superseded by what is lost.
    private mutating func close(
        _ place: (path: String, offset: Int), before next: LogIndex, previousTerm: Term,
        floor: UInt64
    ) {
        if holds(next.previous, of: previousTerm) { return }
        var first = log.lastIndex.next
        if floor != BatchHeader.noFloor { first = min(first, LogIndex(floor)) }
        if first < next {
            log.rotten.append(
                RottenRange(
                    path: place.path, offset: place.offset, first: first, last: next.previous))
        }
    }

    private func holds(_ index: LogIndex, of term: Term) -> Bool {
        if index == log.baseIndex { return log.baseTerm == term }
        guard index > log.baseIndex, index <= log.lastIndex,
            !log.rotten.contains(where: { $0.mayHold(index) })
        else { return false }
        return log.termRuns.last { $0.first <= index }?.term == term
    }

    /// The batch before `offset` is not the one that was there when its successor was written.
    private mutating func doubt(_ segment: Segment, offset: Int) {
        guard let batch = segment.batches.last, batch.count > 0 else { return }
        log.rotten.append(
            RottenRange(
                path: segment.path, offset: Int(batch.offset), first: batch.first,
                last: batch.end.previous))
    }

    private mutating func add(
        _ batch: BatchHeader, _ runs: [TermRun], to segment: Segment, isRotten: Bool, follows: Bool
    ) {
        truncationFloor = segment.truncationFloor
        if loss != nil || !follows || batch.first > log.lastIndex.next {
            close(
                loss ?? (segment.path, batch.offset), before: batch.first,
                previousTerm: batch.previousTerm, floor: batch.truncationFloor)
            segment.truncationFloor = min(segment.truncationFloor, batch.truncationFloor)
            loss = nil
        }
        if batch.truncates {
            segment.truncationFloor = min(segment.truncationFloor, batch.first.rawValue)
        }
        if batch.first <= log.lastIndex {
            segment.truncate(from: batch.first)
            truncate(from: batch.first)
        }
        if batch.first <= log.baseIndex {
            log.baseIndex = batch.first.previous
            log.baseTerm = batch.previousTerm
        }
        log.lastIndex = batch.end.previous
        guard batch.entryCount > 0 else { return }
        segment.batches.append(
            BatchReference(
                first: batch.first, count: UInt32(batch.entryCount), offset: UInt32(batch.offset),
                totalBytes: UInt32(batch.totalBytes)))
        for run in runs where run.term != log.termRuns.last?.term { log.termRuns.append(run) }
        if isRotten {
            log.rotten.append(
                RottenRange(
                    path: segment.path, offset: batch.offset, first: batch.first,
                    last: batch.end.previous))
        }
    }

    private mutating func truncate(from index: LogIndex) {
        for segment in log.segments.reversed() {
            guard let last = segment.batches.last else { continue }
            if last.end <= index { break }
            segment.truncate(from: index)
        }
        while let last = log.termRuns.last, last.first >= index { log.termRuns.removeLast() }
        log.rotten.truncate(from: index)
    }
}

extension [RottenRange] {
    /// Drops what lies at `index` and behind it: it was superseded.
    mutating func truncate(from index: LogIndex) {
        self = compactMap { range in
            if range.first >= index { return nil }
            var rest = range
            if rest.last.map({ $0 >= index }) ?? true { rest.last = index.previous }
            return rest
        }
    }
}
