internal import Primitives

/// What matters of a mesos.v1.TaskStatus, read from its bytes. What is malformed says nothing.
package struct TaskStatusFacts: Equatable, Sendable {
    /// At most ``ServiceLimits/messageBytesMax`` bytes.
    package var message: ByteText = ""
    /// Nil where no health check has an answer yet.
    package var isHealthy: Bool?
    /// The answer of an HTTP check, zero where it got none; nil where no such check has run.
    package var checkCode: UInt32?

    package init(_ status: [UInt8]) {
        status.withUnsafeBytes { raw in
            do throws(ProtobufError) {
                try read(raw)
            } catch {
                // As far as it goes.
            }
        }
    }

    private mutating func read(_ raw: UnsafeRawBufferPointer) throws(ProtobufError) {
        var reader = ProtobufReader(raw)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (4, .lengthDelimited):
                let text = try reader.lengthDelimited().prefix(ServiceLimits.messageBytesMax)
                message = ByteText(String(decoding: text, as: UTF8.self))
            case (8, .varint): isHealthy = try reader.bool()
            case (15, .lengthDelimited): try readCheck(reader.lengthDelimited())
            case (_, let type): try reader.skip(type)
            }
        }
    }

    private mutating func readCheck(_ raw: UnsafeRawBufferPointer) throws(ProtobufError) {
        var reader = ProtobufReader(raw)
        while let (number, type) = try reader.nextField() {
            guard number == 3, type == .lengthDelimited else {
                try reader.skip(type)
                continue
            }
            checkCode = 0
            var http = ProtobufReader(try reader.lengthDelimited())
            while let (number, type) = try http.nextField() {
                if number == 1, type == .varint {
                    checkCode = UInt32(clamping: try http.varint())
                } else {
                    try http.skip(type)
                }
            }
        }
    }
}
