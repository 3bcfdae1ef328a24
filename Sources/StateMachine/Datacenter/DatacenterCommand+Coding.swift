package import Primitives

// `u8 number`, then the fields in order: names, resources and messages length-prefixed (u32), lists
// with a u32 count before them, numbers little-endian. The numbers are part of the log's format:
// never reused.
extension DatacenterCommand {
    private enum Number: UInt8 {
        case registerAgent = 1
        case agentUnreachable, agentGone, agentMode, subscribe, frameworkDisconnected, endFramework
        case launch, reportStatuses, acknowledge, kill, executorEnded, role, time, master, service
        case compact, operate
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 256)
        switch self {
        case .registerAgent(let registration):
            writer.begin(Number.registerAgent.rawValue)
            registration.encode(into: &writer)
        case .agentUnreachable(let id, let session):
            writer.begin(Number.agentUnreachable.rawValue)
            writer.write(id)
            writer.write(session)
        case .agentGone(let id, let byOperator):
            writer.begin(Number.agentGone.rawValue)
            writer.write(id)
            writer.write(byOperator)
        case .agentMode(let id, let mode, let grace, let goneWhenDrained):
            writer.begin(Number.agentMode.rawValue)
            writer.write(id)
            writer.write(mode.rawValue)
            writer.write(grace)
            writer.write(goneWhenDrained)
        case .subscribe(let subscription):
            writer.begin(Number.subscribe.rawValue)
            subscription.encode(into: &writer)
        case .frameworkDisconnected(let id, let session):
            writer.begin(Number.frameworkDisconnected.rawValue)
            writer.write(id)
            writer.write(session)
        case .endFramework(let id, let session):
            writer.begin(Number.endFramework.rawValue)
            writer.write(id)
            writer.write(session)
        case .launch(let launch):
            writer.begin(Number.launch.rawValue)
            launch.encode(into: &writer)
        case .reportStatuses(let agent, let session, let reports):
            writer.begin(Number.reportStatuses.rawValue)
            writer.write(agent)
            writer.write(session)
            writer.writeList(reports) { $0.encode(into: &$1) }
        case .acknowledge(let key, let uuid):
            writer.begin(Number.acknowledge.rawValue)
            writer.write(key)
            writer.writeLengthPrefixed(uuid)
        case .kill(let key, let grace):
            writer.begin(Number.kill.rawValue)
            writer.write(key)
            writer.write(grace)
        case .executorEnded(let key, let session):
            writer.begin(Number.executorEnded.rawValue)
            writer.write(key)
            writer.write(session)
        case .role(let record):
            writer.begin(Number.role.rawValue)
            record.encodeCommand(into: &writer)
        case .time: writer.begin(Number.time.rawValue)
        case .master(let record):
            writer.begin(Number.master.rawValue)
            record.encodeCommand(into: &writer)
        case .service(let command):
            writer.begin(Number.service.rawValue)
            command.encode(into: &writer)
        case .compact(let revision): writer.begin(Number.compact.rawValue, revision)
        case .operate(let agent, let operations):
            writer.begin(Number.operate.rawValue)
            writer.write(agent)
            writer.writeList(operations) { $0.encode(into: &$1) }
        }
        return writer.bytes
    }

    /// What a node must know to apply an encoded command, without decoding the rest.
    package static func level(of bytes: [UInt8]) -> FeatureLevel {
        bytes.first.flatMap(Number.init).map(level) ?? .datacenter
    }

    private static func level(of number: Number) -> FeatureLevel {
        switch number {
        case .service: .services
        case .compact: .recordCompaction
        case .operate: .operatorResources
        case .registerAgent, .agentUnreachable, .agentGone, .agentMode, .subscribe,
            .frameworkDisconnected, .endFramework, .launch, .reportStatuses, .acknowledge, .kill,
            .executorEnded, .role, .time, .master:
            .datacenter
        }
    }

    /// - Parameter known: what the node knows that reads it.
    /// - Throws: ``StoreError/unknownCommand(version:kind:)`` for a number that this program does
    ///   not know, ``StoreError/malformed(offset:)`` for other bytes.
    package static func decode(
        _ bytes: UnsafeRawBufferPointer, known: FeatureLevel = .newest
    ) throws(StoreError) -> DatacenterCommand {
        guard let first = bytes.first else { throw .malformed(offset: 0) }
        guard let number = Number(rawValue: first), known >= level(of: number) else {
            throw .unknownCommand(version: first, kind: CommandKind.datacenter.rawValue)
        }
        var reader = ByteReader(Array(bytes))
        let command: DatacenterCommand
        do throws(DecodingError) {
            _ = try reader.read(UInt8.self)
            command = try decode(number, &reader)
        } catch {
            throw .malformed(offset: reader.offset)
        }
        guard reader.isAtEnd else { throw .malformed(offset: reader.offset) }
        return command
    }

    private static func decode(
        _ number: Number, _ reader: inout ByteReader
    ) throws(DecodingError) -> DatacenterCommand {
        switch number {
        case .registerAgent: return .registerAgent(try AgentRegistration(&reader))
        case .agentUnreachable:
            return .agentUnreachable(try reader.readName(), session: try reader.read())
        case .agentGone:
            return .agentGone(try reader.readName(), byOperator: try reader.readBool())
        case .agentMode:
            let id: AgentID = try reader.readName()
            let start = reader.offset
            guard let mode = AgentRecord.Mode(rawValue: try reader.read()) else {
                throw .invalid(field: "agent mode", offset: start)
            }
            return .agentMode(
                id, mode, graceMilliseconds: try reader.read(),
                goneWhenDrained: try reader.readBool())
        case .subscribe: return .subscribe(try Subscription(&reader))
        case .frameworkDisconnected:
            return .frameworkDisconnected(try reader.readName(), session: try reader.read())
        case .endFramework:
            return .endFramework(try reader.readName(), session: try reader.read())
        case .launch: return .launch(try Launch(&reader))
        case .reportStatuses:
            return .reportStatuses(
                try reader.readName(), session: try reader.read(),
                try reader.readList(max: DatacenterLimits.operationsMax) {
                    source throws(DecodingError) in try StatusReport(&source)
                })
        case .acknowledge:
            return .acknowledge(
                try reader.readTaskKey(), uuid: try reader.readLengthPrefixed(limit: 64))
        case .kill: return .kill(try reader.readTaskKey(), graceMilliseconds: try reader.read())
        case .executorEnded:
            let key = ExecutorKey(
                try reader.readName(), try reader.readName(), try reader.readName())
            return .executorEnded(key, session: try reader.read())
        case .role:
            var record = RoleRecord(role: try reader.readRole())
            record.weight = try reader.read()
            record.guarantee = try reader.readOptionalResources()
            record.limit = try reader.readOptionalResources()
            return .role(record)
        case .time: return .time
        case .service: return .service(try ServiceCommand(&reader))
        case .compact: return .compact(Revision(Int64(bitPattern: try reader.read())))
        case .operate:
            return .operate(
                try reader.readName(),
                try reader.readList(max: DatacenterLimits.operationsMax) {
                    source throws(DecodingError) in try Launch.Operation(&source)
                })
        case .master:
            return .master(
                MasterRecord(
                    member: try reader.read(), term: try reader.read(),
                    url: try reader.readLengthPrefixed(limit: DatacenterLimits.urlBytesMax)))
        }
    }
}

extension MasterRecord {
    fileprivate func encodeCommand(into writer: inout ByteWriter) {
        writer.write(member)
        writer.write(term)
        writer.writeLengthPrefixed(url)
    }
}

extension RoleRecord {
    fileprivate func encodeCommand(into writer: inout ByteWriter) {
        writer.write(role)
        writer.write(weight)
        writer.write(guarantee)
        writer.write(limit)
    }
}

extension AgentRegistration {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(newID)
        writer.writeLengthPrefixed(info)
        writer.write(total)
        writer.write(incarnation)
        writer.writeLengthPrefixed(url)
    }

    fileprivate init(_ reader: inout ByteReader) throws(DecodingError) {
        self.init(
            id: try reader.readName(), newID: try reader.readName(), info: try reader.readInfo(),
            total: try reader.readResources(), incarnation: try reader.read(),
            url: try reader.readLengthPrefixed(limit: DatacenterLimits.urlBytesMax))
    }
}

extension Subscription {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(newID)
        writer.writeLengthPrefixed(info)
        writer.writeLengthPrefixed(principal)
        writer.writeList(roles) { $1.write($0) }
        writer.writeList(suppressedRoles) { $1.write($0) }
        writer.write(capabilities)
        writer.write(failoverMilliseconds)
        writer.writeLengthPrefixed(offerConstraints)
        writer.write(isUpdate)
    }

    fileprivate init(_ reader: inout ByteReader) throws(DecodingError) {
        let (id, newID): (FrameworkID, FrameworkID) = (
            try reader.readName(), try reader.readName()
        )
        self.init(id: id, newID: newID, info: try reader.readInfo(), roles: [])
        principal = try reader.readLengthPrefixed(limit: DatacenterLimits.nameBytesMax)
        roles = try reader.readRoles()
        suppressedRoles = try reader.readRoles()
        capabilities = try reader.read()
        failoverMilliseconds = try reader.read()
        offerConstraints = try reader.readInfo()
        isUpdate = try reader.readBool()
    }
}

extension Launch {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(framework)
        writer.write(agent)
        writer.write(session)
        writer.writeList(operations) { $0.encode(into: &$1) }
    }

    fileprivate init(_ reader: inout ByteReader) throws(DecodingError) {
        self.init(
            framework: try reader.readName(), agent: try reader.readName(),
            session: try reader.read(),
            operations: try reader.readList(max: DatacenterLimits.operationsMax) {
                source throws(DecodingError) in try Operation(&source)
            })
    }
}

extension Launch.Operation {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .reserve(let resources): writer.begin(1, resources)
        case .unreserve(let resources): writer.begin(2, resources)
        case .create(let resources): writer.begin(3, resources)
        case .destroy(let resources): writer.begin(4, resources)
        case .task(let task):
            writer.begin(5)
            task.encode(into: &writer)
        }
    }

    fileprivate init(_ reader: inout ByteReader) throws(DecodingError) {
        let start = reader.offset
        switch try reader.read(UInt8.self) {
        case 1: self = .reserve(try reader.readResources())
        case 2: self = .unreserve(try reader.readResources())
        case 3: self = .create(try reader.readResources())
        case 4: self = .destroy(try reader.readResources())
        case 5: self = .task(try TaskLaunch(&reader))
        default: throw .invalid(field: "operation", offset: start)
        }
    }
}

extension TaskLaunch {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(task)
        writer.write(role)
        writer.write(resources)
        writer.writeLengthPrefixed(info)
        writer.write(group)
        writer.write(executor != nil)
        guard let executor else { return }
        writer.write(executor.id)
        writer.write(executor.resources)
        writer.writeLengthPrefixed(executor.info)
    }

    fileprivate init(_ reader: inout ByteReader) throws(DecodingError) {
        self.init(
            task: try reader.readName(),
            role: try reader.readRole(),
            resources: try reader.readResources(), info: try reader.readInfo())
        group = try reader.read()
        guard try reader.readBool() else { return }
        executor = Executor(
            id: try reader.readName(), resources: try reader.readResources(),
            info: try reader.readInfo())
    }
}

extension StatusReport {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(key)
        writer.write(sequence)
        writer.writeLengthPrefixed(status.uuid)
        writer.write(status.state.rawValue)
        writer.writeLengthPrefixed(status.body)
    }

    fileprivate init(_ reader: inout ByteReader) throws(DecodingError) {
        let key = try reader.readTaskKey()
        let sequence: UInt64 = try reader.read()
        let uuid = try reader.readLengthPrefixed(limit: 64)
        let state = try reader.readTaskState()
        let body = try reader.readLengthPrefixed(limit: DatacenterLimits.statusBytesMax)
        self.init(
            key: key, sequence: sequence,
            status: WaitingStatus(uuid: uuid, state: state, body: body))
    }
}

// MARK: - Parts

extension ByteWriter {
    fileprivate mutating func begin(_ number: UInt8) { write(number) }

    fileprivate mutating func begin(_ number: UInt8, _ revision: Revision) {
        write(number)
        write(UInt64(bitPattern: revision.rawValue))
    }

    fileprivate mutating func begin(_ number: UInt8, _ resources: Resources) {
        write(number)
        write(resources)
    }

    fileprivate mutating func write<Kind>(_ name: DatacenterName<Kind>) {
        write(name.rawValue)
    }

    fileprivate mutating func write(_ text: ByteText) { writeLengthPrefixed(text.text) }

    fileprivate mutating func write(_ key: ExecutorKey) {
        write(key.agent)
        write(key.framework)
        write(key.executor)
    }

    fileprivate mutating func write(_ key: TaskKey) {
        write(key.framework)
        write(key.task)
    }

    fileprivate mutating func write(_ resources: Resources) {
        writeLengthPrefixed(resources.encode())
    }

    fileprivate mutating func write(_ resources: Resources?) {
        write(resources != nil)
        if let resources { write(resources) }
    }

    fileprivate mutating func write(_ flag: Bool) { write(flag ? UInt8(1) : 0) }

    fileprivate mutating func writeList<Part>(
        _ list: [Part], _ body: (Part, inout ByteWriter) -> Void
    ) {
        write(UInt32(list.count))
        for part in list { body(part, &self) }
    }
}

extension ByteReader {
    fileprivate mutating func readName<Kind>() throws(DecodingError) -> DatacenterName<Kind> {
        DatacenterName(ByteText(try readString(limit: DatacenterLimits.nameBytesMax)))
    }

    fileprivate mutating func readTaskKey() throws(DecodingError) -> TaskKey {
        TaskKey(try readName(), try readName())
    }

    fileprivate mutating func readInfo() throws(DecodingError) -> [UInt8] {
        try readLengthPrefixed(limit: DatacenterLimits.infoBytesMax)
    }

    fileprivate mutating func readRoles() throws(DecodingError) -> [ByteText] {
        try readList(max: DatacenterLimits.rolesMax) { source throws(DecodingError) in
            try source.readRole()
        }
    }

    fileprivate mutating func readRole() throws(DecodingError) -> ByteText {
        ByteText(try readString(limit: ResourceLimits.roleBytesMax))
    }

    fileprivate mutating func readBool() throws(DecodingError) -> Bool {
        let start = offset
        switch try read(UInt8.self) {
        case 0: return false
        case 1: return true
        default: throw .invalid(field: "flag", offset: start)
        }
    }

    fileprivate mutating func readTaskState() throws(DecodingError) -> TaskState {
        let start = offset
        guard let state = TaskState(rawValue: try read()) else {
            throw .invalid(field: "task state", offset: start)
        }
        return state
    }

    fileprivate mutating func readResources() throws(DecodingError) -> Resources {
        let start = offset
        let bytes = try readInfo()
        do throws(ResourcesError) {
            return try Resources.decode(bytes)
        } catch {
            throw .invalid(field: "resources", offset: start)
        }
    }

    fileprivate mutating func readOptionalResources() throws(DecodingError) -> Resources? {
        try readBool() ? try readResources() : nil
    }

    fileprivate mutating func readList<Part>(
        max: Int, _ body: (inout ByteReader) throws(DecodingError) -> Part
    ) throws(DecodingError) -> [Part] {
        let start = offset
        let count = Int(try read(UInt32.self))
        guard count <= max else { throw .invalid(field: "list", offset: start) }
        var list: [Part] = []
        for _ in 0..<count { list.append(try body(&self)) }
        return list
    }
}
