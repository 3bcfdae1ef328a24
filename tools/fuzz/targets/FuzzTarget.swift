/// One decoder of bytes that come from outside, as a function that any bytes may be given to.
///
/// It returns when the bytes were taken or refused. What it must not do is trap, hang or take
/// memory that the bytes do not pay for.
package struct FuzzTarget: Sendable {
    /// Names its folder in the corpus.
    package let name: String
    package let run: @Sendable ([UInt8]) -> Void
    /// Valid inputs, from which a fuzzer starts.
    package let seeds: @Sendable () throws -> [[UInt8]]

    package init(
        _ name: String, run: @escaping @Sendable ([UInt8]) -> Void,
        seeds: @escaping @Sendable () throws -> [[UInt8]]
    ) {
        self.name = name
        self.run = run
        self.seeds = seeds
    }

    package static let all: [FuzzTarget] = [
        .http2Server, .http2Client, .services, .grpcFraming, .requests, .commands, .storeRows,
        .peerFrames, .peerMessages, .logSegment, .slotFiles, .snapshotStream, .boltFile,
        .gatewayJSON, .certificates, .addresses, .history, .clientAnswers, .checkpointFiles,
        .settings, .backupFile, .archiveLog, .metricsPage,
    ]

    package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// Takes numbers and pieces from the front of a fuzzer's bytes; zero and nothing at the end.
struct FuzzInput {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isEmpty: Bool { rest.isEmpty }

    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    mutating func number() -> Int { Int(byte()) | Int(byte()) << 8 }

    /// A piece behind its length, two bytes.
    mutating func piece() -> [UInt8] { take(number()) }

    mutating func take(_ count: Int) -> [UInt8] {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func takeAll() -> [UInt8] { take(rest.count) }
}

extension [UInt8] {
    /// The form in which ``FuzzInput/piece()`` reads it.
    var asPiece: [UInt8] {
        [UInt8(truncatingIfNeeded: count), UInt8(truncatingIfNeeded: count >> 8)] + self
    }
}
