extension Resources: CustomStringConvertible {
    /// What ``ResourcesParser`` reads where the parser has a form for it; other reservations, disks
    /// and copies in the style of Mesos's own logs.
    package var description: String {
        entries.map { $0.description }.joined(separator: ";")
    }
}

extension ResourceEntry: CustomStringConvertible {
    package var description: String {
        var text = name.text
        if let only = reservations.first, reservations.count == 1, only.isPlain {
            text += "(\(only.role))"
        } else if !reservations.isEmpty {
            let list = reservations.map { $0.description }.joined(separator: ",")
            text += "(reservations: [\(list)])"
        }
        if let disk { text += "[\(disk)]" }
        if isShared { text += "<SHARED>" }
        text += ":\(value)"
        return copies == 1 ? text : text + " x\(copies)"
    }
}

extension ResourceValue: CustomStringConvertible {
    package var description: String {
        switch self {
        case .scalar(let amount): return Thousandths.text(amount)
        case .ranges(let ranges):
            let list = ranges.ranges.map { "\($0.lowerBound)-\($0.upperBound)" }
            return "[\(list.joined(separator: ","))]"
        case .items(let items):
            return "{\(items.map { $0.text }.joined(separator: ","))}"
        }
    }
}

extension Reservation: CustomStringConvertible {
    /// Static, and nothing said but the role.
    var isPlain: Bool { kind == .fixed && principal == nil && labels.isEmpty }

    package var description: String {
        var parts = [kind == .fixed ? "STATIC" : "DYNAMIC", role.text]
        if let principal { parts.append(principal.text) }
        if !labels.isEmpty {
            let list = labels.map { label in
                label.value.map { "\(label.key): \($0)" } ?? label.key.text
            }
            parts.append("{\(list.joined(separator: ", "))}")
        }
        return "(\(parts.joined(separator: ",")))"
    }
}

extension DiskInformation: CustomStringConvertible {
    package var description: String {
        var text = persistence?.id.text ?? ""
        if let containerPath {
            text += ":\(containerPath)"
            if mode == .readOnly { text += ":ro" }
        }
        return opaque.isEmpty ? text : text + "+\(opaque.count)B"
    }
}
