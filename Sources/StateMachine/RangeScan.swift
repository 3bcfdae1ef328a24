package import Primitives

/// A large range at one revision, taken in steps: whatever is written or compacted meanwhile, on
/// whatever thread the steps run. It holds a snapshot of the tree, so keep none longer than needed.
package struct RangeScan: Sendable {
    private let tree: PersistentTree
    private let range: KeyRange
    /// The revision that is read.
    private let readRevision: Int64
    /// The header's revision.
    package let revision: Revision
    package let form: RecordForm
    /// Where the next step begins; nil when the range is done.
    private var cursor: [UInt8]?

    init(
        tree: PersistentTree, range: KeyRange, readRevision: Int64, revision: Revision,
        form: RecordForm
    ) {
        self.tree = tree
        self.range = range
        self.readRevision = readRevision
        self.revision = revision
        self.form = form
        cursor = range.start
    }

    package var isDone: Bool { cursor == nil }

    /// The next records in key order, up to `recordsMax` of them and, if given, no more keys looked
    /// at than `keysMax`; none when the range is done (``isDone``), or when none of the keys looked
    /// at was live. Cost: O(log n + keys looked at).
    package mutating func next(recordsMax: Int, keysMax: Int = .max) -> [Record] {
        var records: [Record] = []
        walk(recordsMax: recordsMax, keysMax: keysMax) { records.append($0) }
        return records
    }

    /// Like ``next(recordsMax:keysMax:)``, for what the records amount to: how many there are and
    /// their size as field 2 of a RangeResponse.
    package mutating func measure(keysMax: Int) -> (count: Int, byteCount: Int) {
        var count = 0
        var byteCount = 0
        let form = self.form
        walk(recordsMax: .max, keysMax: keysMax) { record in
            count += 1
            byteCount += record.embeddedByteCount(form)
        }
        return (count, byteCount)
    }

    /// Appends the next records as field 2 of a RangeResponse until `bytesMax` is reached or passed
    /// by the last of them. Returns how many.
    package mutating func encode(into writer: inout ProtobufWriter, bytesMax: Int) -> Int {
        var count = 0
        let form = self.form
        let limit = writer.bytes.count + bytesMax
        while !isDone, writer.bytes.count < limit {
            walk(recordsMax: 1, keysMax: .max, until: { writer.bytes.count >= limit }) { record in
                record.encodeKeyValue(field: 2, into: &writer, form)
                count += 1
            }
        }
        return count
    }

    private mutating func walk(recordsMax: Int, keysMax: Int, _ body: (Record) -> Void) {
        var count = 0
        walk(
            recordsMax: recordsMax, keysMax: keysMax,
            until: {
                count += 1
                return count >= recordsMax
            }, body)
    }

    /// Visits live records until `until`, asked after each, says to stop.
    private mutating func walk(
        recordsMax: Int, keysMax: Int, until isEnough: () -> Bool, _ body: (Record) -> Void
    ) {
        guard let start = cursor, keysMax > 0, recordsMax > 0 else { return }
        var looked = 0
        var last: Record?
        let readRevision = self.readRevision
        let rest = range.resumed(at: start)
        rest.withBounds { start, end in
            tree.forEach(from: start, to: end) { newest, history in
                looked += 1
                var stops = looked >= keysMax
                if let record = KeySpace.visible(newest, history, at: readRevision) {
                    body(record)
                    stops = isEnough() || stops
                }
                if stops { last = newest }
                return !stops
            }
        }
        cursor = last.map { $0.withKey { Array($0) } + [0] }
    }
}

extension KeyRange {
    /// What is left of the range from `key` on.
    func resumed(at key: [UInt8]) -> KeyRange {
        if isSingleKey {
            return key == start ? self : KeyRange(key: key, rangeEnd: key)
        }
        return KeyRange(key: key, rangeEnd: end ?? [0])
    }
}

extension Store {
    /// A scan of what ``range(_:)`` would answer without limit, order and filters, from now on.
    /// O(1).
    package func makeScan(_ request: RangeRequest) throws(StoreError) -> RangeScan {
        try request.check()
        try checkRevision(request)
        return RangeScan(
            tree: keySpace(.of(request.key)).tree, range: request.range,
            readRevision: request.revision > 0 ? request.revision : .max, revision: revision,
            form: request.form)
    }

    /// How many keys of a range are live now. O(log n).
    package func liveCount(_ range: KeyRange) -> Int {
        let space = keySpace(.of(range.start))
        return range.withBounds { space.tree.countLive(from: $0, to: $1) }
    }

    /// Whether ``range(_:)`` answers the request without looking at more than about `keysMax` keys:
    /// otherwise it is to be scanned in steps, or answered off the loop.
    package func isSmall(_ request: RangeRequest, keysMax: Int) -> Bool {
        if request.rangeEnd.isEmpty { return true }
        let isNewest = request.revision <= 0 || request.revision >= mainRevision
        if isNewest, request.countOnly { return true }
        if isNewest, request.limit > 0, request.limit <= keysMax, request.hasDefaultOrder,
            !request.hasRevisionFilters
        {
            return true
        }
        return liveCount(request.range) <= keysMax
    }
}
