/// Takes the results of many unary calls without a closure for each.
package protocol RPCResponseSink: AnyObject {
    /// `tag` is what the call was started with. `message` is empty unless `status` is OK.
    func completed(tag: Int, status: RPCStatus, message: [UInt8])
}
