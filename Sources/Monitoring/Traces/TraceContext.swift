/// Names a trace: all that was done for one request. Never zero (W3C Trace Context).
package struct TraceID: Hashable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init?(high: UInt64, low: UInt64) {
        guard high | low != 0 else { return nil }
        self.high = high
        self.low = low
    }

    /// 32 digits.
    package var description: String { HexText.digits(high) + HexText.digits(low) }
}

/// Names a span within its trace. Never zero.
package struct SpanID: Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64

    package init?(_ rawValue: UInt64) {
        guard rawValue != 0 else { return nil }
        self.rawValue = rawValue
    }

    /// 16 digits.
    package var description: String { HexText.digits(rawValue) }
}

/// What a caller's `traceparent` header says.
///
/// Source: W3C Trace Context, level 1, §3.2: `version-trace id-parent id-flags`, in lower case.
package struct TraceParent: Equatable, Sendable {
    package var traceID: TraceID
    package var spanID: SpanID
    /// The caller records its part, and wants ours.
    package var isSampled: Bool

    package init(traceID: TraceID, spanID: SpanID, isSampled: Bool) {
        self.traceID = traceID
        self.spanID = spanID
        self.isSampled = isSampled
    }

    private static let byteCount = 55

    /// Nil for what the standard calls invalid: then the caller has said nothing.
    package init?(_ text: ArraySlice<UInt8>) {
        let text = Array(text)
        let dash = UInt8(ascii: "-")
        guard text.count >= Self.byteCount, text[2] == dash, text[35] == dash, text[52] == dash,
            let version = HexText.number(text[0..<2]), version != 0xFF,
            let high = HexText.number(text[3..<19]), let low = HexText.number(text[19..<35]),
            let traceID = TraceID(high: high, low: low),
            let spanID = HexText.number(text[36..<52]).flatMap(SpanID.init),
            let flags = HexText.number(text[53..<55])
        else { return nil }
        // Later versions may say more behind it.
        let isWhole = text.count == Self.byteCount
        guard isWhole || (version > 0 && text[Self.byteCount] == dash) else { return nil }
        self.init(traceID: traceID, spanID: spanID, isSampled: flags & 1 == 1)
    }
}

/// Where in which trace a call is.
package struct TraceContext: Equatable, Sendable {
    package var traceID: TraceID
    /// Of the call itself.
    package var spanID: SpanID
    /// The caller's; nil where the trace begins here.
    package var parentSpanID: SpanID?

    package init(traceID: TraceID, spanID: SpanID, parentSpanID: SpanID?) {
        self.traceID = traceID
        self.spanID = spanID
        self.parentSpanID = parentSpanID
    }
}

/// Numbers in base 16, as traces have them: lower case, all digits.
enum HexText {
    static func digits(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }

    /// Nil where there is anything but lower case digits. 16 of them at most.
    static func number(_ text: ArraySlice<UInt8>) -> UInt64? {
        var number: UInt64 = 0
        for byte in text {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                number = number << 4 | UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"):
                number = number << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return number
    }
}
