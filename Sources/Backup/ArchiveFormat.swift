internal import Primitives
internal import Storage

/// A piece of a cluster's log in an archive, `log-INDEX.klog` by its first entry's index.
///
/// Bytes, little-endian:
///
///     0    "KEELALOG"
///     8    u32  format, 1
///     12   u64  cluster        20  u64  index of the first entry
///     28   u32  CRC-32C of everything before it
///     32   batches
///
///     batch
///     0    u32  bytes of the body      4   u32  bytes of the content, before compression
///     8    u64  first index            16  u32  entries
///     20   u64  milliseconds since 1970 when it was archived, by the archiver's clock
///     28   u64  the leader's clock as of its newest entry that has one; zero for none
///     36   u8   encoding: 0 as it is, 1 LZ4       37  three zeros
///     40   u32  CRC-32C of the head before this field, continuing from the body's of the batch
///          before, or from the file's head
///     44   u32  CRC-32C of the body, continuing from that
///     48   body
///
///     content: of each entry u64 term, u8 kind, u32 length, payload
///
/// A batch is valid when its checksums hold and its first index follows the batch before it. The
/// last file of an archive may end in a batch that a crash cut short, with less than its head says,
/// or in nothing but zeros: it is cut off and fetched again, for the cluster has it. Anything else
/// that does not hold is damage: what is behind it is
/// fetched again into a file that begins with the first entry that cannot be read.
enum ArchiveFormat {
    static let magic: [UInt8] = Array("KEELALOG".utf8)
    static let version: UInt32 = 1
    static let headByteCount = 32
    static let batchHeadByteCount = 48
    /// Of the head, with its own checksum and without the body's.
    static let checkedHeadByteCount = 44
    static let entryHeadByteCount = 13
    /// A file begins with the next batch once one is longer than this.
    static let fileBytesMax = 64 << 20
    /// The most that one batch may hold, before compression. One entry has at most a segment.
    static let contentBytesMax = 128 << 20

    static let basePrefix = "base-"
    static let baseSuffix = ".kbk"
    static let logPrefix = "log-"
    static let logSuffix = ".klog"
    static let lockName = "LOCK"
    /// What a damaged file is called besides where another takes its name.
    static let asideSuffix = ".damaged"
    /// A base on its way in.
    static let incomingName = "incoming.kbk"
    private static let digitCount = 20

    static func baseName(_ index: LogIndex) -> String { basePrefix + digits(index) + baseSuffix }
    static func logName(_ index: LogIndex) -> String { logPrefix + digits(index) + logSuffix }

    private static func digits(_ index: LogIndex) -> String {
        let text = String(index.rawValue)
        return String(repeating: "0", count: max(0, digitCount - text.count)) + text
    }

    static func index(of name: String, _ prefix: String, _ suffix: String) -> LogIndex? {
        guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
        let digits = name.dropFirst(prefix.count).dropLast(suffix.count)
        guard digits.utf8.count == digitCount, let index = UInt64(digits) else { return nil }
        return LogIndex(index)
    }
}

/// What the head of a batch says.
struct ArchiveBatchHead: Equatable {
    var bodyByteCount: Int
    var contentByteCount: Int
    var first: LogIndex
    var entryCount: Int
    var archivedAt: UInt64
    var clock: UInt64
    var isCompressed: Bool

    private func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: ArchiveFormat.batchHeadByteCount)
        writer.write(UInt32(bodyByteCount))
        writer.write(UInt32(contentByteCount))
        writer.write(first.rawValue)
        writer.write(UInt32(entryCount))
        writer.write(archivedAt)
        writer.write(clock)
        writer.write(UInt32(isCompressed ? 1 : 0))
        return writer.bytes
    }

    /// Head, checksums and body, and the last checksum.
    static func batch(
        _ entries: [LogEntry], archivedAt: UInt64, clock: UInt64, chain: UInt32
    ) -> (bytes: [UInt8], chain: UInt32) {
        var content = ByteWriter(
            capacity: entries.reduce(0) {
                $0 + ArchiveFormat.entryHeadByteCount + $1.payload.count
            })
        for entry in entries {
            content.write(entry.term.rawValue)
            content.write(entry.kind.rawValue)
            content.writeLengthPrefixed(entry.payload)
        }
        let packed = LZ4.compress(content.bytes)
        let isCompressed = packed.map { $0.count < content.bytes.count } ?? false
        let body = isCompressed ? packed ?? content.bytes : content.bytes
        let head = ArchiveBatchHead(
            bodyByteCount: body.count, contentByteCount: content.bytes.count,
            first: entries.first?.index ?? .zero, entryCount: entries.count,
            archivedAt: archivedAt, clock: clock, isCompressed: isCompressed
        ).encode()
        let headSum = Checksum.crc32c(head, seed: chain)
        let sum = Checksum.crc32c(body, seed: headSum)
        var writer = ByteWriter(capacity: ArchiveFormat.batchHeadByteCount + body.count)
        writer.write(head)
        writer.write(headSum)
        writer.write(sum)
        writer.write(body)
        return (writer.bytes, sum)
    }

    /// Of a head with its checksum; nil where it is none behind what `chain` was computed of.
    init?(_ bytes: [UInt8], chain: UInt32) {
        guard bytes.count == ArchiveFormat.checkedHeadByteCount,
            Checksum.crc32c(Array(bytes.dropLast(4)), seed: chain) == integer32(bytes.suffix(4))
        else { return nil }
        var reader = ByteReader(bytes)
        do throws(DecodingError) {
            bodyByteCount = Int(try reader.read(UInt32.self))
            contentByteCount = Int(try reader.read(UInt32.self))
            first = LogIndex(try reader.read())
            entryCount = Int(try reader.read(UInt32.self))
            archivedAt = try reader.read()
            clock = try reader.read()
            let encoding = try reader.read(UInt32.self)
            guard encoding <= 1, first.rawValue < 1 << 62, entryCount > 0,
                contentByteCount <= ArchiveFormat.contentBytesMax,
                bodyByteCount <= contentByteCount, contentByteCount / 256 <= bodyByteCount,
                entryCount <= contentByteCount / ArchiveFormat.entryHeadByteCount
            else { return nil }
            isCompressed = encoding == 1
        } catch { return nil }
    }

    private init(
        bodyByteCount: Int, contentByteCount: Int, first: LogIndex, entryCount: Int,
        archivedAt: UInt64, clock: UInt64, isCompressed: Bool
    ) {
        self.bodyByteCount = bodyByteCount
        self.contentByteCount = contentByteCount
        self.first = first
        self.entryCount = entryCount
        self.archivedAt = archivedAt
        self.clock = clock
        self.isCompressed = isCompressed
    }

    /// The entries in `body`; nil where it is not what the head says.
    func entries(_ body: [UInt8]) -> [LogEntry]? {
        let content =
            isCompressed ? LZ4.decompress(body, byteCount: contentByteCount) : body
        guard let content, content.count == contentByteCount else { return nil }
        var reader = ByteReader(content)
        var entries: [LogEntry] = []
        entries.reserveCapacity(entryCount)
        do throws(DecodingError) {
            for number in 0..<entryCount {
                let term = Term(try reader.read())
                guard let kind = EntryKind(rawValue: try reader.read()),
                    term.rawValue < 1 << 62
                else { return nil }
                entries.append(
                    LogEntry(
                        index: first + number, term: term, kind: kind,
                        payload: try reader.readLengthPrefixed()))
            }
        } catch { return nil }
        return reader.isAtEnd ? entries : nil
    }
}

/// Four bytes, little-endian.
func integer32(_ bytes: some Collection<UInt8>) -> UInt32 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
}
