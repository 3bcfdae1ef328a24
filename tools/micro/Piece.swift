internal import Measuring
internal import NIOCore

/// One piece of the hot path, and how it is got ready.
struct Piece {
    let name: String
    /// What one operation is.
    let summary: String
    let make: (Workplace) throws -> Work

    init(_ name: String, _ summary: String, _ make: @escaping (Workplace) throws -> Work) {
        self.name = name
        self.summary = summary
        self.make = make
    }

    static var all: [Piece] {
        RPCPieces.all + MessagePieces.all + RaftPieces.all + PeerPieces.all + LogPieces.all
            + StorePieces.all + WatchPieces.all + CheckpointPieces.all
    }

    /// The one of this name, or all whose names begin so, as `raft` means all of consensus.
    static func meant(by given: String) -> [Piece] {
        let all = all
        if let one = all.first(where: { $0.name == given }) { return [one] }
        return all.filter { $0.name.hasPrefix(given + "-") }
    }
}

/// Where pieces have their files.
struct Workplace {
    let folder: String

    /// A path that nothing has yet; pieces of one run do not share any.
    func path(_ name: String) -> String { folder + "/" + name }
}

/// A piece that is ready, with the state that it works on.
struct Work {
    /// Operations come in multiples of this.
    var step = 1
    /// How many there may be in one batch.
    var operationsMax = 1_000_000_000
    /// Gets ready for a batch, whatever its size. Not measured.
    var prepare: () throws -> Void = {}
    /// Does the work so many times.
    let run: (Int) throws -> Void
    /// What one operation takes in or gives out, where that is a figure of its own. Asked for when
    /// the work was done.
    var volume: () -> Volume? = { nil }
    /// Whose thread does the work; nil: the caller's.
    var loop: (any EventLoop)?

    /// Runs a body on the thread that does the work, between batches.
    func onItsThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) throws -> T {
        guard let loop else { return try body() }
        return try loop.submit(body).wait()
    }
}

/// What one operation takes in or gives out.
struct Volume {
    var items: Double
    let noun: String
    var bytes: Double
}

/// Keeps the optimizer from leaving out what computes the value.
@inline(never)
@_optimize(none)
func keep<T>(_ value: T) {}
