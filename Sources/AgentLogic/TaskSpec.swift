/// What a framework wants run: everything that the machine needs to know of a task.
package struct TaskSpec: Equatable, Sendable {
    package var frameworkID: FrameworkID
    package var taskID: TaskID
    /// Nil: the task is its own executor, and the path names it by the task's id.
    package var executorID: ExecutorID?
    package var name = ""
    package var command: TaskCommand
    package var environment: [EnvironmentVariable] = []
    /// The user of the operating system; nil is the agent's own.
    package var user: String?
    package var uris: [TaskURI] = []
    package var resources = TaskResources()
    /// Milliseconds between SIGTERM and SIGKILL.
    package var killGraceMillis: UInt64 = 3000
    package var healthCheck: HealthCheck?
    package var check: TaskCheck?
    package var labels: [TaskLabel] = []
    /// Whether the framework understands KILLING.
    package var reportsKilling = true

    package init(frameworkID: FrameworkID, taskID: TaskID, command: TaskCommand) {
        self.frameworkID = frameworkID
        self.taskID = taskID
        self.command = command
    }

    package var key: TaskKey { TaskKey(framework: frameworkID, task: taskID) }
}

package enum TaskCommand: Equatable, Sendable {
    /// Given to `/bin/sh -c`.
    case shell(String)
    /// A program by path, or by name through the task's `PATH`, and all its arguments from
    /// `argv[0]` on; none means the program's own name.
    case program(String, arguments: [String])
}

package struct EnvironmentVariable: Equatable, Sendable {
    package var name: String
    package var value: String
    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// A file that is put into the sandbox before the task starts.
package struct TaskURI: Equatable, Sendable {
    package var value: String
    package var isExecutable = false
    /// Archives are unpacked beside themselves.
    package var extracts = true
    package var usesCache = false
    /// A relative path below the sandbox; nil is the last component of ``value``.
    package var outputFile: String?
    package init(_ value: String) { self.value = value }
}

package struct TaskResources: Equatable, Sendable {
    /// Thousandths of a processor. Zero: no share is set.
    package var cpuMillis: UInt64 = 0
    /// Whether ``cpuMillis`` is a ceiling as well as a share.
    package var isCPULimited = false
    /// Bytes. Zero: no limit.
    package var memoryBytes: UInt64 = 0
    /// Processes and threads. Zero: no limit.
    package var processesMax: UInt64 = 0
    package var ports: [PortRange] = []
    package init() {}
}

/// Both ends included.
package struct PortRange: Equatable, Sendable {
    package var first: UInt16
    package var last: UInt16
    package init(_ first: UInt16, _ last: UInt16) {
        self.first = first
        self.last = last
    }
}

package struct TaskLabel: Equatable, Sendable {
    package var key: String
    package var value: String?
    package init(_ key: String, _ value: String?) {
        self.key = key
        self.value = value
    }
}

/// How a running task is asked for its health, and what it did answer.
package enum Probe: Equatable, Sendable {
    /// Healthy when it ends with exit code 0. Runs with the task's environment in its sandbox.
    case command(TaskCommand)
    /// Healthy when `GET path` on this machine answers 200 to 399.
    case http(port: UInt16, path: String)
    /// Healthy when a connection is accepted.
    case tcp(port: UInt16)
}

/// When probes are made. All in milliseconds.
package struct ProbeTiming: Equatable, Sendable {
    /// From the task's start to the first probe.
    package var delay: UInt64 = 15_000
    /// From the end of one probe to the next. At least ``intervalMin``.
    package var interval: UInt64 = 10_000
    /// A probe without an answer for so long has failed.
    package var timeout: UInt64 = 20_000
    package static let intervalMin: UInt64 = 100
    package init() {}
}

package struct HealthCheck: Equatable, Sendable {
    package var probe: Probe
    package var timing = ProbeTiming()
    /// Failures in a row after which the task is killed; zero: never.
    package var consecutiveFailures: UInt32 = 3
    /// Milliseconds from the start in which failures before the first success do not count.
    package var gracePeriod: UInt64 = 10_000
    package init(_ probe: Probe) { self.probe = probe }
}

/// Reports what a probe sees and never kills.
package struct TaskCheck: Equatable, Sendable {
    package var probe: Probe
    package var timing = ProbeTiming()
    package init(_ probe: Probe) { self.probe = probe }
}
