/// One value of a metric.
package enum MetricValue: Equatable, Sendable {
    case whole(UInt64)
    case real(Double)

    var text: String {
        switch self {
        case .whole(let value): "\(value)"
        case .real(let value):
            if value.isNaN {
                "NaN"
            } else if value.isInfinite {
                value > 0 ? "+Inf" : "-Inf"
            } else if value == value.rounded(), value.magnitude < 1e15 {
                "\(Int64(value))"
            } else {
                "\(value)"
            }
        }
    }
}

/// What tells the values of one metric apart.
package struct MetricLabel: Equatable, Sendable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// A page of metrics in Prometheus' text format, version 0.0.4.
///
/// A name is written once, with all its values. Source: prometheus.io, "Exposition formats".
package struct MetricsText: Sendable {
    package enum Kind: String, Sendable {
        case counter
        case gauge
        case histogram
    }

    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    package private(set) var text = ""

    package init() {}

    package mutating func gauge(_ name: String, _ help: String, _ value: Double) {
        family(name, help, .gauge, [([], .real(value))])
    }

    package mutating func counter(_ name: String, _ help: String, _ value: UInt64) {
        family(name, help, .counter, [([], .whole(value))])
    }

    package mutating func family(
        _ name: String, _ help: String, _ kind: Kind,
        _ rows: [(labels: [MetricLabel], value: MetricValue)]
    ) {
        head(name, help, kind)
        for row in rows { line(name, row.labels, row.value.text) }
    }

    /// In seconds.
    package mutating func histograms(
        _ name: String, _ help: String,
        _ rows: [(labels: [MetricLabel], durations: DurationHistogram)]
    ) {
        head(name, help, .histogram)
        for row in rows {
            var total: UInt64 = 0
            for (slot, count) in row.durations.counts.enumerated() {
                total &+= count
                let bound = MetricValue.real(DurationHistogram.bound(slot)).text
                line(name + "_bucket", row.labels + [MetricLabel("le", bound)], "\(total)")
            }
            line(name + "_sum", row.labels, "\(Double(row.durations.sumNanoseconds) / 1e9)")
            line(name + "_count", row.labels, "\(total)")
        }
    }

    /// What another page says, whose names are others.
    package mutating func append(_ other: MetricsText) { text += other.text }

    private mutating func head(_ name: String, _ help: String, _ kind: Kind) {
        text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n"
        text += "# TYPE \(name) \(kind.rawValue)\n"
    }

    private mutating func line(_ name: String, _ labels: [MetricLabel], _ value: String) {
        text += name
        if !labels.isEmpty {
            text += "{"
            for (place, label) in labels.enumerated() {
                if place > 0 { text += "," }
                text += "\(label.name)=\"\(Self.escaped(label.value, quotes: true))\""
            }
            text += "}"
        }
        text += " \(value)\n"
    }

    private static func escaped(_ value: String, quotes: Bool) -> String {
        guard value.utf8.contains(where: { $0 == 0x5C || $0 == 0x0A || $0 == 0x22 }) else {
            return value
        }
        var text = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\"" where quotes: text += "\\\""
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
