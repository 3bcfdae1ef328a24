/// A name that outsiders chose and that becomes one component of a path: neither empty nor `.` nor
/// `..`, without `/` and control characters, at most ``AgentLimits/identifierBytesMax`` bytes.
///
/// Compared byte by byte, as file names are: two spellings of one letter are two names.
package struct Identifier<Kind>: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String

    /// - Throws: ``AgentError/invalid(field:why:)``.
    package init(_ text: String) throws(AgentError) {
        if let why = Self.fault(of: text) { throw .invalid(field: "identifier", why: why) }
        self.text = text
    }

    private static func fault(of text: String) -> String? {
        if text.isEmpty { return "it is empty" }
        if text == "." || text == ".." { return "it names another directory" }
        let count = text.utf8.count
        if count > AgentLimits.identifierBytesMax {
            return "\(count) bytes are more than \(AgentLimits.identifierBytesMax)"
        }
        for scalar in text.unicodeScalars {
            if scalar == "/" { return "it contains '/'" }
            let value = scalar.value
            if value < 0x20 || (0x7F...0x9F).contains(value) || value == 0x2028 || value == 0x2029 {
                return "it contains the control character U+\(String(value, radix: 16))"
            }
        }
        return nil
    }

    package static func == (a: Self, b: Self) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }
    package static func < (a: Self, b: Self) -> Bool {
        a.text.utf8.lexicographicallyPrecedes(b.text.utf8)
    }
    package func hash(into hasher: inout Hasher) {
        for byte in text.utf8 { hasher.combine(byte) }
        hasher.combine(UInt8(0xFF))
    }
    package var description: String { text }
}

package enum AgentKind: Sendable {}
package enum FrameworkKind: Sendable {}
package enum ExecutorKind: Sendable {}
package enum TaskKind: Sendable {}
package typealias AgentID = Identifier<AgentKind>
package typealias FrameworkID = Identifier<FrameworkKind>
package typealias ExecutorID = Identifier<ExecutorKind>
package typealias TaskID = Identifier<TaskKind>

/// A task, as its framework names it.
package struct TaskKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var framework: FrameworkID
    package var task: TaskID

    package init(framework: FrameworkID, task: TaskID) {
        self.framework = framework
        self.task = task
    }

    package static func < (a: TaskKey, b: TaskKey) -> Bool {
        a.framework == b.framework ? a.task < b.task : a.framework < b.framework
    }
    package var description: String { "\(framework)/\(task)" }
}

/// One run of one task on this agent: the sequence of the order that launched it and its place in
/// that order. Never used twice by one agent id, since no sequence is.
package struct ContainerID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var sequence: UInt64
    package var index: UInt32

    package init(sequence: UInt64, index: UInt32) {
        self.sequence = sequence
        self.index = index
    }

    /// What ``description`` wrote, or nil.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let sequence = UInt64(parts[0]), let index = UInt32(parts[1]),
            "\(sequence)-\(index)" == String(text)
        else { return nil }
        self.init(sequence: sequence, index: index)
    }

    package static func < (a: ContainerID, b: ContainerID) -> Bool {
        a.sequence == b.sequence ? a.index < b.index : a.sequence < b.sequence
    }
    package var description: String { "\(sequence)-\(index)" }
}
