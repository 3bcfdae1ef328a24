/// One message, framed once, to be sent on any number of calls: the calls share its bytes.
package final class SharedMessage: Sendable {
    /// The five bytes of gRPC's prefix and the message.
    let framed: [UInt8]

    package init(_ message: [UInt8]) {
        var framed: [UInt8] = []
        framed.reserveCapacity(message.count + GRPCFraming.prefixByteCount)
        GRPCFraming.appendPrefix(byteCount: message.count, to: &framed)
        framed.append(contentsOf: message)
        self.framed = framed
    }

    /// The message's size without its prefix, in bytes.
    package var byteCount: Int { framed.count - GRPCFraming.prefixByteCount }
}
