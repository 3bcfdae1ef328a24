package import Primitives

/// A request message that is read from protobuf bytes.
package protocol WireRequest {
    static func decode(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> Self
}

extension WireRequest {
    /// The request in `bytes`.
    /// - Throws: ``StoreError/malformed(offset:)`` or ``StoreError/nestedTooDeep(limit:)``.
    package static func decode(_ bytes: [UInt8]) throws(StoreError) -> Self {
        let result: Result<Self, StoreError> = bytes.withUnsafeBytes { raw in
            do throws(ProtobufError) {
                return .success(try decode(raw))
            } catch {
                return .failure(StoreError(error))
            }
        }
        return try result.get()
    }
}

extension RangeRequest: WireRequest {}
extension PutRequest: WireRequest {}
extension DeleteRangeRequest: WireRequest {}
extension TxnRequest: WireRequest {}
extension CompactionRequest: WireRequest {}
extension LeaseGrantRequest: WireRequest {}
extension LeaseRequest: WireRequest {}
extension AlarmRequest: WireRequest {}
