package import Primitives
package import Storage

/// Names one ``LogJob/remember(_:_:)``. Later ones are greater.
package struct PeerMemoryTicket: Comparable, Hashable, Sendable {
    package var rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (a: PeerMemoryTicket, b: PeerMemoryTicket) -> Bool {
        a.rawValue < b.rawValue
    }
}

/// What this node remembers of its peers: each one's last start, durably, and the highest position
/// that it acknowledged, lazily, as a lower bound.
package struct PeerRecollection: Sendable {
    private var marks: [(id: NodeID, mark: PeerMark, nonce: UInt64)] = []
    private var isDirty = false
    private var ticksUntilStore = PeerRecollection.storeTicks
    private var lastTicket = PeerMemoryTicket(0)

    /// Acknowledged positions are written at most this often.
    package static let storeTicks = 100

    package init(_ loaded: [PeerMemory]) {
        marks = loaded.map {
            ($0.member, PeerMark(boot: $0.boot, term: $0.term, index: $0.index), $0.nonce)
        }
    }

    /// What is remembered of the sender, and whether its hello brings something to remember first.
    package mutating func judge(
        _ hello: PeerHello
    ) -> (verdict: PeerVerdict, remembered: PeerMark, isNew: Bool) {
        guard let position = marks.firstIndex(where: { $0.id == hello.sender }) else {
            let mark = PeerMark(boot: hello.boot, term: .zero, index: .zero)
            marks.append((hello.sender, mark, hello.nonce))
            return (.neverHeard, PeerMark(boot: .zero, term: .zero, index: .zero), true)
        }
        let known = marks[position]
        if hello.boot == known.mark.boot, hello.nonce == known.nonce {
            return (.known, known.mark, false)
        }
        let offersLess =
            hello.boot <= known.mark.boot
            || (hello.lastTerm, hello.lastIndex) < (known.mark.term, known.mark.index)
        if offersLess { return (.behind, known.mark, false) }
        marks[position].mark.boot = hello.boot
        marks[position].nonce = hello.nonce
        return (.known, known.mark, true)
    }

    package mutating func acknowledged(by peer: NodeID, term: Term, index: LogIndex) {
        guard let position = marks.firstIndex(where: { $0.id == peer }) else { return }
        let mark = marks[position].mark
        guard (term, index) > (mark.term, mark.index) else { return }
        marks[position].mark.term = term
        marks[position].mark.index = index
        isDirty = true
    }

    /// What is known now, to be made durable, and the name under which that is reported.
    package mutating func takeRecords() -> (records: [PeerMemory], ticket: PeerMemoryTicket) {
        isDirty = false
        lastTicket.rawValue += 1
        let records = marks.map {
            PeerMemory(
                member: $0.id, boot: $0.mark.boot, nonce: $0.nonce, term: $0.mark.term,
                index: $0.mark.index)
        }
        return (records, lastTicket)
    }

    /// Once a tick: what is due to be written without anybody waiting for it.
    package mutating func tick() -> (records: [PeerMemory], ticket: PeerMemoryTicket)? {
        ticksUntilStore -= 1
        guard ticksUntilStore <= 0 else { return nil }
        ticksUntilStore = Self.storeTicks
        return isDirty ? takeRecords() : nil
    }
}
