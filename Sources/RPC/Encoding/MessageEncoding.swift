/// What compressed request messages are taken: `gzip`, and `identity`, which is none. Answers are
/// never compressed.
enum MessageEncoding {
    /// For `grpc-accept-encoding`.
    static let accepted = "identity,gzip"

    static func isSupported(_ name: [UInt8]) -> Bool { name.elementsEqual("gzip".utf8) }

    static func decompress(_ bytes: [UInt8], byteCountMax: Int) throws(RPCStatus) -> [UInt8] {
        do throws(Gzip.Failure) {
            return try Gzip.decompress(bytes, byteCountMax: byteCountMax)
        } catch {
            switch error {
            case .tooLarge:
                let text = "grpc: received message after decompression larger than max"
                throw RPCStatus(.resourceExhausted, "\(text) \(byteCountMax)")
            case .corrupt(let what):
                let text = "grpc: failed to decompress the received message: \(what)"
                throw RPCStatus(.internalError, text)
            }
        }
    }
}
