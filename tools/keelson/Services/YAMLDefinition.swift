internal import ControlPlane
internal import Yams

/// A definition that is written in YAML, as the JSON that it stands for.
enum YAMLDefinition {
    /// More values than that come of aliases that hold aliases.
    private static let valuesMax = 100_000
    private static let depthMax = 64

    /// - Parameter name: of the file, for messages.
    static func parse(_ text: String, named name: String) throws(Failure) -> MarathonJSON {
        let node: Yams.Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch {
            throw Failure(
                .usage, "\(name) is no YAML: \(message(of: error))",
                advice: "definitions are JSON as Marathon takes them, or the same in YAML")
        }
        guard let node else { throw Failure(.usage, "\(name) is empty") }
        var left = valuesMax
        return try value(of: node, name, depth: 0, &left)
    }

    private static func message(of error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "line \(mark.line), column \(mark.column): \(problem)"
        case .duplicatedKeysInMapping(let names, _):
            "it has \(names.joined(separator: ", ")) twice"
        case .reader(let problem, _, _, _): problem
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded, .none:
            "\(error)"
        }
    }

    private static func value(
        of node: Yams.Node, _ name: String, depth: Int, _ left: inout Int
    ) throws(Failure) -> MarathonJSON {
        left -= 1
        guard left > 0, depth < depthMax else {
            throw Failure(
                .usage,
                "\(name) holds more than \(valuesMax) values, or more than \(depthMax)"
                    + " within each other")
        }
        switch node {
        case .scalar(let scalar): return try self.scalar(node, scalar.string, name)
        case .sequence(let elements):
            var list: [MarathonJSON] = []
            for element in elements {
                list.append(try value(of: element, name, depth: depth + 1, &left))
            }
            return .list(list)
        case .mapping(let pairs):
            var members: [MarathonJSON.Member] = []
            for (key, element) in pairs {
                guard case .scalar(let key) = key else {
                    throw Failure(.usage, "\(place(node, name)): a name has to be a text")
                }
                let element = try value(of: element, name, depth: depth + 1, &left)
                members.append(MarathonJSON.Member(key.string, element))
            }
            return .object(members)
        case .alias: throw Failure(.usage, "\(place(node, name)): an alias of nothing")
        }
    }

    private static func scalar(
        _ node: Yams.Node, _ text: String, _ name: String
    ) throws(Failure) -> MarathonJSON {
        let tag = node.tag.description
        switch tag {
        case "tag:yaml.org,2002:null": return .null
        case "tag:yaml.org,2002:bool": return .bool(node.bool ?? false)
        case "tag:yaml.org,2002:int":
            guard let number = node.int else {
                throw Failure(.usage, "\(place(node, name)): \(text) is no number that fits")
            }
            return .integer(Int64(number))
        case "tag:yaml.org,2002:float":
            guard let number = node.float, number.isFinite else {
                throw Failure(.usage, "\(place(node, name)): \(text) is no number here")
            }
            return .decimal(number)
        // A version like 2026-11-30 is a text in JSON.
        case "tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp": return .text(text)
        default: throw Failure(.usage, "\(place(node, name)): \(tag) has no meaning here")
        }
    }

    private static func place(_ node: Yams.Node, _ name: String) -> String {
        node.mark.map { "\(name): line \($0.line)" } ?? name
    }
}
