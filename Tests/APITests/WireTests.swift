import API
import SwiftProtobuf
import Testing

/// Expected bytes are written by hand from the protobuf encoding specification and the numbers
/// of the etcd v3 API, so that a changed number is seen.
@Suite("Messages on the wire (etcd v3 API)")
struct WireTests {
    @Test("a put has its fields at 1 to 6")
    func put() throws {
        var request = EtcdPutRequest()
        request.key = .init(wire: [0x61])
        request.value = .init(wire: [0x62])
        request.lease = 3
        request.prevKv = true
        request.ignoreValue = true
        request.ignoreLease = true
        let bytes: [UInt8] = try request.serializedBytes()
        #expect(bytes == [0x0A, 1, 0x61, 0x12, 1, 0x62, 0x18, 3, 0x20, 1, 0x28, 1, 0x30, 1])
        #expect(try EtcdPutRequest(serializedBytes: bytes) == request)
    }

    @Test("a comparison keeps a zero that it is compared with, and its range end at 64")
    func compare() throws {
        var compare = EtcdCompare()
        compare.result = .notEqual
        compare.target = .mod
        compare.key = .init(wire: [0x6B])
        compare.modRevision = 0
        compare.rangeEnd = .init(wire: [0])
        let bytes: [UInt8] = try compare.serializedBytes()
        #expect(bytes == [0x08, 3, 0x10, 2, 0x1A, 1, 0x6B, 0x30, 0, 0x82, 0x04, 1, 0])
    }

    @Test("a watch's events are at 11")
    func watch() throws {
        let bytes: [UInt8] = [
            0x0A, 2, 0x18, 9,  // header: revision 9
            0x10, 5, 0x18, 1, 0x20, 1, 0x28, 7, 0x32, 1, 0x78, 0x38, 1,
            0x5A, 8, 0x08, 1, 0x12, 4, 0x0A, 0, 0x18, 9,  // DELETE at revision 9
        ]
        let answer = try EtcdWatchResponse(serializedBytes: bytes)
        #expect(answer.header.revision == 9)
        #expect(answer.watchID == 5)
        #expect(answer.created && answer.canceled && answer.fragment)
        #expect(answer.compactRevision == 7)
        #expect(answer.cancelReason == "x")
        #expect(answer.events.map(\.type) == [.delete])
        #expect(answer.events.map(\.kv.modRevision) == [9])
    }

    @Test("a range streams its answer wrapped in field 1")
    func rangeStream() throws {
        var piece = EtcdRangeStreamResponse()
        piece.rangeResponse.count = 2
        let bytes: [UInt8] = try piece.serializedBytes()
        #expect(bytes == [0x0A, 2, 0x20, 2])
    }

    @Test("what is not known is kept when a message is written again")
    func unknownFields() throws {
        let bytes: [UInt8] = [0x0A, 1, 0x61, 0xA0, 0x06, 5]
        let request = try EtcdDeleteRangeRequest(serializedBytes: bytes)
        #expect(try request.serializedBytes() as [UInt8] == bytes)
    }

    @Test("JSON has the field names that etcd's gateway has")
    func json() throws {
        let json = #"{"ID":"7","TTL":"60"}"#
        let request = try EtcdLeaseGrantRequest(jsonString: json)
        #expect(request.id == 7)
        #expect(request.ttl == 60)
        var options = JSONEncodingOptions()
        options.preserveProtoFieldNames = true
        #expect(try request.jsonString(options: options) == #"{"TTL":"60","ID":"7"}"#)
    }

    @Test("health has SERVING at 1")
    func health() throws {
        var answer = GRPCHealthCheckResponse()
        answer.status = .serving
        #expect(try answer.serializedBytes() as [UInt8] == [0x08, 1])
    }
}
