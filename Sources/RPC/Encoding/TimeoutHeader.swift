package import NIOCore

/// gRPC's `grpc-timeout`: up to eight digits and a unit.
///
/// Source: gRPC's `PROTOCOL-HTTP2.md`, "Timeout".
package enum TimeoutHeader {
    /// Nil when it is malformed.
    package static func decode(_ bytes: UnsafeRawBufferPointer) -> TimeAmount? {
        guard bytes.count >= 2, bytes.count <= 9, let unit = bytes.last else { return nil }
        var value: Int64 = 0
        for byte in bytes.dropLast() {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        switch unit {
        case UInt8(ascii: "H"): return .hours(value)
        case UInt8(ascii: "M"): return .minutes(value)
        case UInt8(ascii: "S"): return .seconds(value)
        case UInt8(ascii: "m"): return .milliseconds(value)
        case UInt8(ascii: "u"): return .microseconds(value)
        case UInt8(ascii: "n"): return .nanoseconds(value)
        default: return nil
        }
    }

    /// Rounded up to the finest unit that fits into eight digits.
    package static func encode(_ time: TimeAmount) -> [UInt8] {
        let units: [(nanoseconds: Int64, letter: UInt8)] = [
            (1_000, UInt8(ascii: "u")), (1_000_000, UInt8(ascii: "m")),
            (1_000_000_000, UInt8(ascii: "S")), (60_000_000_000, UInt8(ascii: "M")),
            (3_600_000_000_000, UInt8(ascii: "H")),
        ]
        let nanoseconds = max(0, time.nanoseconds)
        for unit in units {
            let (whole, rest) = nanoseconds.quotientAndRemainder(dividingBy: unit.nanoseconds)
            let value = rest == 0 ? whole : whole + 1
            if value < 100_000_000 { return Array(String(value).utf8) + [unit.letter] }
        }
        return Array("99999999H".utf8)
    }
}
