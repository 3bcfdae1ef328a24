internal import Primitives

// Records are protobuf messages (Proto/keelson/records.proto), so that whoever reads them in
// `/keelson/…` needs nothing else; a field that an older reader does not know is passed over. What
// is zero or empty is left out.

extension AgentRecord {
    package func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: info.count + 128)
        writer.field(1, id.rawValue.text)
        writer.field(2, info)
        writer.field(3, total.encode())
        writer.field(4, incarnation)
        writer.field(5, session)
        writer.field(6, UInt64(phase.rawValue))
        writer.field(7, UInt64(mode.rawValue))
        writer.field(8, drainGraceMilliseconds)
        writer.field(9, isGoneWhenDrained)
        writer.field(10, phaseSince)
        writer.field(11, phaseClock)
        writer.field(12, registeredClock)
        writer.field(13, reregisteredClock)
        writer.field(14, url)
        return writer.bytes
    }

    /// Nil where the bytes are no such record.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        self.init(
            id: AgentID(""), info: [], total: Resources.empty, incarnation: 0, session: 0)
        do throws(ProtobufError) {
            var reader = ProtobufReader(bytes)
            while let (number, type) = try reader.nextField() {
                switch (number, type) {
                case (1, .lengthDelimited): id = AgentID(try reader.text())
                case (2, .lengthDelimited): info = Array(try reader.lengthDelimited())
                case (3, .lengthDelimited): total = try reader.resources()
                case (4, .varint): incarnation = try reader.varint()
                case (5, .varint): session = try reader.varint()
                case (6, .varint): phase = try reader.known()
                case (7, .varint): mode = try reader.known()
                case (8, .varint): drainGraceMilliseconds = try reader.varint()
                case (9, .varint): isGoneWhenDrained = try reader.bool()
                case (10, .varint): phaseSince = try reader.varint()
                case (11, .varint): phaseClock = try reader.varint()
                case (12, .varint): registeredClock = try reader.varint()
                case (13, .varint): reregisteredClock = try reader.varint()
                case (14, .lengthDelimited): url = Array(try reader.lengthDelimited())
                case (_, let type): try reader.skip(type)
                }
            }
        } catch { return nil }
        if !id.isValid { return nil }
    }
}

extension FrameworkRecord {
    package func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: info.count + 128)
        writer.field(1, id.rawValue.text)
        writer.field(2, info)
        writer.field(3, principal)
        for role in roles { writer.element(4, Array(role.text.utf8)) }
        for role in suppressedRoles { writer.element(5, Array(role.text.utf8)) }
        writer.field(6, UInt64(capabilities))
        writer.field(7, failoverMilliseconds)
        writer.field(8, session)
        writer.field(9, UInt64(phase.rawValue))
        writer.field(10, deadline)
        writer.field(11, registeredClock)
        writer.field(12, reregisteredClock)
        writer.field(13, endedClock)
        writer.field(14, endIndex)
        writer.field(15, offerConstraints)
        return writer.bytes
    }

    /// Nil where the bytes are no such record.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        self.init(id: FrameworkID(""), info: [], roles: [], session: 0)
        deadline = 0
        do throws(ProtobufError) {
            var reader = ProtobufReader(bytes)
            while let (number, type) = try reader.nextField() {
                switch (number, type) {
                case (1, .lengthDelimited): id = FrameworkID(try reader.text())
                case (2, .lengthDelimited): info = Array(try reader.lengthDelimited())
                case (3, .lengthDelimited): principal = Array(try reader.lengthDelimited())
                case (4, .lengthDelimited): roles.append(try reader.text())
                case (5, .lengthDelimited):
                    suppressedRoles.append(try reader.text())
                case (6, .varint): capabilities = UInt32(truncatingIfNeeded: try reader.varint())
                case (7, .varint): failoverMilliseconds = try reader.varint()
                case (8, .varint): session = try reader.varint()
                case (9, .varint): phase = try reader.known()
                case (10, .varint): deadline = try reader.varint()
                case (11, .varint): registeredClock = try reader.varint()
                case (12, .varint): reregisteredClock = try reader.varint()
                case (13, .varint): endedClock = try reader.varint()
                case (14, .varint): endIndex = try reader.varint()
                case (15, .lengthDelimited):
                    offerConstraints = Array(try reader.lengthDelimited())
                case (_, let type): try reader.skip(type)
                }
            }
        } catch { return nil }
        if !id.isValid { return nil }
    }
}

extension ExecutorRecord {
    package func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: info.count + 128)
        writer.field(1, key.agent.rawValue.text)
        writer.field(2, key.framework.rawValue.text)
        writer.field(3, key.executor.rawValue.text)
        writer.field(4, role.text)
        writer.field(5, resources.encode())
        writer.field(6, info)
        writer.field(7, sequence)
        return writer.bytes
    }

    /// Nil where the bytes are no such record.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        let none: ByteText = ""
        self.init(
            key: ExecutorKey(AgentID(none), FrameworkID(none), ExecutorID(none)), role: "",
            resources: Resources.empty, info: [], sequence: 0)
        do throws(ProtobufError) {
            var reader = ProtobufReader(bytes)
            while let (number, type) = try reader.nextField() {
                switch (number, type) {
                case (1, .lengthDelimited): key.agent = AgentID(try reader.text())
                case (2, .lengthDelimited): key.framework = FrameworkID(try reader.text())
                case (3, .lengthDelimited): key.executor = ExecutorID(try reader.text())
                case (4, .lengthDelimited): role = try reader.text()
                case (5, .lengthDelimited): resources = try reader.resources()
                case (6, .lengthDelimited): info = Array(try reader.lengthDelimited())
                case (7, .varint): sequence = try reader.varint()
                case (_, let type): try reader.skip(type)
                }
            }
        } catch { return nil }
        if !key.agent.isValid || !key.framework.isValid || !key.executor.isValid { return nil }
    }
}

extension RoleRecord {
    package func encode() -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, role.text)
        writer.field(2, weight)
        if let guarantee { writer.element(3, guarantee.encode()) }
        if let limit { writer.element(4, limit.encode()) }
        return writer.bytes
    }

    /// Nil where the bytes are no such record.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        self.init(role: "")
        weight = 0
        do throws(ProtobufError) {
            var reader = ProtobufReader(bytes)
            while let (number, type) = try reader.nextField() {
                switch (number, type) {
                case (1, .lengthDelimited): role = try reader.text()
                case (2, .varint): weight = Int64(bitPattern: try reader.varint())
                case (3, .lengthDelimited): guarantee = try reader.resources()
                case (4, .lengthDelimited): limit = try reader.resources()
                case (_, let type): try reader.skip(type)
                }
            }
        } catch { return nil }
    }
}

extension MasterRecord {
    package func encode() -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, member)
        writer.field(2, term)
        writer.field(3, url)
        writer.field(4, clock)
        return writer.bytes
    }

    /// Nil where the bytes are no such record.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        self.init(member: 0, term: 0, url: [])
        do throws(ProtobufError) {
            var reader = ProtobufReader(bytes)
            while let (number, type) = try reader.nextField() {
                switch (number, type) {
                case (1, .varint): member = try reader.varint()
                case (2, .varint): term = try reader.varint()
                case (3, .lengthDelimited): url = Array(try reader.lengthDelimited())
                case (4, .varint): clock = try reader.varint()
                case (_, let type): try reader.skip(type)
                }
            }
        } catch { return nil }
    }
}

// MARK: - Parts

extension ProtobufWriter {
    /// An element of a list, which may be empty, or a part that is there though it is empty.
    mutating func element(_ number: UInt32, _ bytes: [UInt8]) {
        tag(number, .lengthDelimited)
        varint(UInt64(bytes.count))
        self.bytes.append(contentsOf: bytes)
    }
}

extension ProtobufReader {
    /// Text that is equal by its bytes.
    mutating func text() throws(ProtobufError) -> ByteText {
        guard let text = String(validating: try lengthDelimited(), as: UTF8.self) else {
            throw .truncated(offset: offset)
        }
        return ByteText(text)
    }

    mutating func resources() throws(ProtobufError) -> Resources {
        let bytes = Array(try lengthDelimited())
        do throws(ResourcesError) {
            return try Resources.decode(bytes)
        } catch {
            throw .truncated(offset: offset)
        }
    }

    /// One of the known values of an enumeration.
    mutating func known<Value: RawRepresentable>() throws(ProtobufError) -> Value
    where Value.RawValue == UInt8 {
        guard let raw = UInt8(exactly: try varint()), let value = Value(rawValue: raw) else {
            throw .truncated(offset: offset)
        }
        return value
    }
}
