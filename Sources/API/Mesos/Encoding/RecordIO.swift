/// The framing of Mesos' streams: a record's length in decimal digits, a line feed, the record.
///
/// There is nothing between records, and nothing that ends a stream.
package enum RecordIO {
    /// Bytes that come before a record of `count` bytes.
    package static func header(count: Int) -> [UInt8] { Array("\(count)\n".utf8) }

    package static func encode(_ record: [UInt8]) -> [UInt8] {
        var framed = header(count: record.count)
        framed.reserveCapacity(framed.count + record.count)
        framed += record
        return framed
    }

    package enum Fault: Error, Equatable, Sendable {
        /// A length begins with this byte, or has it, and it is no digit.
        case notADigit(UInt8)
        case lengthMissing
        /// A length with more digits than any record that is allowed, zeros in front included.
        case lengthTooLong(digitsMax: Int)
        case recordTooLarge(bytes: Int, max: Int)
    }
}

extension RecordIO.Fault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notADigit(let byte): "Failed to decode length: byte \(byte) is no digit"
        case .lengthMissing: "Failed to decode length: it is empty"
        case .lengthTooLong(let max): "Failed to decode length: it has more than \(max) digits"
        case .recordTooLarge(let bytes, let max):
            "Failed to decode record: \(bytes) bytes are more than \(max)"
        }
    }
}

extension RecordIO {
    /// Cuts a stream that comes in any pieces into records.
    ///
    /// It holds at most one unfinished record. After a fault nothing tells where the next record
    /// begins: each later call throws the same fault.
    package struct Decoder: Sendable {
        private enum State: Sendable {
            /// Digits of a length so far, and their value.
            case length(digits: Int, value: Int)
            /// `missing` is above zero.
            case record(missing: Int)
            case failed(Fault)
        }

        private let recordBytesMax: Int
        private let digitsMax: Int
        private var state = State.length(digits: 0, value: 0)
        private var record: [UInt8] = []

        package init(recordBytesMax: Int = MesosLimits.standard.bodyBytesMax) {
            self.recordBytesMax = max(0, recordBytesMax)
            digitsMax = "\(self.recordBytesMax)".utf8.count
        }

        /// Whether a stream may end here: no record and no length is half read.
        package var isBetweenRecords: Bool {
            if case .length(digits: 0, value: _) = state { true } else { false }
        }

        /// Appends the records that `bytes` complete; those before a fault too.
        package mutating func decode(
            _ bytes: some Collection<UInt8>, into records: inout [[UInt8]]
        ) throws(Fault) {
            var rest = bytes[...]
            if case .failed(let fault) = state { throw fault }
            while let first = rest.first {
                switch state {
                case .failed(let fault): throw fault
                case .length(let digits, let value):
                    rest.removeFirst()
                    do {
                        state = try next(first, digits, value)
                    } catch {
                        state = .failed(error)
                        record = []
                        throw error
                    }
                    // An empty record is complete with its length.
                    finish(into: &records)
                case .record(let missing):
                    let piece = rest.prefix(missing)
                    record.append(contentsOf: piece)
                    state = .record(missing: missing - piece.count)
                    rest = rest.dropFirst(piece.count)
                    finish(into: &records)
                }
            }
        }

        private func next(_ byte: UInt8, _ digits: Int, _ value: Int) throws(Fault) -> State {
            if byte == UInt8(ascii: "\n") {
                guard digits > 0 else { throw .lengthMissing }
                guard value <= recordBytesMax else {
                    throw .recordTooLarge(bytes: value, max: recordBytesMax)
                }
                return .record(missing: value)
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else {
                throw .notADigit(byte)
            }
            guard digits < digitsMax else { throw .lengthTooLong(digitsMax: digitsMax) }
            let (tens, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (next, isLarger) = tens.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
            guard !isTooLarge, !isLarger else { throw .lengthTooLong(digitsMax: digitsMax) }
            return .length(digits: digits + 1, value: next)
        }

        private mutating func finish(into records: inout [[UInt8]]) {
            guard case .record(missing: 0) = state else { return }
            records.append(record)
            record = []
            state = .length(digits: 0, value: 0)
        }
    }
}
