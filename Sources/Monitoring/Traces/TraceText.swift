/// Spans as OpenTelemetry's collectors read them: an `ExportTraceServiceRequest` as JSON, without a
/// line break in it, so that a line of a file is one, too.
///
/// Source: OTLP 1.x, "JSON Protobuf Encoding": ids in base 16, 64-bit numbers as text, enums as
/// numbers.
package struct TraceText: Sendable {
    /// Everything up to the spans, which is the same each time.
    private let head: [UInt8]

    /// - Parameter resource: who tells of the spans.
    package init(resource: [TraceSpan.Attribute], scope: String, version: String) {
        var text = Array(#"{"resourceSpans":[{"resource":{"attributes":"#.utf8)
        Self.write(resource, into: &text)
        text += Array(#"},"scopeSpans":[{"scope":{"name":"#.utf8)
        Self.write(scope, into: &text)
        text += Array(#","version":"#.utf8)
        Self.write(version, into: &text)
        text += Array(#"},"spans":["#.utf8)
        head = text
    }

    /// About 400 bytes a span.
    package func encode(_ spans: ArraySlice<TraceSpan>) -> [UInt8] {
        var text = head
        text.reserveCapacity(head.count + 512 * spans.count)
        for (position, span) in spans.enumerated() {
            if position > 0 { text.append(UInt8(ascii: ",")) }
            Self.write(span, into: &text)
        }
        text += Array("]}]}]}".utf8)
        return text
    }

    private static func write(_ span: TraceSpan, into text: inout [UInt8]) {
        text += #"{"traceId":"\#(span.traceID)","spanId":"\#(span.spanID)""#.utf8
        if let parent = span.parentSpanID { text += #","parentSpanId":"\#(parent)""#.utf8 }
        text += #","name":"#.utf8
        write(span.name, into: &text)
        text += #","kind":\#(span.kind.rawValue),"startTimeUnixNano":"\#(span.began)""#.utf8
        text += #","endTimeUnixNano":"\#(span.ended)","attributes":"#.utf8
        write(span.attributes, into: &text)
        if let failure = span.failure {
            text += #","status":{"code":2,"message":"#.utf8
            write(failure, into: &text)
            text.append(UInt8(ascii: "}"))
        }
        text.append(UInt8(ascii: "}"))
    }

    private static func write(
        _ attributes: [TraceSpan.Attribute], into text: inout [UInt8]
    ) {
        text.append(UInt8(ascii: "["))
        for (position, attribute) in attributes.enumerated() {
            text += (position > 0 ? #",{"key":"# : #"{"key":"#).utf8
            write(attribute.name, into: &text)
            switch attribute.value {
            case .text(let value):
                text += #","value":{"stringValue":"#.utf8
                write(value, into: &text)
            case .number(let value): text += #","value":{"intValue":"\#(value)""#.utf8
            }
            text += "}}".utf8
        }
        text.append(UInt8(ascii: "]"))
    }

    /// A string of JSON (RFC 8259 §7).
    private static func write(_ value: String, into text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
            case 0..<0x20:
                text += (byte < 16 ? #"\u000"# : #"\u00"#).utf8
                text += String(byte, radix: 16).utf8
            default: text.append(byte)
            }
        }
        text.append(UInt8(ascii: "\""))
    }
}
