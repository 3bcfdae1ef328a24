internal import API
internal import HummingbirdCore
internal import NIOCore

/// What the bodies that are being read may take together.
final class BodyBudget: Sendable {
    private let left: LockedValue<Int>

    init(bytes: Int) { left = LockedValue(bytes) }

    func take(_ count: Int) -> Bool {
        left.with { left in
            guard left >= count else { return false }
            left -= count
            return true
        }
    }

    func giveBack(_ count: Int) { left.with { $0 += count } }

    /// The whole body. It is held until `use` returns.
    /// - Throws: 413 beyond `max` bytes, 503 where all together have too much.
    func read<Result>(
        _ body: RequestBody, max: Int, _ use: ([UInt8]) async throws -> Result
    ) async throws -> Result {
        var bytes: [UInt8] = []
        defer { giveBack(bytes.count) }
        for try await buffer in body {
            let count = buffer.readableBytes
            guard bytes.count + count <= max else {
                throw MesosRefusal(413, "The body has more than \(max) bytes")
            }
            guard take(count) else { throw MesosRefusal(503, "Too many bodies at once") }
            bytes.append(contentsOf: buffer.readableBytesView)
        }
        return try await use(bytes)
    }
}
