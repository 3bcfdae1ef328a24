import Primitives

/// The digests of the state at agreed indexes, this node's and its peers', to find a divergence.
struct DigestTable: Sendable {
    struct Vote: Sendable {
        var peer: NodeID
        var index: LogIndex
        var digest: UInt64
    }

    static let keptMax = 16

    var own: [(index: LogIndex, digest: UInt64)] = []
    var votes: [Vote] = []

    mutating func note(_ digest: UInt64, at index: LogIndex) {
        own.append((index, digest))
        if own.count > Self.keptMax { own.removeFirst() }
    }

    mutating func note(_ vote: Vote) {
        votes.removeAll { $0.peer == vote.peer && $0.index == vote.index }
        votes.append(vote)
        if votes.count > Self.keptMax * 8 { votes.removeFirst() }
    }

    /// The own digest and the one that at least `needed` members share, where these differ.
    func conflict(at index: LogIndex, needed: Int) -> (mine: UInt64, majority: UInt64)? {
        guard let mine = own.last(where: { $0.index == index })?.digest else { return nil }
        let there = votes.filter { $0.index == index }.map(\.digest).sorted()
        for digest in there where digest != mine {
            if there.count(where: { $0 == digest }) >= needed { return (mine, digest) }
        }
        return nil
    }
}
