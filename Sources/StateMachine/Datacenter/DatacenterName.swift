/// The name of an agent, a framework, an executor or a task, as text that is fit for a path.
package struct DatacenterName<Kind>: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: ByteText

    package init(_ rawValue: ByteText) { self.rawValue = rawValue }
    package init(_ text: String) { rawValue = ByteText(text) }

    package static func < (one: DatacenterName, other: DatacenterName) -> Bool {
        one.rawValue < other.rawValue
    }

    package var description: String { rawValue.text }
    package var isEmpty: Bool { rawValue.isEmpty }
    var utf8: [UInt8] { Array(rawValue.text.utf8) }

    /// Mesos' rule for ids that clients choose: not empty, at most 255 bytes, neither "." nor
    /// "..", no slash, no space and no control character, for they become names of directories.
    package var isValid: Bool {
        let bytes = rawValue.text.utf8
        guard !bytes.isEmpty, bytes.count <= DatacenterLimits.nameBytesMax else { return false }
        if rawValue == "." || rawValue == ".." { return false }
        return bytes.allSatisfy { $0 > 0x20 && $0 != 0x2F && $0 != 0x5C && $0 != 0x7F }
    }
}

package enum AgentKind: Sendable {}
package enum FrameworkKind: Sendable {}
package enum ExecutorKind: Sendable {}
package enum TaskKind: Sendable {}

package typealias AgentID = DatacenterName<AgentKind>
package typealias FrameworkID = DatacenterName<FrameworkKind>
package typealias ExecutorID = DatacenterName<ExecutorKind>
package typealias TaskID = DatacenterName<TaskKind>

/// A task's id is its framework's own: two frameworks may use the same.
package struct TaskKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var framework: FrameworkID
    package var task: TaskID

    package init(_ framework: FrameworkID, _ task: TaskID) {
        self.framework = framework
        self.task = task
    }

    package static func < (one: TaskKey, other: TaskKey) -> Bool {
        (one.framework, one.task) < (other.framework, other.task)
    }

    package var description: String { "\(framework)/\(task)" }
}

/// An executor runs on one agent; the same id may run on others.
package struct ExecutorKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var agent: AgentID
    package var framework: FrameworkID
    package var executor: ExecutorID

    package init(_ agent: AgentID, _ framework: FrameworkID, _ executor: ExecutorID) {
        self.agent = agent
        self.framework = framework
        self.executor = executor
    }

    package static func < (one: ExecutorKey, other: ExecutorKey) -> Bool {
        (one.agent, one.framework, one.executor) < (other.agent, other.framework, other.executor)
    }

    package var description: String { "\(agent)/\(framework)/\(executor)" }
}
