package import Primitives

/// Which fields of a record an answer carries.
package enum RecordForm: UInt8, Equatable, Sendable {
    case full
    /// `keys_only`: neither value nor lease (etcd 3.7).
    case keyOnly
    /// `keys_only` where the sort needed the value: the lease stays (etcd 3.7).
    case keyAndLease
}

/// mvccpb.KeyValue: key = 1, create_revision = 2, mod_revision = 3, version = 4, value = 5, lease =
/// 6.
extension Record {
    /// Encoded size as mvccpb.KeyValue, without tag and length.
    package func keyValueByteCount(_ form: RecordForm = .full) -> Int {
        let header = self.header
        var count =
            ProtobufWriter.fieldByteCount(1, bytes: Int(header.keyByteCount))
            + ProtobufWriter.fieldByteCount(2, UInt64(bitPattern: header.createRevision))
            + ProtobufWriter.fieldByteCount(3, UInt64(bitPattern: header.modRevision))
            + ProtobufWriter.fieldByteCount(4, UInt64(bitPattern: header.version))
        switch form {
        case .full:
            count += ProtobufWriter.fieldByteCount(5, bytes: Int(header.valueByteCount))
            count += ProtobufWriter.fieldByteCount(6, UInt64(bitPattern: header.lease))
        case .keyAndLease:
            count += ProtobufWriter.fieldByteCount(6, UInt64(bitPattern: header.lease))
        case .keyOnly: break
        }
        return count
    }

    package func encodeKeyValue(into writer: inout ProtobufWriter, _ form: RecordForm = .full) {
        let header = self.header
        withKey { writer.field(1, $0) }
        writer.field(2, header.createRevision)
        writer.field(3, header.modRevision)
        writer.field(4, header.version)
        switch form {
        case .full:
            withValue { writer.field(5, $0) }
            writer.field(6, header.lease)
        case .keyAndLease: writer.field(6, header.lease)
        case .keyOnly: break
        }
    }

    /// The record as an embedded mvccpb.KeyValue in field `number`.
    package func encodeKeyValue(
        field number: UInt32, into writer: inout ProtobufWriter, _ form: RecordForm = .full
    ) {
        writer.message(number, byteCount: keyValueByteCount(form))
        encodeKeyValue(into: &writer, form)
    }

    /// Size of the record as an embedded message in a field whose number is below 16.
    package func embeddedByteCount(_ form: RecordForm = .full) -> Int {
        let body = keyValueByteCount(form)
        return 1 + ProtobufWriter.varintByteCount(UInt64(body)) + body
    }
}
