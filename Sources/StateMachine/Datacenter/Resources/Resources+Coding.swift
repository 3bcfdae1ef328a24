package import Primitives

/// The form of resources in records and log entries. Equal values have equal bytes.
///
/// ```
/// version    UInt8      1
/// entries    UInt16     how many, then each:
///   flags    UInt8      bits 0-1 kind (0 scalar, 1 ranges, 2 items), 2 disk, 3 shared, 4 copies
///   name     text       UInt16 and that many bytes of UTF-8
///   value    scalar: Int64 · ranges: UInt32 and (UInt64, UInt64) each · items: UInt32, texts
///   stack    UInt8      how many reservations, then each:
///     flags  UInt8      bit 0 dynamic, 1 principal
///     role   text, principal text if so
///     labels UInt8      how many, then each: key text, UInt8 whether a value, value text if so
///   disk     UInt8 flags: 0 persistence, 1 its principal, 2 path, 3 read-only; the texts; opaque
///            UInt16 and bytes
///   copies   Int64
/// ```
///
/// Integers are little-endian. A decoder takes nothing but what the encoder writes: entries in
/// order, none twice, none empty, all valid. A difference may be of more ranges than a decoder
/// takes: what is recorded was validated, or is a sum or the result of an operation.
extension Resources {
    private static let version: UInt8 = 1

    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        encode(into: &writer)
        return writer.bytes
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(Resources.version)
        writer.write(UInt16(entries.count))
        for entry in entries { entry.encode(into: &writer) }
    }

    /// - Throws: ``ResourcesError``; also when something follows.
    package static func decode(_ bytes: [UInt8]) throws(ResourcesError) -> Resources {
        var reader = ByteReader(bytes)
        let resources = try decode(from: &reader)
        guard reader.isAtEnd else { throw .notCanonical }
        return resources
    }

    /// Reads one value, and leaves what follows.
    package static func decode(
        from reader: inout ByteReader
    ) throws(ResourcesError) -> Resources {
        let version: UInt8 = try reader.number()
        guard version == Resources.version else { throw .unknownVersion(version) }
        let count = Int(try reader.number(UInt16.self))
        guard count <= ResourceLimits.entriesMax else {
            throw .tooManyEntries(limit: ResourceLimits.entriesMax)
        }
        var entries: [ResourceEntry] = []
        for _ in 0..<count {
            let entry = try ResourceEntry.decode(from: &reader)
            try entry.validate()
            let isInOrder = entries.last.map { ResourceEntry.compare($0, entry) < 0 } ?? true
            guard isInOrder, !entry.value.isEmpty else { throw .notCanonical }
            entries.append(entry)
        }
        return Resources(normalised: entries)
    }
}

extension ResourceEntry {
    fileprivate func encode(into writer: inout ByteWriter) {
        var flags = value.kind
        if disk != nil { flags |= 4 }
        if isShared { flags |= 8 }
        if copies != 1 { flags |= 16 }
        writer.write(flags)
        writer.writeText(name)
        switch value {
        case .scalar(let amount): writer.write(amount)
        case .ranges(let ranges):
            writer.write(UInt32(ranges.ranges.count))
            for range in ranges.ranges {
                writer.write(range.lowerBound)
                writer.write(range.upperBound)
            }
        case .items(let items):
            writer.write(UInt32(items.count))
            for item in items { writer.writeText(item) }
        }
        writer.write(UInt8(reservations.count))
        for reservation in reservations { reservation.encode(into: &writer) }
        disk?.encode(into: &writer)
        if copies != 1 { writer.write(copies) }
    }

    fileprivate static func decode(
        from reader: inout ByteReader
    ) throws(ResourcesError) -> ResourceEntry {
        let flags: UInt8 = try reader.number()
        guard flags < 32 else { throw .notCanonical }
        let name = try reader.text()
        let value = try ResourceValue.decode(kind: flags & 3, from: &reader)
        let count = Int(try reader.number(UInt8.self))
        guard count <= ResourceLimits.reservationsMax else {
            throw .tooManyReservations(limit: ResourceLimits.reservationsMax)
        }
        var reservations: [Reservation] = []
        for _ in 0..<count { reservations.append(try Reservation.decode(from: &reader)) }
        var entry = ResourceEntry(
            name, value, reservations: reservations, isShared: flags & 8 != 0)
        if flags & 4 != 0 {
            let disk = try DiskInformation.decode(from: &reader)
            guard !disk.isEmpty else { throw .notCanonical }
            entry.disk = disk
        }
        if flags & 16 != 0 {
            entry.copies = try reader.number()
            guard entry.copies != 1 else { throw .notCanonical }
        }
        return entry
    }
}

extension ResourceValue {
    fileprivate static func decode(
        kind: UInt8, from reader: inout ByteReader
    ) throws(ResourcesError) -> ResourceValue {
        if kind == 0 { return .scalar(try reader.number()) }
        let count = Int(try reader.number(UInt32.self))
        if kind == 2 {
            guard count <= ResourceLimits.itemsMax else {
                throw .tooManyItems(limit: ResourceLimits.itemsMax)
            }
            var items: [ByteText] = []
            for _ in 0..<count { items.append(try reader.text()) }
            return .items(items)
        }
        guard kind == 1 else { throw .notCanonical }
        guard count <= ResourceLimits.rangesMax else {
            throw .tooManyRanges(limit: ResourceLimits.rangesMax)
        }
        var pairs: [(begin: UInt64, end: UInt64)] = []
        for _ in 0..<count {
            pairs.append((try reader.number(), try reader.number()))
        }
        let ranges = try ResourceRanges(pairs)
        // Out of order or joined, there would be two forms of one value.
        let isSame =
            ranges.ranges.count == count
            && zip(ranges.ranges, pairs).allSatisfy { $0.lowerBound == $1.begin }
        guard isSame else { throw .notCanonical }
        return .ranges(ranges)
    }
}

extension Reservation {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(kind.rawValue | (principal == nil ? 0 : 2))
        writer.writeText(role)
        if let principal { writer.writeText(principal) }
        writer.write(UInt8(labels.count))
        for label in labels {
            writer.writeText(label.key)
            writer.write(UInt8(label.value == nil ? 0 : 1))
            if let value = label.value { writer.writeText(value) }
        }
    }

    fileprivate static func decode(
        from reader: inout ByteReader
    ) throws(ResourcesError) -> Reservation {
        let flags: UInt8 = try reader.number()
        guard flags < 4, let kind = Kind(rawValue: flags & 1) else { throw .notCanonical }
        let role = try reader.text()
        let principal = flags & 2 != 0 ? try reader.text() : nil
        let count = Int(try reader.number(UInt8.self))
        guard count <= ResourceLimits.labelsMax else {
            throw .tooManyLabels(limit: ResourceLimits.labelsMax)
        }
        var labels: [Label] = []
        for _ in 0..<count {
            let key = try reader.text()
            let hasValue: UInt8 = try reader.number()
            guard hasValue < 2 else { throw .notCanonical }
            labels.append(Label(key: key, value: hasValue == 1 ? try reader.text() : nil))
        }
        let reservation = Reservation(kind, role: role, principal: principal, labels: labels)
        guard reservation.labels == labels else { throw .notCanonical }
        return reservation
    }
}

extension DiskInformation {
    fileprivate func encode(into writer: inout ByteWriter) {
        var flags: UInt8 = 0
        if persistence != nil { flags |= 1 }
        if persistence?.principal != nil { flags |= 2 }
        if containerPath != nil { flags |= 4 }
        if mode == .readOnly { flags |= 8 }
        writer.write(flags)
        if let persistence {
            writer.writeText(persistence.id)
            if let principal = persistence.principal { writer.writeText(principal) }
        }
        if let containerPath { writer.writeText(containerPath) }
        writer.write(UInt16(opaque.count))
        writer.write(opaque)
    }

    fileprivate static func decode(
        from reader: inout ByteReader
    ) throws(ResourcesError) -> DiskInformation {
        let flags: UInt8 = try reader.number()
        // A principal belongs to a persistence id.
        guard flags < 16, flags & 3 != 2 else { throw .notCanonical }
        var disk = DiskInformation(mode: flags & 8 != 0 ? .readOnly : .readWrite)
        if flags & 1 != 0 {
            let id = try reader.text()
            disk.persistence = Persistence(
                id: id, principal: flags & 2 != 0 ? try reader.text() : nil)
        }
        if flags & 4 != 0 { disk.containerPath = try reader.text() }
        let count = Int(try reader.number(UInt16.self))
        do { disk.opaque = try reader.readBytes(count) } catch { throw .undecodable(error) }
        return disk
    }
}

extension ByteWriter {
    fileprivate mutating func writeText(_ text: ByteText) {
        write(UInt16(text.byteCount))
        write(Array(text.text.utf8))
    }
}

extension ByteReader {
    fileprivate mutating func number<T: FixedWidthInteger>(
        _ type: T.Type = T.self
    ) throws(ResourcesError) -> T {
        do { return try read(type) } catch { throw .undecodable(error) }
    }

    fileprivate mutating func text() throws(ResourcesError) -> ByteText {
        let start = offset
        do throws(DecodingError) {
            let count = Int(try read(UInt16.self))
            guard let text = String(validating: try readBytes(count), as: UTF8.self) else {
                throw DecodingError.invalid(field: "text", offset: start)
            }
            return ByteText(text)
        } catch { throw .undecodable(error) }
    }
}
