/// Resources and attributes as the older endpoints show them: sums by name, with `cpus`, `gpus`,
/// `mem` and `disk` always there, ranges and sets as text (`[31000-31999, 40000-40000]`,
/// `{a, b}`), and revocable resources under a name of their own that ends in `_revocable`.
struct LegacyResources {
    private var scalars: [String: Double] = ["cpus": 0, "gpus": 0, "mem": 0, "disk": 0]
    private var ranges: [String: [MesosValue.Range]] = [:]
    private var sets: [String: [String]] = [:]

    init(_ resources: some Sequence<MesosResource>) {
        for resource in resources {
            let name = resource.name + (resource.hasRevocable ? "_revocable" : "")
            switch resource.type {
            case .scalar: scalars[name, default: 0] += resource.scalar.value
            case .ranges: ranges[name, default: []] += resource.ranges.range
            case .set: sets[name, default: []] += resource.set.item
            case .text: continue
            }
        }
    }

    func write(into writer: inout JSONWriter) {
        for name in scalars.keys.sorted() { writer.field(name, scalars[name] ?? 0) }
        for name in ranges.keys.sorted() { writer.field(name, Self.text(ranges[name] ?? [])) }
        for name in sets.keys.sorted() { writer.field(name, Self.text(sets[name] ?? [])) }
    }

    /// Sorted; ranges that touch or overlap are one.
    static func text(_ ranges: [MesosValue.Range]) -> String {
        var joined: [(begin: UInt64, end: UInt64)] = []
        for range in ranges.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
            if let last = joined.last, range.begin <= last.end || range.begin - last.end == 1 {
                joined[joined.count - 1].end = max(last.end, range.end)
            } else {
                joined.append((range.begin, range.end))
            }
        }
        return "[" + joined.map { "\($0.begin)-\($0.end)" }.joined(separator: ", ") + "]"
    }

    static func text(_ items: [String]) -> String {
        "{" + items.sorted().joined(separator: ", ") + "}"
    }

    static func write(_ attributes: [MesosAttribute], into writer: inout JSONWriter) {
        for attribute in attributes {
            switch attribute.type {
            case .scalar: writer.field(attribute.name, attribute.scalar.value)
            case .ranges: writer.field(attribute.name, text(attribute.ranges.range))
            case .set: writer.field(attribute.name, text(attribute.set.item))
            case .text: writer.field(attribute.name, attribute.text.value)
            }
        }
    }
}

extension MesosResource {
    /// The innermost role that it is reserved for, in either way of saying it; nil where it is
    /// anybody's.
    package var reservationRole: String? {
        if let last = reservations.last { return last.role }
        return role == "*" ? nil : role
    }
}

extension JSONWriter {
    mutating func resources(_ name: String, _ resources: some Sequence<MesosResource>) {
        object(name) { LegacyResources(resources).write(into: &$0) }
    }

    mutating func labels(_ labels: MesosLabels) {
        array("labels") { list in
            for label in labels.labels { list.element(json: MesosJSON.encode(label)) }
        }
    }

    /// A list of enum values by name, which protobuf's JSON keeps in an object each.
    mutating func capabilities(_ names: [String]) { array("capabilities", of: names) }
}
