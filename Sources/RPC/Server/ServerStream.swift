/// What a streaming call's handler is told, on the connection's event loop.
package protocol ServerStream: AnyObject {
    func received(_ message: [UInt8])
    /// The client sends no more messages.
    func halfClosed()
    /// The last thing that a stream is told, exactly once. `cancelled`: the client, its deadline or
    /// the loss of its connection ended the call before its status was sent.
    func closed(cancelled: Bool)
    /// Buffered output fell under the low-water mark after the call was not writable.
    func writable()
}
