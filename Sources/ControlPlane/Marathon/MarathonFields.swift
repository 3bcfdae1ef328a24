internal import StateMachine

/// Takes fields out of a JSON object, and notes by their paths which are not what they should be.
struct MarathonFields {
    let json: MarathonJSON
    let path: String
    private(set) var problems: [ServiceProblem] = []

    init(_ json: MarathonJSON, path: String = "") {
        self.json = json
        self.path = path
        if case .object = json { return }
        refuse("", "error.expected.jsobject")
    }

    mutating func refuse(_ name: String, _ message: String) {
        guard problems.count < ServiceLimits.listMax else { return }
        problems.append(ServiceProblem(name.isEmpty ? path : "\(path)/\(name)", message))
    }

    mutating func take(_ problems: [ServiceProblem]) {
        self.problems += problems.prefix(max(0, ServiceLimits.listMax - self.problems.count))
    }

    func has(_ name: String) -> Bool { json[name] != nil }

    /// Nil where it is not there; null is not there either.
    func value(_ name: String) -> MarathonJSON? {
        let value = json[name]
        return value == .null ? nil : value
    }

    mutating func text(_ name: String) -> ByteText? {
        guard let value = value(name) else { return nil }
        if case .text(let text) = value { return ByteText(text) }
        refuse(name, "error.expected.jsstring")
        return nil
    }

    mutating func flag(_ name: String) -> Bool? {
        guard let value = value(name) else { return nil }
        if case .bool(let flag) = value { return flag }
        refuse(name, "error.expected.jsboolean")
        return nil
    }

    /// A number, in thousandths.
    mutating func thousandths(_ name: String) -> Int64? {
        guard let value = value(name) else { return nil }
        let number: Double
        switch value {
        case .integer(let integer): number = Double(integer)
        case .decimal(let decimal): number = decimal
        case .null, .bool, .text, .list, .object:
            refuse(name, "error.expected.jsnumber")
            return nil
        }
        guard number >= 0 else {
            refuse(name, "must be greater than or equal to 0")
            return nil
        }
        guard number <= 9e12 else {
            refuse(name, "is too large")
            return nil
        }
        return Int64((number * 1_000).rounded())
    }

    /// A whole number.
    mutating func count(_ name: String, max: UInt64) -> UInt64? {
        guard let value = value(name) else { return nil }
        guard case .integer(let number) = value else {
            refuse(name, "error.expected.jsnumber")
            return nil
        }
        guard number >= 0 else {
            refuse(name, "must be greater than or equal to 0")
            return nil
        }
        guard UInt64(number) <= max else {
            refuse(name, "must be less than or equal to \(max)")
            return nil
        }
        return UInt64(number)
    }

    /// Seconds, in milliseconds.
    mutating func span(_ name: String) -> UInt64? { thousandths(name).map { UInt64($0) } }

    mutating func list(_ name: String) -> [MarathonJSON]? {
        guard let value = value(name) else { return nil }
        if case .list(let elements) = value { return elements }
        refuse(name, "error.expected.jsarray")
        return nil
    }

    mutating func texts(_ name: String) -> [ByteText]? {
        guard let elements = list(name) else { return nil }
        var found: [ByteText] = []
        for (place, element) in elements.enumerated() {
            if case .text(let text) = element {
                found.append(ByteText(text))
            } else {
                refuse("\(name)(\(place))", "error.expected.jsstring")
            }
        }
        return found
    }

    /// Sorted by name; of several of one name, the last.
    mutating func pairs(_ name: String) -> [ServiceDefinition.Pair]? {
        guard let value = value(name) else { return nil }
        guard case .object(let members) = value else {
            refuse(name, "error.expected.jsobject")
            return nil
        }
        var found: [ByteText: ByteText] = [:]
        for member in members {
            switch member.value {
            case .text(let text): found[ByteText(member.name)] = ByteText(text)
            case .integer(let number): found[ByteText(member.name)] = ByteText(String(number))
            case .bool(let flag): found[ByteText(member.name)] = ByteText(flag ? "true" : "false")
            case .null, .decimal, .list, .object:
                refuse("\(name)(\(member.name))", "error.expected.jsstring")
            }
        }
        return found.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) }
    }

    /// The objects of a list, each with its path.
    mutating func objects(_ name: String) -> [MarathonFields]? {
        list(name)?.enumerated().map { MarathonFields($1, path: "\(path)/\(name)(\($0))") }
    }

    func object(_ name: String) -> MarathonFields? {
        value(name).map { MarathonFields($0, path: "\(path)/\(name)") }
    }
}
