import HeapModule

/// Virtual time, in microseconds since the run began.
package typealias Micros = Int

extension Micros {
    static func milliseconds(_ count: Int) -> Micros { count * 1000 }
    static func seconds(_ count: Int) -> Micros { count * 1_000_000 }
}

/// What will happen, by time; what was scheduled first goes first among equals.
struct EventQueue {
    /// What an event concerns, for the trace.
    enum Kind: UInt8, CaseIterable {
        case tick, flush, disk, report, work, frame, dial, closed, client, watcher, nemesis, life

        /// What stays in order among itself when a process has been paused.
        var source: Int {
            switch self {
            case .tick, .flush, .nemesis, .life: 0
            case .disk, .report, .work: 1
            case .frame, .dial, .closed: 2
            case .client, .watcher: 3
            }
        }
    }

    struct Event: Comparable {
        var time: Micros
        var sequence: UInt64
        var kind: Kind
        /// The machine on which it happens; negative: outside all of them.
        var machine: Int32
        /// The process that it is meant for; it is dropped when that process is gone. Zero: any.
        var life: UInt32
        /// Nil for a tick.
        var body: (() -> Void)?

        static func < (a: Event, b: Event) -> Bool {
            a.time != b.time ? a.time < b.time : a.sequence < b.sequence
        }

        static func == (a: Event, b: Event) -> Bool { a.sequence == b.sequence }
    }

    private var heap = Heap<Event>()
    private var lastSequence: UInt64 = 0

    var isEmpty: Bool { heap.isEmpty }
    var nextTime: Micros? { heap.min?.time }
    var count: Int { heap.count }

    mutating func add(
        at time: Micros, _ kind: Kind, machine: Int, life: UInt32, _ body: (() -> Void)?
    ) {
        lastSequence += 1
        heap.insert(
            Event(
                time: time, sequence: lastSequence, kind: kind, machine: Int32(machine),
                life: life, body: body))
    }

    mutating func next() -> Event? { heap.popMin() }
}
