package import Primitives

/// etcdserverpb.ResponseHeader: cluster_id = 1, member_id = 2, revision = 3, raft_term = 4.
package struct ResponseHeader: Equatable, Sendable {
    package var clusterID: UInt64
    package var memberID: UInt64
    package var revision: Int64
    package var raftTerm: UInt64

    package init(clusterID: UInt64, memberID: UInt64, revision: Int64, raftTerm: UInt64) {
        self.clusterID = clusterID
        self.memberID = memberID
        self.revision = revision
        self.raftTerm = raftTerm
    }

    /// The header inside an operation of a transaction: a revision only.
    package init(revision: Revision) {
        self.init(clusterID: 0, memberID: 0, revision: revision.rawValue, raftTerm: 0)
    }

    package var byteCount: Int {
        ProtobufWriter.fieldByteCount(1, clusterID) + ProtobufWriter.fieldByteCount(2, memberID)
            + ProtobufWriter.fieldByteCount(3, UInt64(bitPattern: revision))
            + ProtobufWriter.fieldByteCount(4, raftTerm)
    }

    /// Size as an embedded message in a field whose number is below 16.
    package var embeddedByteCount: Int {
        let body = byteCount
        return 1 + ProtobufWriter.varintByteCount(UInt64(body)) + body
    }

    package func encode(into writer: inout ProtobufWriter) {
        writer.field(1, clusterID)
        writer.field(2, memberID)
        writer.field(3, revision)
        writer.field(4, raftTerm)
    }

    /// The header as field 1, where every response has it.
    package func encodeField(into writer: inout ProtobufWriter) {
        writer.message(1, byteCount: byteCount)
        encode(into: &writer)
    }
}
