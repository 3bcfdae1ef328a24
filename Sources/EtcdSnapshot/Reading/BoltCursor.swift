/// Goes through a bucket's rows in order of their keys.
///
/// It ends on any file: a page that it reaches a second time, a depth beyond
/// ``depthMax`` and a key that does not ascend are errors.
package struct BoltCursor<Source: BoltSource>: Sendable {
    /// A branch of bbolt's has two children or more: 32 levels have more pages than a file.
    static var depthMax: Int { 32 }

    private struct Level: Sendable {
        let page: BoltPage
        var next = 0
    }

    private let reader: BoltReader<Source>
    private var start: BoltBucket?
    private var levels: [Level] = []
    private var lastKey: [UInt8]?
    private var seen = PageSet()

    init(_ reader: BoltReader<Source>, _ bucket: BoltBucket) {
        self.reader = reader
        start = bucket
    }

    /// The next row, or nil behind the last. After an error it is at an end.
    package mutating func next() throws(BoltFileError) -> BoltRow? {
        do {
            if let bucket = start {
                start = nil
                try enter(bucket)
            }
            while let level = levels.last {
                guard level.next < level.page.elementCount else {
                    levels.removeLast()
                    continue
                }
                levels[levels.count - 1].next += 1
                let element = try level.page.element(level.next)
                if level.page.isLeaf { return try row(element, level) }
                try enter(.page(element.payload))
            }
            return nil
        } catch {
            levels = []
            throw error
        }
    }

    private mutating func enter(_ bucket: BoltBucket) throws(BoltFileError) {
        let page: BoltPage
        switch bucket {
        case .page(let number):
            page = try BoltPage(reader.source, reader.meta, number: number)
            guard levels.count < Self.depthMax else { throw page.fault(.tooDeep) }
            for each in Int(number)..<(Int(number) + page.pages(reader.meta)) {
                guard seen.insert(each) else { throw page.fault(.repeated) }
            }
        case .inline(let bytes, let number, let offset):
            page = try BoltPage(inline: bytes, number: number, offset: offset)
        }
        levels.append(Level(page: page))
    }

    private mutating func row(
        _ element: BoltPage.Element, _ level: Level
    ) throws(BoltFileError) -> BoltRow {
        let page = level.page
        let valueBytes = Int(element.payload)
        let offset = page.offset + element.keyOffset
        guard element.keyBytes + valueBytes <= BoltReader<Source>.rowBytesMax else {
            throw .overLimit(.rowBytes, offset: offset, found: element.keyBytes + valueBytes)
        }
        let key = try page.bytes(reader.source, at: element.keyOffset, count: element.keyBytes)
        if let lastKey, !lastKey.lexicographicallyPrecedes(key) {
            throw page.fault(.outOfOrder(index: level.next))
        }
        lastKey = key
        let valueOffset = element.keyOffset + element.keyBytes
        let value = try page.bytes(reader.source, at: valueOffset, count: valueBytes)
        guard element.flags & BoltFormat.bucketFlag != 0 else {
            return BoltRow(key: key, content: .value(value), offset: offset)
        }
        guard value.count >= BoltFormat.bucketBytes else {
            throw page.fault(.shortBucket(index: level.next))
        }
        let root: UInt64 = value.littleEndian(at: 0)
        let bucket: BoltBucket =
            root != 0
            ? .page(root)
            : .inline(
                Array(value[BoltFormat.bucketBytes...]), page: page.number,
                offset: page.offset + valueOffset + BoltFormat.bucketBytes)
        return BoltRow(key: key, content: .bucket(bucket), offset: offset)
    }
}

/// Numbers of pages, each of them below the file's count.
private struct PageSet: Sendable {
    private var words: [UInt64] = []

    /// False if it is there already.
    mutating func insert(_ page: Int) -> Bool {
        let word = page >> 6
        let bit: UInt64 = 1 << UInt64(page & 63)
        if word >= words.count {
            words += [UInt64](repeating: 0, count: word + 1 - words.count)
        }
        guard words[word] & bit == 0 else { return false }
        words[word] |= bit
        return true
    }
}
