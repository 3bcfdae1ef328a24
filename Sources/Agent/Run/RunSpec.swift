package import AgentLogic
package import Primitives

/// What a supervisor is told, once: the file `run` in its directory.
package struct RunSpec: Equatable, Sendable {
    package var container: ContainerID
    package var task: TaskSpec
    package var sandbox: String
    /// The supervisor's own directory.
    package var files: String
    /// Bytes of `stdout` and of `stderr` before each is rotated.
    package var outputBytesMax: UInt64 = 10 << 20
    /// How many rotated files of each are kept.
    package var outputFilesMax: UInt32 = 9
    /// Variables of the agent's that every task gets; the task's own come later and win.
    package var environment: [EnvironmentVariable] = []
    /// Control groups to put the task into; none where the machine has none for us.
    package var cgroups: [CgroupPlan] = []

    package init(container: ContainerID, task: TaskSpec, sandbox: String, files: String) {
        self.container = container
        self.task = task
        self.sandbox = sandbox
        self.files = files
    }

    /// In the environment of all that belongs to this run: so it is found wherever it went.
    package var processMark: String { "\(Self.markName)=\(files)" }
    static let markName = "KEELSON_RUN"

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 1024)
        writer.write(container.sequence)
        writer.write(container.index)
        task.encode(into: &writer)
        writer.writeLengthPrefixed(sandbox)
        writer.writeLengthPrefixed(files)
        writer.write(outputBytesMax)
        writer.write(outputFilesMax)
        writer.writeList(environment) { writer, variable in
            writer.writeLengthPrefixed(variable.name)
            writer.writeLengthPrefixed(variable.value)
        }
        writer.writeList(cgroups) { writer, plan in
            writer.writeLengthPrefixed(plan.path)
            writer.write(plan.isUnified)
            writer.writeList(plan.settings) { writer, setting in
                writer.writeLengthPrefixed(setting.file)
                writer.writeLengthPrefixed(setting.value)
            }
        }
        return writer.bytes
    }

    package init(from reader: inout ByteReader) throws(Primitives.DecodingError) {
        let container = ContainerID(sequence: try reader.read(), index: try reader.read())
        let task = try TaskSpec(from: &reader)
        self.init(
            container: container, task: task, sandbox: try reader.readText(),
            files: try reader.readText())
        outputBytesMax = try reader.read()
        outputFilesMax = try reader.read()
        environment = try reader.readList(max: AgentLimits.environmentMax) {
            (reader: inout ByteReader) throws(Primitives.DecodingError) -> EnvironmentVariable in
            EnvironmentVariable(try reader.readText(), try reader.readText())
        }
        cgroups = try reader.readList(max: 16, Self.readPlan)
    }

    private static func readPlan(
        _ reader: inout ByteReader
    ) throws(Primitives.DecodingError) -> CgroupPlan {
        var plan = CgroupPlan(path: try reader.readText(), isUnified: try reader.readFlag())
        plan.settings = try reader.readList(max: 16) {
            (reader: inout ByteReader) throws(Primitives.DecodingError) -> CgroupPlan.Setting in
            CgroupPlan.Setting(file: try reader.readText(), value: try reader.readText())
        }
        return plan
    }
}

/// Who is who, written when the task's process exists.
package struct StartRecord: Equatable, Sendable {
    package var pid: Int32
    package var startTicks: UInt64
    package var supervisorPID: Int32
    package var supervisorStartTicks: UInt64
    package var bootID: String
    package var atMillis: UInt64

    package init(
        pid: Int32, startTicks: UInt64, supervisorPID: Int32, supervisorStartTicks: UInt64,
        bootID: String, atMillis: UInt64
    ) {
        self.pid = pid
        self.startTicks = startTicks
        self.supervisorPID = supervisorPID
        self.supervisorStartTicks = supervisorStartTicks
        self.bootID = bootID
        self.atMillis = atMillis
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(pid)
        writer.write(startTicks)
        writer.write(supervisorPID)
        writer.write(supervisorStartTicks)
        writer.writeLengthPrefixed(bootID)
        writer.write(atMillis)
    }

    package init(from reader: inout ByteReader) throws(Primitives.DecodingError) {
        pid = try reader.read()
        startTicks = try reader.read()
        supervisorPID = try reader.read()
        supervisorStartTicks = try reader.read()
        bootID = try reader.readText()
        atMillis = try reader.read()
    }
}
