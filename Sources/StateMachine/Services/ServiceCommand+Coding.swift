internal import Primitives

// `u8 number`, then the fields in order, as ``DatacenterCommand`` has them. The numbers are part of
// the log's format: never reused.
extension ServiceCommand {
    private enum Number: UInt8 {
        case change = 1
        case rollBack, cancel, advance, adjust, stop, resetDelay
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .change(let change):
            writer.write(Number.change.rawValue)
            writer.write(change.isForced ? UInt8(1) : 0)
            writer.write(UInt32(change.parts.count))
            for part in change.parts { part.encode(into: &writer) }
        case .rollBack(let id):
            writer.write(Number.rollBack.rawValue)
            writer.write(id.rawValue)
        case .cancel(let id):
            writer.write(Number.cancel.rawValue)
            writer.write(id.rawValue)
        case .advance(let id, let step):
            writer.write(Number.advance.rawValue)
            writer.write(id.rawValue)
            writer.write(step)
        case .adjust(let adjustment):
            writer.write(Number.adjust.rawValue)
            adjustment.encode(into: &writer)
        case .stop(let instances, let scales, let isForced):
            writer.write(Number.stop.rawValue)
            writer.write(instances)
            writer.write(scales ? UInt8(1) : 0)
            writer.write(isForced ? UInt8(1) : 0)
        case .resetDelay(let id):
            writer.write(Number.resetDelay.rawValue)
            writer.write(id)
        }
    }

    /// - Throws: what is no such command; one whose number this program does not know as well, for
    ///   it comes behind a level that the program would have stopped at.
    init(_ reader: inout ByteReader) throws(DecodingError) {
        let start = reader.offset
        guard let number = Number(rawValue: try reader.read()) else {
            throw .invalid(field: "service command", offset: start)
        }
        switch number {
        case .change:
            let isForced = try reader.readFlag()
            let parts = try reader.readParts(max: ServiceLimits.changesMax) {
                source throws(DecodingError) in try ServiceChange.Part(&source)
            }
            self = .change(ServiceChange(parts, isForced: isForced))
        case .rollBack: self = .rollBack(DeploymentID(try reader.read()))
        case .cancel: self = .cancel(DeploymentID(try reader.read()))
        case .advance: self = .advance(DeploymentID(try reader.read()), step: try reader.read())
        case .adjust: self = .adjust(try ServiceAdjustment(&reader))
        case .stop:
            self = .stop(
                try reader.readInstances(), scales: try reader.readFlag(),
                isForced: try reader.readFlag())
        case .resetDelay: self = .resetDelay(try reader.readServiceID())
        }
    }
}

extension ServiceChange.Part {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .put(let definition, let basis):
            writer.write(UInt8(1))
            switch basis {
            case .none: writer.write(UInt64(0))
            case .version(let number): writer.write(number)
            case .any: writer.write(UInt64.max)
            }
            writer.writeLengthPrefixed(definition.encode())
        case .remove(let id):
            writer.write(UInt8(2))
            writer.write(id)
        case .restart(let id):
            writer.write(UInt8(3))
            writer.write(id)
        case .putGroup(let id, let dependencies):
            writer.write(UInt8(4))
            writer.write(id)
            writer.write(UInt32(dependencies.count))
            for dependency in dependencies { writer.write(dependency) }
        case .removeGroup(let id):
            writer.write(UInt8(5))
            writer.write(id)
        }
    }

    fileprivate init(_ reader: inout ByteReader) throws(DecodingError) {
        let start = reader.offset
        switch try reader.read(UInt8.self) {
        case 1:
            let basis: ServiceChange.Basis
            switch try reader.read(UInt64.self) {
            case 0: basis = .none
            case .max: basis = .any
            case let number: basis = .version(number)
            }
            let bytes = try reader.readLengthPrefixed(
                limit: 2 * ServiceLimits.definitionBytesMax)
            let definition = bytes.withUnsafeBytes { ServiceDefinition($0) }
            guard let definition else { throw .invalid(field: "definition", offset: start) }
            self = .put(definition, basis)
        case 2: self = .remove(try reader.readServiceID())
        case 3: self = .restart(try reader.readServiceID())
        case 4:
            self = .putGroup(
                try reader.readServiceID(),
                dependencies: try reader.readParts(max: ServiceLimits.listMax) {
                    source throws(DecodingError) in try source.readServiceID()
                })
        case 5: self = .removeGroup(try reader.readServiceID())
        default: throw .invalid(field: "change of a service", offset: start)
        }
    }
}

extension ServiceAdjustment {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(service)
        writer.write(configuration)
        writer.write(begun)
        writer.write(starts)
        writer.write(stops)
        writer.write(forgets)
    }

    fileprivate init(_ reader: inout ByteReader) throws(DecodingError) {
        self.init(
            service: try reader.readServiceID(), configuration: try reader.read(),
            begun: try reader.read())
        starts = try reader.read()
        stops = try reader.readInstances()
        forgets = try reader.readInstances()
    }

    func encodeWithBasis(into writer: inout ByteWriter) {
        encode(into: &writer)
        writer.write(basis?.active ?? 0)
        writer.write(basis?.isEnding == true ? UInt8(1) : 0)
    }

    init(withBasis reader: inout ByteReader) throws(DecodingError) {
        try self.init(&reader)
        basis = Basis(active: try reader.read(), isEnding: try reader.readFlag())
    }
}

// MARK: - Parts

extension ByteWriter {
    fileprivate mutating func write(_ id: ServiceID) { writeLengthPrefixed(id.path.text) }

    fileprivate mutating func write(_ instances: [InstanceID]) {
        write(UInt32(instances.count))
        for id in instances { writeLengthPrefixed(id.rawValue.text) }
    }
}

extension ByteReader {
    fileprivate mutating func readServiceID() throws(DecodingError) -> ServiceID {
        ServiceID(try readString(limit: DatacenterLimits.nameBytesMax))
    }

    fileprivate mutating func readInstances() throws(DecodingError) -> [InstanceID] {
        try readParts(max: DatacenterLimits.operationsMax) { source throws(DecodingError) in
            InstanceID(try source.readString(limit: DatacenterLimits.nameBytesMax))
        }
    }

    fileprivate mutating func readFlag() throws(DecodingError) -> Bool {
        let start = offset
        switch try read(UInt8.self) {
        case 0: return false
        case 1: return true
        default: throw .invalid(field: "flag", offset: start)
        }
    }

    fileprivate mutating func readParts<Part>(
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
