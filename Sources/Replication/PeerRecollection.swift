package import Primitives
package import StateMachine
package import Storage

/// Names one ``LogJob/remember(_:_:)``. Later ones are greater.
package struct PeerMemoryTicket: Comparable, Hashable, Sendable {
    package var rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (a: PeerMemoryTicket, b: PeerMemoryTicket) -> Bool {
        a.rawValue < b.rawValue
    }
}

/// What this node remembers of its peers: each one's last start and its disk, durably, and the
/// highest position that it acknowledged and the highest term that it spoke in, lazily, as lower
/// bounds.
package struct PeerRecollection: Sendable {
    private struct Mark: Sendable {
        var memory: PeerMemory
        /// Start and disk are durable once a later ticket than this is; nil: they are.
        var changedBehind: PeerMemoryTicket?
    }

    package struct Judgement: Equatable, Sendable {
        package var verdict: PeerVerdict
        package var remembered: PeerMark
        /// Whether the answer has to wait until what is remembered is durable.
        package var isNew: Bool
        package var reason = ""
    }

    private var marks: [Mark]
    private let member: NodeID
    /// Whether this node's own disk was ever admitted.
    package private(set) var wasAdmitted: Bool
    /// That it was is durable once a later ticket than this is; nil: it is, or it was not.
    private var admittedBehind: PeerMemoryTicket?
    private var isDirty = false
    private var ticksUntilStore = PeerRecollection.storeTicks
    private var lastTicket = PeerMemoryTicket(0)

    /// Acknowledged positions are written at most this often.
    package static let storeTicks = 100

    package init(_ loaded: [PeerMemory], self member: NodeID) {
        self.member = member
        wasAdmitted = loaded.contains { $0.member == member }
        marks = loaded.filter { $0.member != member }.map { Mark(memory: $0) }
    }

    /// The cluster has agreed that the peer took part in this start.
    package mutating func learn(_ record: MemberRecord) {
        guard record.boot > .zero, record.id != member else { return }
        guard let position = marks.firstIndex(where: { $0.memory.member == record.id }) else {
            marks.append(
                Mark(
                    memory: PeerMemory(
                        member: record.id, boot: record.boot, nonce: record.nonce, term: .zero,
                        index: .zero), changedBehind: lastTicket))
            isDirty = true
            return
        }
        let known = marks[position].memory.boot
        guard record.boot.disk != known.disk || record.boot > known else { return }
        marks[position].memory.boot = record.boot
        marks[position].memory.nonce = record.nonce
        marks[position].changedBehind = lastTicket
        isDirty = true
    }

    /// What is remembered of the sender, and whether its hello brings something to remember first.
    ///
    /// - Parameter isSuperseded: whether the present log shows that what the peer acknowledged
    ///   there was replaced since, so that it need not have it any more.
    package mutating func judge(
        _ hello: PeerHello, isSuperseded: (PeerMark) -> Bool = { _ in false }
    ) -> Judgement {
        guard let position = marks.firstIndex(where: { $0.memory.member == hello.sender }) else {
            marks.append(
                Mark(
                    memory: PeerMemory(
                        member: hello.sender, boot: hello.boot, nonce: hello.nonce, term: .zero,
                        index: .zero), changedBehind: lastTicket))
            return Judgement(
                verdict: .neverHeard,
                remembered: PeerMark(boot: .zero, term: .zero, index: .zero), isNew: true)
        }
        let known = marks[position].memory
        let mark = PeerMark(boot: known.boot, term: known.term, index: known.index)
        if hello.boot == known.boot, hello.nonce == known.nonce {
            // Its other connection may have asked just before: the answer waits as well.
            return Judgement(
                verdict: .known, remembered: mark, isNew: marks[position].changedBehind != nil)
        }
        if let reason = Self.less(hello, than: known, isSuperseded: isSuperseded(mark)) {
            return Judgement(verdict: .behind, remembered: mark, isNew: false, reason: reason)
        }
        marks[position].memory.boot = hello.boot
        marks[position].memory.nonce = hello.nonce
        marks[position].changedBehind = lastTicket
        return Judgement(verdict: .known, remembered: mark, isNew: true)
    }

    /// In what a hello offers less than is remembered, or nil.
    private static func less(
        _ hello: PeerHello, than known: PeerMemory, isSuperseded: Bool
    ) -> String? {
        #if KEELSON_MUTANTS
            if planted(.admitsOtherDisks) { return nil }
        #endif
        if hello.boot.disk != known.boot.disk {
            return "it knows this member with another disk, which was lost or emptied"
        }
        #if KEELSON_MUTANTS
            if planted(.admitsOlderBoots) { return nil }
        #endif
        if hello.boot <= known.boot {
            return "it knows start \(known.boot) of this member, this one is \(hello.boot)"
        }
        // A disk that was set back draws numbers once more, and is past the known one after some
        // starts: but it never had the nonce that belongs to that.
        #if KEELSON_MUTANTS
            if planted(.forgetsEarlierStarts) { return nil }
        #endif
        let place = hello.boot.rawValue - known.boot.rawValue - 1
        if place < UInt64(hello.earlierNonces.count), known.nonce != 0,
            hello.earlierNonces[Int(place)] != known.nonce
        {
            return "it knows another start \(known.boot) of this member than its disk does"
        }
        if hello.currentTerm < known.spokenTerm {
            return "this member spoke in term \(known.spokenTerm) and is in term "
                + "\(hello.currentTerm) now"
        }
        if !isSuperseded, (hello.lastTerm, hello.lastIndex) < (known.term, known.index) {
            return "this member acknowledged entry \(known.index) of term \(known.term) and "
                + "ends at \(hello.lastIndex) of term \(hello.lastTerm) now"
        }
        return nil
    }

    package mutating func acknowledged(by peer: NodeID, term: Term, index: LogIndex) {
        guard let position = marks.firstIndex(where: { $0.memory.member == peer }) else { return }
        let mark = marks[position].memory
        guard (term, index) > (mark.term, mark.index) else { return }
        marks[position].memory.term = term
        marks[position].memory.index = index
        isDirty = true
    }

    /// The peer sent something that it sends only once this term is on its disk.
    package mutating func spoke(_ peer: NodeID, in term: Term) {
        guard let position = marks.firstIndex(where: { $0.memory.member == peer }),
            marks[position].memory.spokenTerm < term
        else { return }
        marks[position].memory.spokenTerm = term
        isDirty = true
    }

    /// That this node's own disk was admitted is durable.
    var keepsItsAdmission: Bool { wasAdmitted && admittedBehind == nil }

    /// This node's own disk was admitted: the next tick has it written.
    mutating func admitted() {
        guard !wasAdmitted else { return }
        wasAdmitted = true
        admittedBehind = lastTicket
        isDirty = true
        ticksUntilStore = 0
    }

    /// What is known now, to be made durable, and the name under which that is reported.
    package mutating func takeRecords() -> (records: [PeerMemory], ticket: PeerMemoryTicket) {
        isDirty = false
        lastTicket.rawValue += 1
        var records = marks.map(\.memory)
        if wasAdmitted {
            records.append(PeerMemory(member: member, boot: .zero, term: .zero, index: .zero))
        }
        return (records, lastTicket)
    }

    /// The records that were taken with this ticket are durable. True where that keeps for good
    /// that this node's own disk was admitted.
    mutating func remembered(_ ticket: PeerMemoryTicket) -> Bool {
        for position in marks.indices {
            if let behind = marks[position].changedBehind, behind < ticket {
                marks[position].changedBehind = nil
            }
        }
        guard let behind = admittedBehind, behind < ticket else { return false }
        admittedBehind = nil
        return true
    }

    /// Once a tick: what is due to be written without anybody waiting for it.
    package mutating func tick() -> (records: [PeerMemory], ticket: PeerMemoryTicket)? {
        ticksUntilStore -= 1
        guard ticksUntilStore <= 0 else { return nil }
        ticksUntilStore = Self.storeTicks
        return isDirty ? takeRecords() : nil
    }
}
