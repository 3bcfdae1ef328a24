/// A piece of work that was done for a request, from when to when. It is made when the work is
/// over, from times that were taken anyway.
///
/// Source of the fields: OpenTelemetry, trace API; of the attributes' names: its semantic
/// conventions, and `keelson.…` for what they do not have.
package struct TraceSpan: Equatable, Sendable {
    /// With OpenTelemetry's numbers.
    package enum Kind: Int, Sendable {
        case `internal` = 1
        case server = 2
    }

    package enum Value: Equatable, Sendable {
        case text(String)
        case number(Int64)
    }

    package struct Attribute: Equatable, Sendable {
        package var name: String
        package var value: Value

        package init(_ name: String, _ text: String) {
            self.name = name
            value = .text(text)
        }

        package init(_ name: String, _ number: Int64) {
            self.name = name
            value = .number(number)
        }
    }

    package var traceID: TraceID
    package var spanID: SpanID
    package var parentSpanID: SpanID?
    package var name: String
    package var kind: Kind
    /// Nanoseconds since 1970.
    package var began: UInt64
    package var ended: UInt64
    package var attributes: [Attribute] = []
    /// Why it counts as failed; nil where it does not.
    package var failure: String?

    package init(
        _ context: TraceContext, _ name: String, _ kind: Kind, began: UInt64, ended: UInt64
    ) {
        traceID = context.traceID
        spanID = context.spanID
        parentSpanID = context.parentSpanID
        self.name = name
        self.kind = kind
        self.began = began
        self.ended = max(began, ended)
    }
}
