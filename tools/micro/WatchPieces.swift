internal import Primitives
internal import StateMachine

/// One change matched against ten thousand watches, of whom all or one are to be told.
enum WatchPieces {
    private static let watchCount = 10_000

    static var all: [Piece] {
        [
            Piece("watch-keys", "a change among 10,000 watches of a key each: one is told") { _ in
                try work(tellsAll: false) { .key(Bytes(key($0))) }
            },
            Piece(
                "watch-ranges", "a change among 10,000 watches of a prefix each: one is told"
            ) { _ in
                try work(tellsAll: false) { .range(from: Bytes(key($0)), to: Bytes(end(of: $0))) }
            },
            Piece("watch-prefix", "a change among 10,000 watches of one prefix: all are told") {
                _ in
                try work(tellsAll: true) { _ in
                    .range(from: Bytes("/micro/"), to: Bytes("/micro0"))
                }
            },
        ]
    }

    private static func key(_ number: Int) -> [UInt8] { Samples.key(number) }

    /// Behind all keys that begin with the one of that number.
    private static func end(of number: Int) -> [UInt8] { Samples.key(number) + [0xFF] }

    private static func work(tellsAll: Bool, _ range: (Int) -> WatchRange) throws -> Work {
        let fixture = StoreFixture()
        var samples = Samples()
        let changes = try samples.shuffled(watchCount).prefix(1000).map { number in
            try fixture.apply(
                Samples.command(.put, Samples.put(key(number), samples.value()))
            ).events
        }
        let matcher = Matcher(fixture.store, changes, takerCount: tellsAll ? watchCount : 1)
        for number in 0..<watchCount { matcher.watch(range(number)) }
        return Work(run: matcher.run)
    }
}

private final class Matcher {
    private var hub: WatchHub
    private let store: Store
    private let changes: [[Record]]
    private let takerCount: Int
    private var next = 0

    init(_ store: Store, _ changes: [[Record]], takerCount: Int) {
        hub = WatchHub(revision: store.revision)
        self.store = store
        self.changes = changes
        self.takerCount = takerCount
    }

    func watch(_ range: WatchRange) { _ = hub.add(WatchSpec(range: range), start: 0) }

    /// The changes come again and again, each time at the next revision.
    func run(_ operations: Int) {
        for _ in 0..<operations {
            let outputs = hub.publish(changes[next], through: hub.revision.next, log: store)
            next = next + 1 == changes.count ? 0 : next + 1
            guard outputs.count == 1, case .events(_, let takers) = outputs[0] else {
                invariant(false, "one change makes one delivery, not \(outputs.count)")
                return
            }
            invariant(takers.count == takerCount, "\(takers.count) watches were told")
        }
    }
}
