import AgentLogic
import Primitives

/// Instances of services on an agent's machine: what they are, as Mesos' messages say it, and how
/// well they are.
extension SimulatedAgent {
    /// - Parameter info: mesos.v1.TaskInfo, as the scheduler of services wrote it; nil for what is
    ///   none.
    static func spec(ofInstance info: [UInt8], _ key: AgentLogic.TaskKey) -> TaskSpec? {
        let parts = info.withUnsafeBytes { raw -> (command: String, isChecked: Bool)? in
            do throws(ProtobufError) {
                return try words(of: raw)
            } catch { return nil }
        }
        guard let parts, let script = TaskScript(parts.command) else { return nil }
        var spec = TaskSpec(
            frameworkID: key.framework, taskID: key.task, command: .shell(parts.command))
        spec.killGraceMillis = 1000
        if script.isFetched { spec.uris = [TaskURI("file:///there")] }
        if parts.isChecked { spec.healthCheck = HealthCheck(.command(.shell("true"))) }
        return spec
    }

    private static func words(
        of raw: UnsafeRawBufferPointer
    ) throws(ProtobufError) -> (command: String, isChecked: Bool) {
        var found = (command: "", isChecked: false)
        var reader = ProtobufReader(raw)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (7, .lengthDelimited):
                var command = ProtobufReader(try reader.lengthDelimited())
                while let (number, type) = try command.nextField() {
                    guard number == 3, type == .lengthDelimited else {
                        try command.skip(type)
                        continue
                    }
                    found.command = String(
                        decoding: try command.lengthDelimited(), as: UTF8.self)
                }
            case (8, .lengthDelimited):
                _ = try reader.lengthDelimited()
                found.isChecked = true
            case (_, let type): try reader.skip(type)
            }
        }
        return found
    }

    /// What a status says besides its state: mesos.v1.TaskStatus for the framework of services,
    /// which alone reads it.
    static func body(of update: StatusUpdate) -> [UInt8] {
        guard update.key.framework.text == SimulatedOperator.framework else {
            return [UInt8](update.message.utf8) + [update.state.rawValue]
        }
        var writer = ProtobufWriter(capacity: 32)
        writer.field(2, UInt64(update.state.rawValue))
        writer.field(4, update.message)
        if let isHealthy = update.isHealthy {
            writer.tag(8, .varint)
            writer.varint(isHealthy ? 1 : 0)
        }
        return writer.bytes
    }

    // MARK: Health

    func startChecks(_ record: TaskRecord) {
        let script = script(record)
        guard script.wellAfter >= 0 else { return }
        let container = record.container
        later(max(1, script.wellAfter) + random.draw(0...50_000)) { [self] in
            give(.health(container, isHealthy: true, mustEnd: false))
            if script.falters { falterLater(container) }
        }
    }

    /// It falls ill, and gets well again.
    private func falterLater(_ container: ContainerID) {
        later(random.spread(4_000_000, upTo: 8)) { [self] in
            guard !world.isCalm, runs[container]?.isLive == true else { return }
            world.counters.count(CoverageMark.instanceUnwell)
            give(.health(container, isHealthy: false, mustEnd: false))
            later(random.draw(50_000...4_000_000)) { [self] in
                give(.health(container, isHealthy: true, mustEnd: false))
                falterLater(container)
            }
        }
    }

    /// Something ends a process of an instance.
    /// - Returns: whether there was one.
    func endInstance() -> Bool {
        let containers = runs.keys.sorted().filter { container in
            guard let run = runs[container], run.isLive else { return false }
            return run.record.key.framework.text == SimulatedOperator.framework
        }
        guard !containers.isEmpty else { return false }
        finish(random.pick(containers), ExitReport(.signaled(9), atMillis: nowMillis))
        return true
    }

    /// Tasks of the services' framework whose processes run.
    var liveInstances: [String] {
        runs.keys.sorted().compactMap { container in
            guard let run = runs[container], run.isLive,
                run.record.key.framework.text == SimulatedOperator.framework
            else { return nil }
            return run.record.key.task.text
        }
    }
}
