package import Primitives
import RaftCore

/// The digests of the state at agreed indexes, this node's and its peers', to find a divergence.
package struct DigestTable: Sendable {
    package struct Vote: Sendable {
        package var peer: NodeID
        package var index: LogIndex
        package var digest: UInt64

        package init(peer: NodeID, index: LogIndex, digest: UInt64) {
            self.peer = peer
            self.index = index
            self.digest = digest
        }
    }

    static let keptMax = 16

    var own: [(index: LogIndex, digest: UInt64)] = []
    var votes: [Vote] = []

    package init() {}

    package mutating func note(_ digest: UInt64, at index: LogIndex) {
        own.append((index, digest))
        if own.count > Self.keptMax { own.removeFirst() }
    }

    package mutating func note(_ vote: Vote) {
        // By the numbers, and the newest half at once: one comes with each digest of each peer.
        let (peer, index) = (vote.peer.rawValue, vote.index.rawValue)
        let known = votes.lastIndex {
            $0.index.rawValue == index && $0.peer.rawValue == peer
        }
        if let known { votes.remove(at: known) }
        votes.append(vote)
        if votes.count > Self.keptMax * 16 { votes.removeFirst(Self.keptMax * 8) }
    }

    /// The own digest and the one that a majority of the voters shares, where these differ.
    package func conflict(
        at index: LogIndex, voters: [NodeID]
    ) -> (mine: UInt64, majority: UInt64)? {
        guard let mine = own.last(where: { $0.index == index })?.digest else { return nil }
        let number = index.rawValue
        guard votes.contains(where: { $0.index.rawValue == number && $0.digest != mine }) else {
            return nil
        }
        let there = votes.filter { $0.index == index && voters.contains($0.peer) }
        for vote in there where vote.digest != mine {
            let count = there.count { $0.digest == vote.digest }
            if count >= Quorum.majority(of: voters.count) { return (mine, vote.digest) }
        }
        return nil
    }
}
