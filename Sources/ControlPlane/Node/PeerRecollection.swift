import Primitives
import Storage

/// What this node remembers of its peers: each one's last start, durably, and the highest position
/// that it acknowledged, lazily, as a lower bound.
struct PeerRecollection {
    private var marks: [(id: NodeID, mark: PeerMark, nonce: UInt64)] = []
    private let file: PeerMemoryFile
    private var isDirty = false
    private var ticksUntilStore = PeerRecollection.storeTicks

    /// Acknowledged positions are written at most this often.
    static let storeTicks = 100

    init(_ file: PeerMemoryFile) {
        self.file = file
        marks = file.loaded.map {
            ($0.member, PeerMark(boot: $0.boot, term: $0.term, index: $0.index), $0.nonce)
        }
    }

    /// What is remembered of the sender, and whether its hello brings something to remember first.
    mutating func judge(
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

    mutating func acknowledged(by peer: NodeID, term: Term, index: LogIndex) {
        guard let position = marks.firstIndex(where: { $0.id == peer }) else { return }
        let mark = marks[position].mark
        guard (term, index) > (mark.term, mark.index) else { return }
        marks[position].mark.term = term
        marks[position].mark.index = index
        isDirty = true
    }

    private var records: [PeerMemory] {
        marks.map {
            PeerMemory(
                member: $0.id, boot: $0.mark.boot, nonce: $0.nonce, term: $0.mark.term,
                index: $0.mark.index)
        }
    }

    mutating func store(through thread: LogThread?, _ done: @escaping @Sendable () -> Void) {
        isDirty = false
        let records = records
        thread?.submit(
            .peerMemory { [file] () throws(StorageError) in
                try file.store(records)
                done()
            })
    }

    mutating func storeLazily(through thread: LogThread?) {
        ticksUntilStore -= 1
        guard ticksUntilStore <= 0 else { return }
        ticksUntilStore = Self.storeTicks
        if isDirty { store(through: thread) {} }
    }
}
