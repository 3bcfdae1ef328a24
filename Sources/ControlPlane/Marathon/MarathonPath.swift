package import StateMachine

/// Names of apps and groups as clients write them.
package enum MarathonPath {
    /// Slashes at the ends or several in a row do not count; a name without one at its beginning is
    /// of `base`; `.` and `..` are what they are elsewhere.
    package static func resolve(_ text: String, in base: ServiceID = .root) -> ServiceID {
        var parts: [Substring] = text.hasPrefix("/") ? [] : base.path.text.split(separator: "/")
        for part in text.split(separator: "/") {
            switch part {
            case ".": break
            case "..": if !parts.isEmpty { parts.removeLast() }
            default: parts.append(part)
            }
        }
        return ServiceID("/" + parts.joined(separator: "/"))
    }
}
