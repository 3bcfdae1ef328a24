/// The name of a service, or of a group of services: a path such as `/prod/web`, as in Marathon.
package struct ServiceID: Hashable, Comparable, Sendable, CustomStringConvertible,
    ExpressibleByStringLiteral
{
    package let path: ByteText

    package init(_ path: ByteText) { self.path = path }
    package init(_ path: String) { self.path = ByteText(path) }
    package init(stringLiteral path: String) { self.init(path) }

    package static let root = ServiceID("/")

    package static func < (one: ServiceID, other: ServiceID) -> Bool { one.path < other.path }

    package var description: String { path.text }

    /// Marathon's rule: segments of lower-case letters, digits, hyphens and dots; no part between
    /// dots begins or ends with a hyphen. The root is the name of a group only.
    package var isValid: Bool {
        let bytes = Array(path.text.utf8)
        guard bytes.count > 1, bytes.count <= ServiceLimits.idBytesMax, bytes[0] == 0x2F else {
            return false
        }
        return bytes.dropFirst().split(separator: 0x2F, omittingEmptySubsequences: false)
            .allSatisfy { segment in
                segment.split(separator: 0x2E, omittingEmptySubsequences: false)
                    .allSatisfy(ServiceID.isLabel)
            }
    }

    private static func isLabel(_ label: ArraySlice<UInt8>) -> Bool {
        guard let first = label.first, let last = label.last, first != 0x2D, last != 0x2D else {
            return false
        }
        return label.allSatisfy {
            ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2D
        }
    }

    /// Whether `other` lies below this one.
    package func isAncestor(of other: ServiceID) -> Bool {
        self == .root ? other != .root : other.path.text.utf8.starts(with: below.path.text.utf8)
    }

    /// What all paths below this one begin with.
    var below: ServiceID { self == .root ? self : ServiceID(path.text + "/") }

    /// The group that it is in; nil for the root.
    package var parent: ServiceID? {
        if self == .root { return nil }
        let bytes = Array(path.text.utf8)
        guard let slash = bytes.lastIndex(of: 0x2F), slash > 0 else { return .root }
        return ServiceID(String(decoding: bytes[..<slash], as: UTF8.self))
    }

    /// What names of tasks begin with: `prod_web`.
    package var taskPrefix: String {
        let bytes = path.text.utf8.dropFirst().map { $0 == 0x2F ? 0x5F : $0 }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A deployment's number: the index of the entry that began it.
package struct DeploymentID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package static func < (one: DeploymentID, other: DeploymentID) -> Bool {
        one.rawValue < other.rawValue
    }

    /// With the shape of a UUID, which clients of Marathon expect.
    package var description: String {
        let digits = Array(Hexadecimal.text(rawValue).utf8)
        let text = { (range: Range<Int>) in String(decoding: digits[range], as: UTF8.self) }
        return "00000000-0000-0000-\(text(0..<4))-\(text(4..<16))"
    }

    /// Nil for what is no deployment's name.
    package init?(_ text: String) {
        let prefix = "00000000-0000-0000-"
        guard text.utf8.count == 36, text.hasPrefix(prefix) else { return nil }
        let digits = text.dropFirst(prefix.utf8.count).split(
            separator: "-", omittingEmptySubsequences: false)
        guard digits.count == 2, digits[0].utf8.count == 4,
            let number = UInt64(digits[0] + digits[1], radix: 16)
        else { return nil }
        self.init(number)
    }
}

/// An instance is known by its task's name, which is used once.
package typealias InstanceID = TaskID

/// The framework that services are to the master.
package enum ServiceFramework {
    package static let id = FrameworkID("marathon")
    package static let name = "marathon"
}

package enum Hexadecimal {
    /// Sixteen digits.
    package static func text(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
