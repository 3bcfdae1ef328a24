internal import Primitives

// Protobuf messages (Proto/keelson/services.proto). What has its default is written all the same
// where zero is not the default, so that a later default changes no service that runs.
extension ServiceDefinition {
    package func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: 256)
        writer.field(1, id.path.text)
        if let command { writer.element(2, command) }
        writer.field(3, arguments != nil)
        for argument in arguments ?? [] { writer.element(4, argument) }
        writer.field(5, cpus)
        writer.field(6, mem)
        writer.field(7, disk)
        writer.field(8, gpus)
        writer.field(9, UInt64(instances))
        for pair in environment { writer.element(10, pair.encode()) }
        for pair in labels { writer.element(11, pair.encode()) }
        for artifact in artifacts { writer.element(12, artifact.encode()) }
        for port in ports { writer.element(13, port.encode()) }
        writer.field(14, requiresPorts)
        for constraint in constraints { writer.element(15, constraint.encode()) }
        for check in healthChecks { writer.element(16, check.encode()) }
        for check in readinessChecks { writer.element(17, check.encode()) }
        encodeBehaviour(into: &writer)
        return writer.bytes
    }

    private func encodeBehaviour(into writer: inout ProtobufWriter) {
        writer.field(18, UInt64(minimumHealthCapacity))
        writer.field(19, UInt64(maximumOverCapacity))
        writer.field(20, backoffMilliseconds)
        writer.field(21, UInt64(backoffFactor))
        writer.field(22, backoffMaxMilliseconds)
        writer.field(23, UInt64(killSelection.rawValue))
        switch unreachable {
        case .disabled: writer.field(24, true)
        case .replaced(let inactiveAfter, let expungeAfter):
            writer.field(25, inactiveAfter)
            writer.field(26, expungeAfter)
        }
        if let killGraceMilliseconds { writer.field(27, killGraceMilliseconds &+ 1) }
        for id in dependencies { writer.element(28, id.path) }
        for role in acceptedRoles { writer.element(29, role) }
        if let user { writer.element(30, user) }
        writer.field(31, role.text)
    }

    /// Nil where the bytes are no definition.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        self.init(id: .root)
        (cpus, mem, instances, role) = (0, 0, 0, "")
        ports = []
        (minimumHealthCapacity, maximumOverCapacity, backoffMilliseconds) = (0, 0, 0)
        (backoffFactor, backoffMaxMilliseconds) = (0, 0)
        var strategy = UnreachableTimes()
        do throws(ProtobufError) {
            var reader = ProtobufReader(bytes)
            while let (number, type) = try reader.nextField() {
                if number < 18 {
                    try take(number, type, &reader)
                } else {
                    try takeBehaviour(number, type, &strategy, &reader)
                }
            }
        } catch { return nil }
        unreachable = strategy.strategy
    }

    private struct UnreachableTimes {
        var isDisabled = false
        var inactiveAfter: UInt64 = 0
        var expungeAfter: UInt64 = 0

        var strategy: UnreachableStrategy {
            isDisabled
                ? .disabled : .replaced(inactiveAfter: inactiveAfter, expungeAfter: expungeAfter)
        }
    }

    private mutating func take(
        _ number: UInt32, _ type: WireType, _ reader: inout ProtobufReader
    ) throws(ProtobufError) {
        switch (number, type) {
        case (1, .lengthDelimited): id = ServiceID(try reader.text())
        case (2, .lengthDelimited): command = try reader.text()
        case (3, .varint): arguments = try reader.bool() ? arguments ?? [] : nil
        case (4, .lengthDelimited): arguments = (arguments ?? []) + [try reader.text()]
        case (5, .varint): cpus = Int64(bitPattern: try reader.varint())
        case (6, .varint): mem = Int64(bitPattern: try reader.varint())
        case (7, .varint): disk = Int64(bitPattern: try reader.varint())
        case (8, .varint): gpus = Int64(bitPattern: try reader.varint())
        case (9, .varint): instances = UInt32(clamping: try reader.varint())
        case (10, .lengthDelimited): environment.append(try Pair(reader.lengthDelimited()))
        case (11, .lengthDelimited): labels.append(try Pair(reader.lengthDelimited()))
        case (12, .lengthDelimited): artifacts.append(try Artifact(reader.lengthDelimited()))
        case (13, .lengthDelimited): ports.append(try Port(reader.lengthDelimited()))
        case (14, .varint): requiresPorts = try reader.bool()
        case (15, .lengthDelimited): constraints.append(try Constraint(reader.lengthDelimited()))
        case (16, .lengthDelimited): healthChecks.append(try HealthCheck(reader.lengthDelimited()))
        case (17, .lengthDelimited):
            readinessChecks.append(try ReadinessCheck(reader.lengthDelimited()))
        case (_, let type): try reader.skip(type)
        }
    }

    private mutating func takeBehaviour(
        _ number: UInt32, _ type: WireType, _ times: inout UnreachableTimes,
        _ reader: inout ProtobufReader
    ) throws(ProtobufError) {
        switch (number, type) {
        case (18, .varint): minimumHealthCapacity = UInt32(clamping: try reader.varint())
        case (19, .varint): maximumOverCapacity = UInt32(clamping: try reader.varint())
        case (20, .varint): backoffMilliseconds = try reader.varint()
        case (21, .varint): backoffFactor = UInt32(clamping: try reader.varint())
        case (22, .varint): backoffMaxMilliseconds = try reader.varint()
        case (23, .varint): killSelection = try reader.known()
        case (24, .varint): times.isDisabled = try reader.bool()
        case (25, .varint): times.inactiveAfter = try reader.varint()
        case (26, .varint): times.expungeAfter = try reader.varint()
        case (27, .varint): killGraceMilliseconds = try reader.varint() &- 1
        case (28, .lengthDelimited): dependencies.append(ServiceID(try reader.text()))
        case (29, .lengthDelimited): acceptedRoles.append(try reader.text())
        case (30, .lengthDelimited): user = try reader.text()
        case (31, .lengthDelimited): role = try reader.text()
        case (_, let type): try reader.skip(type)
        }
    }
}

extension ServiceDefinition.Pair {
    fileprivate func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: 64)
        writer.field(1, name.text)
        writer.field(2, value.text)
        return writer.bytes
    }

    fileprivate init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
        self.init("", "")
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .lengthDelimited): name = try reader.text()
            case (2, .lengthDelimited): value = try reader.text()
            case (_, let type): try reader.skip(type)
            }
        }
    }
}

extension ServiceDefinition.Artifact {
    fileprivate func encode() -> [UInt8] {
        var writer = ProtobufWriter(capacity: 64)
        writer.field(1, uri.text)
        writer.field(2, isExtracted)
        writer.field(3, isExecutable)
        writer.field(4, isCached)
        writer.field(5, outputFile.text)
        return writer.bytes
    }

    fileprivate init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
        self.init(uri: "")
        isExtracted = false
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .lengthDelimited): uri = try reader.text()
            case (2, .varint): isExtracted = try reader.bool()
            case (3, .varint): isExecutable = try reader.bool()
            case (4, .varint): isCached = try reader.bool()
            case (5, .lengthDelimited): outputFile = try reader.text()
            case (_, let type): try reader.skip(type)
            }
        }
    }
}

extension ServiceDefinition.Port {
    fileprivate func encode() -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, UInt64(number))
        writer.field(2, name.text)
        writer.field(3, networkProtocol.text)
        for label in labels { writer.element(4, label.encode()) }
        return writer.bytes
    }

    fileprivate init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
        self.init(0)
        networkProtocol = ""
        var reader = ProtobufReader(bytes)
        while let (field, type) = try reader.nextField() {
            switch (field, type) {
            case (1, .varint): number = UInt16(clamping: try reader.varint())
            case (2, .lengthDelimited): name = try reader.text()
            case (3, .lengthDelimited): networkProtocol = try reader.text()
            case (4, .lengthDelimited):
                labels.append(try ServiceDefinition.Pair(reader.lengthDelimited()))
            case (_, let type): try reader.skip(type)
            }
        }
    }
}

extension ServiceDefinition.Constraint {
    fileprivate func encode() -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, field.text)
        writer.field(2, UInt64(test.rawValue))
        if let value { writer.element(3, value) }
        return writer.bytes
    }

    fileprivate init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
        self.init("", .unique)
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .lengthDelimited): field = try reader.text()
            case (2, .varint): test = try reader.known()
            case (3, .lengthDelimited): value = try reader.text()
            case (_, let type): try reader.skip(type)
            }
        }
    }
}

extension ServiceDefinition.HealthCheck {
    fileprivate func encode() -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, UInt64(kind.rawValue))
        writer.field(2, path.text)
        if let port { writer.field(3, UInt64(port) + 1) }
        writer.field(4, UInt64(portIndex))
        writer.field(5, command.text)
        writer.field(6, graceMilliseconds)
        writer.field(7, intervalMilliseconds)
        writer.field(8, timeoutMilliseconds)
        writer.field(9, delayMilliseconds)
        writer.field(10, UInt64(failuresMax))
        writer.field(11, isOlderName)
        return writer.bytes
    }

    fileprivate init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
        self.init(.command)
        path = ""
        (graceMilliseconds, intervalMilliseconds, timeoutMilliseconds) = (0, 0, 0)
        (delayMilliseconds, failuresMax) = (0, 0)
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .varint): kind = try reader.known()
            case (2, .lengthDelimited): path = try reader.text()
            case (3, .varint): port = UInt16(clamping: try reader.varint() &- 1)
            case (4, .varint): portIndex = UInt16(clamping: try reader.varint())
            case (5, .lengthDelimited): command = try reader.text()
            case (6, .varint): graceMilliseconds = try reader.varint()
            case (7, .varint): intervalMilliseconds = try reader.varint()
            case (8, .varint): timeoutMilliseconds = try reader.varint()
            case (9, .varint): delayMilliseconds = try reader.varint()
            case (10, .varint): failuresMax = UInt32(clamping: try reader.varint())
            case (11, .varint): isOlderName = try reader.bool()
            case (_, let type): try reader.skip(type)
            }
        }
    }
}

extension ServiceDefinition.ReadinessCheck {
    fileprivate func encode() -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, name.text)
        writer.field(2, isHTTPS)
        writer.field(3, path.text)
        writer.field(4, portName.text)
        writer.field(5, intervalMilliseconds)
        writer.field(6, timeoutMilliseconds)
        for code in readyCodes {
            writer.tag(7, .varint)
            writer.varint(UInt64(code))
        }
        writer.field(8, preservesLastResponse)
        return writer.bytes
    }

    fileprivate init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
        self.init()
        (name, path, portName, readyCodes) = ("", "", "", [])
        (intervalMilliseconds, timeoutMilliseconds) = (0, 0)
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .lengthDelimited): name = try reader.text()
            case (2, .varint): isHTTPS = try reader.bool()
            case (3, .lengthDelimited): path = try reader.text()
            case (4, .lengthDelimited): portName = try reader.text()
            case (5, .varint): intervalMilliseconds = try reader.varint()
            case (6, .varint): timeoutMilliseconds = try reader.varint()
            case (7, .varint): readyCodes.append(UInt16(clamping: try reader.varint()))
            case (8, .varint): preservesLastResponse = try reader.bool()
            case (_, let type): try reader.skip(type)
            }
        }
    }
}

extension ProtobufWriter {
    /// An element of a list, or a text that is there though it is empty.
    mutating func element(_ number: UInt32, _ text: ByteText) {
        element(number, Array(text.text.utf8))
    }
}
