/// Which ids and roles the API takes.
package enum MesosName {
    /// Bytes of an id, which becomes the name of a directory on agents.
    package static let idBytesMax = 255

    /// Why this is no id of a framework, an agent, an executor or a task; nil where it is one.
    package static func problem(ofID id: String) -> String? {
        if id.isEmpty { return "ID must not be empty" }
        guard id.utf8.count <= idBytesMax else {
            return "ID must not be greater than \(idBytesMax) characters"
        }
        if id == "." || id == ".." { return "'\(id)' is disallowed" }
        let isInvalid = { (byte: UInt8) in
            byte < 0x20 || byte == 0x7F || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\")
        }
        return id.utf8.contains(where: isInvalid) ? "'\(id)' contains invalid characters" : nil
    }

    /// Why this is no role; nil where it is one, `*` included. Roles are paths: `eng/web`.
    package static func problem(ofRole role: String) -> String? {
        if role == "*" { return nil }
        let components = role.utf8.split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false
        ).map(Array.init)
        if role.isEmpty { return "Role names cannot be the empty string" }
        if components.first == [] { return "Role '\(role)' cannot start with a slash" }
        if components.last == [] { return "Role '\(role)' cannot end with a slash" }
        for component in components {
            if component.isEmpty { return "Role '\(role)' cannot contain two adjacent slashes" }
            let text = String(decoding: component, as: UTF8.self)
            if [".", "..", "*"].contains(text) {
                return "Role '\(role)' cannot include '\(text)' as a component"
            }
            if component[0] == UInt8(ascii: "-") {
                return "Role component '\(text)' is invalid because it starts with a dash"
            }
            if component.contains(where: {
                (0x09...0x0D).contains($0) || [0x20, 0x7F].contains($0)
            }) {
                return "Role component '\(text)' is invalid because it contains white space"
            }
        }
        return nil
    }

    /// The roles above a role, nearest first: `a/b/c` has `a/b` and `a`.
    package static func ancestors(ofRole role: String) -> [String] {
        let components = role.split(separator: "/")
        return (1..<max(1, components.count)).reversed().map {
            components.prefix($0).joined(separator: "/")
        }
    }
}
