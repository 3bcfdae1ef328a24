internal import Primitives

extension TaskRecord {
    package func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: 256)
        writer.field(1, key.framework.rawValue.text)
        writer.field(2, key.task.rawValue.text)
        writer.field(3, agent.rawValue.text)
        if let executor { writer.field(4, executor.rawValue.text) }
        writer.field(5, role.text)
        writer.field(6, resources.encode())
        writer.field(7, sequence)
        writer.field(8, UInt64(state.rawValue))
        if let stateBefore { writer.field(9, UInt64(stateBefore.rawValue) + 1) }
        for status in waiting { writer.element(10, status.encode()) }
        writer.field(11, lastStatus)
        writer.field(12, lastUUID)
        writer.field(13, killIndex)
        writer.field(14, killGraceMilliseconds)
        for step in steps {
            var part = ProtobufWriter()
            part.field(1, UInt64(step.state.rawValue))
            part.field(2, step.clock)
            writer.element(15, part.bytes)
        }
        writer.field(16, endIndex)
        writer.field(17, UInt64(group))
        return writer.bytes
    }

    /// Nil where the bytes are no such record.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        let none: ByteText = ""
        self.init(
            TaskKey(FrameworkID(none), TaskID(none)), on: AgentID(none), executor: nil, role: "",
            resources: Resources.empty, sequence: 0)
        state = .starting
        do throws(ProtobufError) {
            var reader = ProtobufReader(bytes)
            while let (number, type) = try reader.nextField() {
                try take(number, type, &reader)
            }
        } catch { return nil }
        if !key.framework.isValid || !key.task.isValid || !agent.isValid { return nil }
    }

    private mutating func take(
        _ number: UInt32, _ type: WireType, _ reader: inout ProtobufReader
    ) throws(ProtobufError) {
        switch (number, type) {
        case (1, .lengthDelimited): key.framework = FrameworkID(try reader.text())
        case (2, .lengthDelimited): key.task = TaskID(try reader.text())
        case (3, .lengthDelimited): agent = AgentID(try reader.text())
        case (4, .lengthDelimited): executor = ExecutorID(try reader.text())
        case (5, .lengthDelimited): role = try reader.text()
        case (6, .lengthDelimited): resources = try reader.resources()
        case (7, .varint): sequence = try reader.varint()
        case (8, .varint): state = try reader.known()
        case (9, .varint):
            let raw = try reader.varint()
            guard raw > 0, raw < 256, let known = TaskState(rawValue: UInt8(raw - 1)) else {
                throw .truncated(offset: reader.offset)
            }
            stateBefore = known
        case (10, .lengthDelimited): waiting.append(try WaitingStatus(reader.lengthDelimited()))
        case (11, .lengthDelimited): lastStatus = Array(try reader.lengthDelimited())
        case (12, .lengthDelimited): lastUUID = Array(try reader.lengthDelimited())
        case (13, .varint): killIndex = try reader.varint()
        case (14, .varint): killGraceMilliseconds = try reader.varint()
        case (15, .lengthDelimited): steps.append(try Step(reader.lengthDelimited()))
        case (16, .varint): endIndex = try reader.varint()
        case (17, .varint): group = UInt16(truncatingIfNeeded: try reader.varint())
        case (_, let type): try reader.skip(type)
        }
    }
}

extension TaskRecord.Step {
    fileprivate init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
        state = .starting
        clock = 0
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .varint): state = try reader.known()
            case (2, .varint): clock = try reader.varint()
            case (_, let type): try reader.skip(type)
            }
        }
    }
}

extension WaitingStatus {
    fileprivate func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: body.count + 32)
        writer.field(1, uuid)
        writer.field(2, UInt64(state.rawValue))
        writer.field(3, body)
        return writer.bytes
    }

    fileprivate init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
        self.init(uuid: [], state: .starting, body: [])
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .lengthDelimited): uuid = Array(try reader.lengthDelimited())
            case (2, .varint): state = try reader.known()
            case (3, .lengthDelimited): body = Array(try reader.lengthDelimited())
            case (_, let type): try reader.skip(type)
            }
        }
    }
}
