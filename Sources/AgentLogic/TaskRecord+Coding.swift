package import Primitives

extension ExitReport {
    package func encode(into writer: inout ByteWriter) {
        switch outcome {
        case .exited(let code):
            writer.write(UInt8(0))
            writer.write(code)
        case .signaled(let number):
            writer.write(UInt8(1))
            writer.write(number)
        case .notStarted(let why):
            writer.write(UInt8(2))
            writer.writeLengthPrefixed(why)
        }
        writer.write(atMillis)
        writer.write(isOutOfMemory)
        writer.write(wasKilled)
        writer.write(lostOutputBytes)
        writer.writeLengthPrefixed(note)
    }

    package init(from reader: inout ByteReader) throws(Primitives.DecodingError) {
        let start = reader.offset
        let outcome: ProcessOutcome
        switch try reader.read(UInt8.self) {
        case 0: outcome = .exited(code: try reader.read())
        case 1: outcome = .signaled(try reader.read())
        case 2: outcome = .notStarted(try reader.readText())
        default: throw .invalid(field: "outcome", offset: start)
        }
        self.init(outcome, atMillis: try reader.read())
        isOutOfMemory = try reader.readFlag()
        wasKilled = try reader.readFlag()
        lostOutputBytes = try reader.read()
        note = try reader.readText()
    }
}

extension StatusUpdate {
    func encode(into writer: inout ByteWriter) {
        writer.write(id.high)
        writer.write(id.low)
        writer.write(state.rawValue)
        writer.write(reason.rawValue)
        writer.writeLengthPrefixed(message)
        writer.writeHealth(isHealthy)
        writer.writeCheck(check)
        writer.write(atMillis)
    }

    init(
        from reader: inout ByteReader, key: TaskKey, container: ContainerID
    ) throws(Primitives.DecodingError) {
        let id = UpdateID(high: try reader.read(), low: try reader.read())
        let state = try reader.readTaskState()
        let reason = try reader.readReason()
        let message = try reader.readText()
        let isHealthy = try reader.readHealth()
        let check = try reader.readCheck()
        self.init(
            id: id, key: key, container: container, state: state, reason: reason,
            message: message, atMillis: try reader.read())
        self.isHealthy = isHealthy
        self.check = check
    }
}

extension TaskRecord {
    package func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 1024)
        writer.write(container.sequence)
        writer.write(container.index)
        writer.write(term.rawValue)
        spec.encode(into: &writer)
        writer.write(state.rawValue)
        writer.write(killReason.rawValue)
        writer.writeHealth(isHealthy)
        writer.writeCheck(check)
        writer.write(latest != nil)
        latest?.encode(into: &writer)
        writer.writeList(pending) { $1.encode(into: &$0) }
        writer.write(endedAtMillis != nil)
        if let endedAtMillis { writer.write(endedAtMillis) }
        encodeRole(into: &writer)
        return writer.bytes
    }

    /// Nothing for a task that runs a command: so were all records before there were executors.
    private func encodeRole(into writer: inout ByteWriter) {
        switch role {
        case .command: break
        case .executor(let terms):
            writer.write(UInt8(1))
            writer.writeLengthPrefixed(terms.info)
            writer.writeLengthPrefixed(terms.framework)
            writer.write(terms.shutdownGraceMillis)
        case .remote(let task):
            writer.write(UInt8(2))
            writer.write(task.run.sequence)
            writer.write(task.run.index)
            writer.writeLengthPrefixed(task.info)
            writer.write(task.isGroup)
            writer.writeList(task.received) { writer, id in
                writer.write(id.high)
                writer.write(id.low)
            }
            writer.writeLengthPrefixed(latest?.body ?? [])
            for update in pending { writer.writeLengthPrefixed(update.body) }
        }
    }

    private mutating func decodeRole(
        from reader: inout ByteReader
    ) throws(Primitives.DecodingError) {
        if reader.isAtEnd { return }
        let start = reader.offset
        switch try reader.read(UInt8.self) {
        case 1:
            role = .executor(
                ExecutorTerms(
                    info: try reader.readInfo(), framework: try reader.readInfo(),
                    shutdownGraceMillis: try reader.read()))
        case 2:
            let run = ContainerID(sequence: try reader.read(), index: try reader.read())
            var task = RemoteTask(
                run: run, info: try reader.readInfo(), isGroup: try reader.readFlag())
            task.received = try reader.readList(max: AgentLimits.executorUpdatesKnownMax) {
                (reader: inout ByteReader) throws(Primitives.DecodingError) -> UpdateID in
                UpdateID(high: try reader.read(), low: try reader.read())
            }
            role = .remote(task)
            // Read also where there is none to give it to.
            let body = try reader.readInfo()
            latest?.body = body
            for place in pending.indices { pending[place].body = try reader.readInfo() }
        default: throw .invalid(field: "role", offset: start)
        }
    }

    package init(from reader: inout ByteReader) throws(Primitives.DecodingError) {
        let container = ContainerID(sequence: try reader.read(), index: try reader.read())
        let term = Term(try reader.read())
        let spec = try TaskSpec(from: &reader)
        self.init(container: container, term: term, spec: spec)
        state = try reader.readTaskState()
        killReason = try reader.readReason()
        isHealthy = try reader.readHealth()
        check = try reader.readCheck()
        if try reader.readFlag() {
            latest = try StatusUpdate(from: &reader, key: spec.key, container: container)
        }
        pending = try reader.readList(max: AgentLimits.pendingUpdatesMax) {
            (reader: inout ByteReader) throws(Primitives.DecodingError) -> StatusUpdate in
            try StatusUpdate(from: &reader, key: spec.key, container: container)
        }
        if try reader.readFlag() { endedAtMillis = try reader.read() }
        let end = reader.offset
        guard state.isTerminal == (endedAtMillis != nil) else {
            throw .invalid(field: "ended", offset: end)
        }
        try decodeRole(from: &reader)
    }
}

extension AgentMark {
    package func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.writeLengthPrefixed(agentID.text)
        writer.write(life)
        writer.write(term.rawValue)
        writer.write(sequence)
        return writer.bytes
    }

    package init(from reader: inout ByteReader) throws(Primitives.DecodingError) {
        self.init(agentID: try reader.readIdentifier())
        let start = reader.offset
        life = try reader.read()
        // The next start adds one.
        guard life < .max else { throw .invalid(field: "life", offset: start) }
        term = Term(try reader.read())
        sequence = try reader.read()
    }
}

extension ByteWriter {
    fileprivate mutating func writeHealth(_ isHealthy: Bool?) {
        write(UInt8(isHealthy.map { $0 ? 1 : 2 } ?? 0))
    }

    fileprivate mutating func writeCheck(_ check: CheckResult?) {
        switch check {
        case nil: write(UInt8(0))
        case .exitCode(let code):
            write(UInt8(1))
            write(code)
        case .httpStatus(let status):
            write(UInt8(2))
            write(status)
        case .tcp(let accepted):
            write(UInt8(3))
            write(accepted)
        case .nothing: write(UInt8(4))
        }
    }
}

extension ByteReader {
    fileprivate mutating func readHealth() throws(Primitives.DecodingError) -> Bool? {
        let start = offset
        switch try read(UInt8.self) {
        case 0: return nil
        case 1: return true
        case 2: return false
        default: throw .invalid(field: "health", offset: start)
        }
    }

    fileprivate mutating func readCheck() throws(Primitives.DecodingError) -> CheckResult? {
        let start = offset
        switch try read(UInt8.self) {
        case 0: return nil
        case 1: return .exitCode(try read())
        case 2: return .httpStatus(try read())
        case 3: return .tcp(accepted: try readFlag())
        case 4: return .nothing
        default: throw .invalid(field: "check", offset: start)
        }
    }

    /// A message that is kept as it came.
    fileprivate mutating func readInfo() throws(Primitives.DecodingError) -> [UInt8] {
        try readLengthPrefixed(limit: AgentLimits.recordBytesMax)
    }

    fileprivate mutating func readTaskState() throws(Primitives.DecodingError) -> TaskState {
        let start = offset
        guard let state = TaskState(rawValue: try read()) else {
            throw .invalid(field: "state", offset: start)
        }
        return state
    }

    fileprivate mutating func readReason() throws(Primitives.DecodingError) -> StatusReason {
        let start = offset
        guard let reason = StatusReason(rawValue: try read()) else {
            throw .invalid(field: "reason", offset: start)
        }
        return reason
    }
}
