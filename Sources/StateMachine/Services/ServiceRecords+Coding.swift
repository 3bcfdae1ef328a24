internal import Primitives

// Protobuf messages (Proto/keelson/services.proto), for whoever reads them in `/keelson/…`. What is
// zero or empty is left out.

extension ServiceRecord {
    package func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: 128)
        writer.field(1, id.path.text)
        writer.field(2, latest)
        writer.field(3, active)
        writer.field(4, isEnding)
        writer.field(5, deployment.rawValue)
        writer.field(6, begun)
        writer.field(7, backoffMilliseconds)
        writer.field(8, delayedUntil)
        if let lastFailure { writer.element(9, lastFailure.encode()) }
        writer.field(10, scaledClock)
        writer.field(11, configuredClock)
        return writer.bytes
    }

    /// Nil where the bytes are no such record.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        self.init(id: .root, latest: 0)
        do throws(ProtobufError) {
            var reader = ProtobufReader(bytes)
            while let (number, type) = try reader.nextField() {
                switch (number, type) {
                case (1, .lengthDelimited): id = ServiceID(try reader.text())
                case (2, .varint): latest = try reader.varint()
                case (3, .varint): active = try reader.varint()
                case (4, .varint): isEnding = try reader.bool()
                case (5, .varint): deployment = DeploymentID(try reader.varint())
                case (6, .varint): begun = try reader.varint()
                case (7, .varint): backoffMilliseconds = try reader.varint()
                case (8, .varint): delayedUntil = try reader.varint()
                case (9, .lengthDelimited): lastFailure = try Failure(reader.lengthDelimited())
                case (10, .varint): scaledClock = try reader.varint()
                case (11, .varint): configuredClock = try reader.varint()
                case (_, let type): try reader.skip(type)
                }
            }
        } catch { return nil }
        if !id.isValid || latest == 0 { return nil }
    }
}

extension ServiceRecord.Failure {
    fileprivate func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: 128)
        writer.field(1, instance.rawValue.text)
        writer.field(2, agent.rawValue.text)
        writer.field(3, UInt64(state.rawValue))
        writer.field(4, message.text)
        writer.field(5, clock)
        writer.field(6, version)
        return writer.bytes
    }

    fileprivate init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
        (instance, agent) = (InstanceID(""), AgentID(""))
        (state, message, clock, version) = (.starting, "", 0, 0)
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .lengthDelimited): instance = InstanceID(try reader.text())
            case (2, .lengthDelimited): agent = AgentID(try reader.text())
            case (3, .varint): state = try reader.known()
            case (4, .lengthDelimited): message = try reader.text()
            case (5, .varint): clock = try reader.varint()
            case (6, .varint): version = try reader.varint()
            case (_, let type): try reader.skip(type)
            }
        }
    }
}

extension ServiceVersion {
    package func encode() -> [UInt8] {
        let body = definition.encode()
        var writer = ProtobufWriter(capacity: body.count + 32)
        writer.field(1, number)
        writer.field(2, configuration)
        writer.element(3, body)
        return writer.bytes
    }

    /// Nil where the bytes are no such record.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        var found: ServiceDefinition?
        (number, configuration, definition) = (0, 0, ServiceDefinition(id: .root))
        do throws(ProtobufError) {
            var reader = ProtobufReader(bytes)
            while let (field, type) = try reader.nextField() {
                switch (field, type) {
                case (1, .varint): number = try reader.varint()
                case (2, .varint): configuration = try reader.varint()
                case (3, .lengthDelimited):
                    found = ServiceDefinition(try reader.lengthDelimited())
                case (_, let type): try reader.skip(type)
                }
            }
        } catch { return nil }
        guard let found, found.id.isValid, number > 0 else { return nil }
        definition = found
    }
}

extension InstanceRecord {
    package func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: 128)
        writer.field(1, id.rawValue.text)
        writer.field(2, service.path.text)
        writer.field(3, version)
        writer.field(4, configuration)
        writer.field(5, sequence)
        writer.field(6, UInt64(phase.rawValue))
        writer.field(7, clock)
        return writer.bytes
    }

    /// Nil where the bytes are no such record.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        self.init(
            id: InstanceID(""), service: .root, version: 0, configuration: 0, sequence: 0)
        do throws(ProtobufError) {
            var reader = ProtobufReader(bytes)
            while let (number, type) = try reader.nextField() {
                switch (number, type) {
                case (1, .lengthDelimited): id = InstanceID(try reader.text())
                case (2, .lengthDelimited): service = ServiceID(try reader.text())
                case (3, .varint): version = try reader.varint()
                case (4, .varint): configuration = try reader.varint()
                case (5, .varint): sequence = try reader.varint()
                case (6, .varint): phase = try reader.known()
                case (7, .varint): clock = try reader.varint()
                case (_, let type): try reader.skip(type)
                }
            }
        } catch { return nil }
        if !id.isValid || !service.isValid { return nil }
    }
}

extension DeploymentRecord {
    package func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: 64 + parts.count * 48)
        writer.field(1, id.rawValue)
        for part in parts { writer.element(2, part.encode()) }
        writer.field(3, UInt64(step))
        writer.field(4, clock)
        return writer.bytes
    }

    /// Nil where the bytes are no such record.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        self.init(id: DeploymentID(0), parts: [], clock: 0)
        do throws(ProtobufError) {
            var reader = ProtobufReader(bytes)
            while let (number, type) = try reader.nextField() {
                switch (number, type) {
                case (1, .varint): id = DeploymentID(try reader.varint())
                case (2, .lengthDelimited): parts.append(try Part(reader.lengthDelimited()))
                case (3, .varint): step = try reader.step()
                case (4, .varint): clock = try reader.varint()
                case (_, let type): try reader.skip(type)
                }
            }
        } catch { return nil }
        if id.rawValue == 0 || parts.isEmpty { return nil }
    }
}

extension DeploymentRecord.Part {
    fileprivate func encode() -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, service.path.text)
        writer.field(2, UInt64(action.rawValue))
        writer.field(3, from)
        writer.field(4, to)
        writer.field(5, UInt64(step))
        return writer.bytes
    }

    fileprivate init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
        self.init(service: .root, action: .start, from: 0, to: 0, step: 0)
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .lengthDelimited): service = ServiceID(try reader.text())
            case (2, .varint): action = try reader.known()
            case (3, .varint): from = try reader.varint()
            case (4, .varint): to = try reader.varint()
            case (5, .varint): step = try reader.step()
            case (_, let type): try reader.skip(type)
            }
        }
    }
}

extension ProtobufReader {
    /// A step of a deployment; there can be one more.
    fileprivate mutating func step() throws(ProtobufError) -> UInt32 {
        guard let step = UInt32(exactly: try varint()), step < .max else {
            throw .truncated(offset: offset)
        }
        return step
    }
}

extension ServiceGroupRecord {
    package func encode() -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, id.path.text)
        for dependency in dependencies { writer.element(2, dependency.path) }
        writer.field(3, clock)
        return writer.bytes
    }

    /// Nil where the bytes are no such record.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        self.init(id: .root)
        do throws(ProtobufError) {
            var reader = ProtobufReader(bytes)
            while let (number, type) = try reader.nextField() {
                switch (number, type) {
                case (1, .lengthDelimited): id = ServiceID(try reader.text())
                case (2, .lengthDelimited): dependencies.append(ServiceID(try reader.text()))
                case (3, .varint): clock = try reader.varint()
                case (_, let type): try reader.skip(type)
                }
            }
        } catch { return nil }
        if !id.isValid { return nil }
    }
}
