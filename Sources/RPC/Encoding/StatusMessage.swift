/// The `grpc-message` form: bytes outside of printable ASCII, and `%`, are percent-encoded.
///
/// Source: gRPC's `PROTOCOL-HTTP2.md`, "Status-Message".
package enum StatusMessage {
    /// The longest text that is sent, in bytes before encoding: a trailer must fit the peer's
    /// limits.
    package static let bytesMax = 4096

    package static func encode(_ text: String) -> [UInt8] {
        var encoded: [UInt8] = []
        encoded.reserveCapacity(text.utf8.count)
        let last = min(text.utf8.count, bytesMax) - 1
        for (position, byte) in text.utf8.prefix(bytesMax).enumerated() {
            // HTTP/2 forbids a space at either end of a field (RFC 9113 §8.2.1).
            let isEnd = position == 0 || position == last
            if byte > 0x20 || (byte == 0x20 && !isEnd), byte <= 0x7E, byte != UInt8(ascii: "%") {
                encoded.append(byte)
            } else {
                encoded.append(UInt8(ascii: "%"))
                encoded.append(hexDigit(byte >> 4))
                encoded.append(hexDigit(byte & 15))
            }
        }
        return encoded
    }

    /// Never fails: what is not a valid escape stays as it is, and broken UTF-8 is repaired.
    package static func decode(_ bytes: UnsafeRawBufferPointer) -> String {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var position = 0
        while position < bytes.count {
            if bytes[position] == UInt8(ascii: "%"), bytes.count - position > 2,
                let high = hexValue(bytes[position + 1]), let low = hexValue(bytes[position + 2])
            {
                decoded.append(high << 4 | low)
                position += 3
            } else {
                decoded.append(bytes[position])
                position += 1
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }

    private static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): return digit - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): return digit - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): return digit - UInt8(ascii: "a") + 10
        default: return nil
        }
    }
}
