/// Why a page of metrics cannot be read.
package enum MetricsReadingError: Error, Equatable, Sendable {
    /// Counted from 1.
    case malformed(line: Int)
    case tooManySamples(max: Int)
}

/// A page of metrics in Prometheus' text format, read. It may be anybody's: whatever it holds, the
/// outcome is a value or an error.
package struct MetricsReading: Sendable {
    package struct Sample: Equatable, Sendable {
        package var name: String
        package var labels: [MetricLabel]
        package var value: Double

        package func label(_ name: String) -> String? {
            labels.first { $0.name == name }?.value
        }

        func has(_ wanted: [MetricLabel]) -> Bool {
            wanted.allSatisfy { label($0.name) == $0.value }
        }
    }

    package static let samplesMax = 200_000
    /// Of one histogram; what has more is no histogram of anybody's.
    package static let boundsMax = 1000

    /// In the page's order.
    package private(set) var samples: [Sample] = []
    /// Names with what they are, as the page declares them.
    package private(set) var types: [(name: String, type: String)] = []
    private var placesOfName: [String: [Int]] = [:]

    /// Cost: linear in the page.
    package init(_ page: [UInt8]) throws(MetricsReadingError) {
        var number = 0
        for line in page.split(separator: 0x0A, omittingEmptySubsequences: false) {
            number += 1
            var reader = Line(bytes: line)
            reader.skipSpaces()
            guard let first = reader.peek else { continue }
            if first == UInt8(ascii: "#") {
                if let type = reader.typeDeclaration() { types.append(type) }
                continue
            }
            guard let sample = reader.sample() else {
                throw MetricsReadingError.malformed(line: number)
            }
            guard samples.count < Self.samplesMax else {
                throw MetricsReadingError.tooManySamples(max: Self.samplesMax)
            }
            placesOfName[sample.name, default: []].append(samples.count)
            samples.append(sample)
        }
    }

    package func all(_ name: String, _ labels: [MetricLabel] = []) -> [Sample] {
        (placesOfName[name] ?? []).map { samples[$0] }.filter { $0.has(labels) }
    }

    /// The first value of that name with those labels; nil where there is none.
    package func value(_ name: String, _ labels: [MetricLabel] = []) -> Double? {
        all(name, labels).first?.value
    }

    /// Zero where there is none.
    package func sum(_ name: String, _ labels: [MetricLabel] = []) -> Double {
        all(name, labels).reduce(0) { $0 + $1.value }
    }

    /// A histogram, with all whose labels fit taken together; their bounds must be the same, and
    /// are ``boundsMax`` at most.
    package func buckets(_ name: String, _ labels: [MetricLabel] = []) -> BucketCounts {
        var counts: [(bound: Double, count: Double)] = []
        for sample in all(name + "_bucket", labels) {
            guard let bound = sample.label("le").flatMap(Self.number), !bound.isNaN else {
                continue
            }
            if let place = counts.firstIndex(where: { $0.bound == bound }) {
                counts[place].count += sample.value
            } else if counts.count < Self.boundsMax {
                counts.append((bound, sample.value))
            }
        }
        counts.sort { $0.bound < $1.bound }
        return BucketCounts(
            bounds: counts.map(\.bound), counts: counts.map(\.count),
            sum: sum(name + "_sum", labels))
    }

    fileprivate static func number(_ text: String) -> Double? {
        switch text {
        case "+Inf", "Inf": .infinity
        case "-Inf": -.infinity
        case "NaN": .nan
        default: Double(text)
        }
    }

    private struct Line {
        let bytes: ArraySlice<UInt8>
        private var place: Int

        init(bytes: ArraySlice<UInt8>) {
            self.bytes = bytes
            place = bytes.startIndex
        }

        var peek: UInt8? { place < bytes.endIndex ? bytes[place] : nil }

        mutating func skipSpaces() {
            while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0D { place += 1 }
        }

        mutating func word(where isPart: (UInt8) -> Bool) -> String? {
            let start = place
            while let byte = peek, isPart(byte) { place += 1 }
            return start == place ? nil : String(decoding: bytes[start..<place], as: UTF8.self)
        }

        private static func isName(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: ":"):
                true
            default: false
            }
        }

        mutating func typeDeclaration() -> (name: String, type: String)? {
            place += 1
            skipSpaces()
            guard word(where: Self.isName) == "TYPE" else { return nil }
            skipSpaces()
            guard let name = word(where: Self.isName) else { return nil }
            skipSpaces()
            guard let type = word(where: Self.isName) else { return nil }
            return (name, type)
        }

        mutating func sample() -> Sample? {
            guard let name = word(where: Self.isName) else { return nil }
            var labels: [MetricLabel] = []
            skipSpaces()
            if peek == UInt8(ascii: "{") {
                guard let found = self.labels() else { return nil }
                labels = found
            }
            skipSpaces()
            guard let text = word(where: { $0 > 0x20 }), let value = MetricsReading.number(text)
            else { return nil }
            // A time in milliseconds may stand behind it.
            skipSpaces()
            if let time = word(where: { $0 > 0x20 }), Double(time) == nil { return nil }
            skipSpaces()
            return peek == nil ? Sample(name: name, labels: labels, value: value) : nil
        }

        private mutating func labels() -> [MetricLabel]? {
            place += 1
            var labels: [MetricLabel] = []
            while true {
                skipSpaces()
                if peek == UInt8(ascii: "}") {
                    place += 1
                    return labels
                }
                guard let name = word(where: Self.isName) else { return nil }
                skipSpaces()
                guard peek == UInt8(ascii: "=") else { return nil }
                place += 1
                skipSpaces()
                guard let value = quoted() else { return nil }
                labels.append(MetricLabel(name, value))
                skipSpaces()
                if peek == UInt8(ascii: ",") {
                    place += 1
                } else if peek != UInt8(ascii: "}") {
                    return nil
                }
            }
        }

        private mutating func quoted() -> String? {
            guard peek == UInt8(ascii: "\"") else { return nil }
            place += 1
            var value: [UInt8] = []
            while let byte = peek {
                place += 1
                switch byte {
                case UInt8(ascii: "\""): return String(decoding: value, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    guard let next = peek else { return nil }
                    place += 1
                    value.append(next == UInt8(ascii: "n") ? 0x0A : next)
                default: value.append(byte)
                }
            }
            return nil
        }
    }
}
