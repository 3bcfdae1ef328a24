/// Why something cannot be written into a bbolt file.
package enum BoltError: Error, Equatable, Sendable {
    /// Keys of one bucket must ascend.
    case outOfOrder(bucket: String)
    case keyTooLarge(bytes: Int)
    case valueTooLarge(bytes: Int)
}

/// Builds a bbolt file from front to back: buckets one after the other, each in order of its keys.
///
/// Pages come out as they fill, from number 2 on; the two metas, which stand before them, are known
/// only in the end (``finish()``). Whoever wants them first builds twice, the first time to
/// measure: that takes no bytes of values. Memory: a page a level, and what was not taken of the
/// output.
package struct BoltBuilder {
    /// One page in the making, and the level of the tree that it belongs to.
    private struct Level {
        struct Element {
            var keyBytes: Int
            /// Of a leaf: bytes of the value. Of a branch: the child's page.
            var payload: UInt64
            var flags: UInt32 = 0
        }

        var elements: [Element] = []
        var firstKey: [UInt8] = []
        /// Keys, and values behind theirs.
        var data: [UInt8] = []
        var dataBytes = 0

        var pageBytes: Int {
            BoltFormat.pageHeadBytes + BoltFormat.elementBytes * elements.count + dataBytes
        }
    }

    private let isMeasuring: Bool
    /// Pages that are done and not taken.
    private var output: [UInt8] = []
    private var nextPage: UInt64 = 2
    private var levels: [Level] = []
    private var lastKey: [UInt8]?
    private var bucketName = ""
    private var buckets: [(name: String, root: UInt64)] = []

    package init(isMeasuring: Bool) { self.isMeasuring = isMeasuring }

    /// Bytes of pages that were not taken yet.
    package var pendingBytes: Int { output.count }

    /// The pages that are done since the last time.
    package mutating func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    package mutating func beginBucket(_ name: String) {
        bucketName = name
        levels = [Level()]
        lastKey = nil
    }

    /// Adds one pair; `value` writes its value, which must have `valueBytes`, and is not asked
    /// while measuring.
    package mutating func add(
        _ key: [UInt8], valueBytes: Int, _ value: (inout [UInt8]) -> Void
    ) throws(BoltError) {
        guard !key.isEmpty, key.count <= BoltFormat.keyBytesMax else {
            throw .keyTooLarge(bytes: key.count)
        }
        guard valueBytes <= BoltFormat.valueBytesMax else {
            throw .valueTooLarge(bytes: valueBytes)
        }
        if let lastKey, !lastKey.lexicographicallyPrecedes(key) {
            throw .outOfOrder(bucket: bucketName)
        }
        lastKey = key
        append(key, payload: UInt64(valueBytes), flags: 0, dataBytes: valueBytes, to: 0, value)
    }

    package mutating func add(_ key: [UInt8], _ value: [UInt8]) throws(BoltError) {
        try add(key, valueBytes: value.count) { $0 += value }
    }

    package mutating func endBucket() {
        buckets.append((bucketName, closeTree()))
    }

    /// Writes what stands behind all buckets. The file is the metas that come back, and then every
    /// page that came out.
    package mutating func finish() -> BoltLayout {
        levels = [Level()]
        for bucket in buckets.sorted(by: {
            Array($0.name.utf8).lexicographicallyPrecedes(
                Array($1.name.utf8))
        }) {
            append(
                Array(bucket.name.utf8), payload: UInt64(BoltFormat.bucketBytes),
                flags: BoltFormat.bucketFlag, dataBytes: BoltFormat.bucketBytes, to: 0
            ) { data in
                data.append(littleEndian: bucket.root)
                data.append(littleEndian: UInt64(0))
            }
        }
        let root = closeTree()
        let free = nextPage
        emit(kind: .free, elements: 0, bytes: BoltFormat.pageHeadBytes) { _ in }
        return BoltLayout(root: root, free: free, pageCount: nextPage)
    }

    // MARK: The tree

    private mutating func append(
        _ key: [UInt8], payload: UInt64, flags: UInt32, dataBytes: Int, to level: Int,
        _ value: (inout [UInt8]) -> Void
    ) {
        if level == levels.count { levels.append(Level()) }
        let grown =
            levels[level].pageBytes + BoltFormat.elementBytes + key.count + dataBytes
        if grown > BoltFormat.pageBytes, !levels[level].elements.isEmpty { flush(level) }
        if levels[level].elements.isEmpty { levels[level].firstKey = key }
        levels[level].elements.append(
            Level.Element(keyBytes: key.count, payload: payload, flags: flags))
        levels[level].dataBytes += key.count + dataBytes
        if !isMeasuring {
            levels[level].data += key
            value(&levels[level].data)
        }
    }

    /// Writes a level's page and names it in the level above.
    private mutating func flush(_ level: Int) {
        let page = levels[level]
        let number = nextPage
        emit(
            kind: level == 0 ? .leaf : .branch, elements: page.elements.count,
            bytes: page.pageBytes
        ) { output in
            var offset = 0
            for (index, element) in page.elements.enumerated() {
                let position = (page.elements.count - index) * BoltFormat.elementBytes + offset
                if level == 0 {
                    output.append(littleEndian: element.flags)
                    output.append(littleEndian: UInt32(position))
                    output.append(littleEndian: UInt32(element.keyBytes))
                    output.append(littleEndian: UInt32(element.payload))
                    offset += element.keyBytes + Int(element.payload)
                } else {
                    output.append(littleEndian: UInt32(position))
                    output.append(littleEndian: UInt32(element.keyBytes))
                    output.append(littleEndian: element.payload)
                    offset += element.keyBytes
                }
            }
            output += page.data
        }
        levels[level] = Level()
        append(page.firstKey, payload: number, flags: 0, dataBytes: 0, to: level + 1) { _ in }
    }

    /// Writes what is left of a tree, from the leaves up. Its root page.
    private mutating func closeTree() -> UInt64 {
        if levels[0].elements.isEmpty, levels.count == 1 {
            emit(kind: .leaf, elements: 0, bytes: BoltFormat.pageHeadBytes) { _ in }
            return nextPage - 1
        }
        var level = 0
        while true {
            let isTop = level == levels.count - 1
            if isTop, level > 0, levels[level].elements.count == 1 {
                return levels[level].elements[0].payload
            }
            if !levels[level].elements.isEmpty { flush(level) }
            level += 1
        }
    }

    private mutating func emit(
        kind: BoltFormat.PageKind, elements: Int, bytes: Int, _ body: (inout [UInt8]) -> Void
    ) {
        let pages = (bytes + BoltFormat.pageBytes - 1) / BoltFormat.pageBytes
        if !isMeasuring {
            let end = output.count + pages * BoltFormat.pageBytes
            output.append(littleEndian: nextPage)
            output.append(littleEndian: kind.rawValue)
            output.append(littleEndian: UInt16(elements))
            output.append(littleEndian: UInt32(pages - 1))
            body(&output)
            output += [UInt8](repeating: 0, count: end - output.count)
        }
        nextPage += UInt64(pages)
    }
}

/// Where the parts of a finished file are.
package struct BoltLayout: Equatable, Sendable {
    let root: UInt64
    let free: UInt64
    let pageCount: UInt64

    package var fileBytes: Int { Int(pageCount) * BoltFormat.pageBytes }

    /// The first two pages.
    package var metas: [UInt8] {
        (0..<2).flatMap { number -> [UInt8] in
            var page: [UInt8] = []
            page.append(littleEndian: UInt64(number))
            page.append(littleEndian: BoltFormat.PageKind.meta.rawValue)
            page.append(littleEndian: UInt16(0))
            page.append(littleEndian: UInt32(0))
            page.append(littleEndian: BoltFormat.magic)
            page.append(littleEndian: BoltFormat.version)
            page.append(littleEndian: UInt32(BoltFormat.pageBytes))
            page.append(littleEndian: UInt32(0))
            page.append(littleEndian: root)
            page.append(littleEndian: UInt64(0))
            page.append(littleEndian: free)
            page.append(littleEndian: pageCount)
            page.append(littleEndian: UInt64(number))
            let start = BoltFormat.pageHeadBytes
            let checked = page[start..<(start + BoltFormat.checkedMetaBytes)]
            page.append(littleEndian: BoltFormat.checksum(checked))
            return page + [UInt8](repeating: 0, count: BoltFormat.pageBytes - page.count)
        }
    }
}
