import Foundation
import SwiftProtobuf

/// Finds the required fields that a message lacks, by walking over all that it has.
struct MissingFields: Visitor {
    /// Enough to see what is wrong; a message may lack as many fields as it has parts.
    static let pathsMax = 8

    private let required: [Int: String]
    private let prefix: String
    private let name: (Int) -> String
    private var seen: [Int] = []
    private var paths: [String] = []

    private init<M: Message>(_ message: M, at prefix: String) {
        required = MesosRequiredFields.byMessage[M.protoMessageName] ?? [:]
        self.prefix = prefix
        name = { Self.name(of: $0, in: M.self) }
    }

    static func paths(in message: some Message) -> [String] { paths(in: message, at: "") }

    private static func paths(in message: some Message, at prefix: String) -> [String] {
        var visitor = MissingFields(message, at: prefix)
        // It throws nothing itself, and what it does not descend into cannot throw either.
        try? message.traverse(visitor: &visitor)
        let missing = visitor.required.filter { !visitor.seen.contains($0.key) }
            .sorted { $0.key < $1.key }.map { prefix + $0.value }
        return Array((missing + visitor.paths).prefix(pathsMax))
    }

    private static func name(of number: Int, in type: any Message.Type) -> String {
        func find<M: Message & _ProtoNameProviding>(_ type: M.Type) -> String? {
            (try? Google_Protobuf_FieldMask(fieldNumbers: [number], of: type))?.paths.first
        }
        guard let type = type as? any (Message & _ProtoNameProviding).Type else {
            return "\(number)"
        }
        return find(type) ?? "\(number)"
    }

    private mutating func descend(into message: some Message, _ step: String) {
        guard paths.count < Self.pathsMax, !message.isInitialized else { return }
        paths += Self.paths(in: message, at: prefix + step + ".")
    }

    mutating func visitSingularMessageField<M: Message>(value: M, fieldNumber: Int) {
        seen.append(fieldNumber)
        descend(into: value, name(fieldNumber))
    }

    mutating func visitRepeatedMessageField<M: Message>(value: [M], fieldNumber: Int) {
        for (index, element) in value.enumerated() {
            descend(into: element, "\(name(fieldNumber))[\(index)]")
        }
    }

    mutating func visitMapField<KeyType, ValueType>(
        fieldType: _ProtobufMessageMap<KeyType, ValueType>.Type,
        value: _ProtobufMessageMap<KeyType, ValueType>.BaseType, fieldNumber: Int
    ) {
        for (key, element) in value.sorted(by: { "\($0.key)" < "\($1.key)" }) {
            descend(into: element, "\(name(fieldNumber))[\(key)]")
        }
    }
}

/// Fields without parts: that they are there is all that counts.
extension MissingFields {
    mutating func visitSingularDoubleField(value: Double, fieldNumber: Int) {
        seen.append(fieldNumber)
    }
    mutating func visitSingularInt32Field(value: Int32, fieldNumber: Int) {
        seen.append(fieldNumber)
    }
    mutating func visitSingularInt64Field(value: Int64, fieldNumber: Int) {
        seen.append(fieldNumber)
    }
    mutating func visitSingularUInt32Field(value: UInt32, fieldNumber: Int) {
        seen.append(fieldNumber)
    }
    mutating func visitSingularUInt64Field(value: UInt64, fieldNumber: Int) {
        seen.append(fieldNumber)
    }
    mutating func visitSingularBoolField(value: Bool, fieldNumber: Int) {
        seen.append(fieldNumber)
    }
    mutating func visitSingularStringField(value: String, fieldNumber: Int) {
        seen.append(fieldNumber)
    }
    mutating func visitSingularBytesField(value: Data, fieldNumber: Int) {
        seen.append(fieldNumber)
    }
    mutating func visitSingularEnumField<E: Enum>(value: E, fieldNumber: Int) {
        seen.append(fieldNumber)
    }
    mutating func visitRepeatedUInt32Field(value: [UInt32], fieldNumber: Int) {}
    mutating func visitRepeatedStringField(value: [String], fieldNumber: Int) {}
    mutating func visitRepeatedEnumField<E: Enum>(value: [E], fieldNumber: Int) {}
    mutating func visitMapField<KeyType, ValueType: MapValueType>(
        fieldType: _ProtobufMap<KeyType, ValueType>.Type,
        value: _ProtobufMap<KeyType, ValueType>.BaseType, fieldNumber: Int
    ) {}
    mutating func visitMapField<KeyType, ValueType>(
        fieldType: _ProtobufEnumMap<KeyType, ValueType>.Type,
        value: _ProtobufEnumMap<KeyType, ValueType>.BaseType, fieldNumber: Int
    ) {}
    mutating func visitUnknown(bytes: Data) {}
}
