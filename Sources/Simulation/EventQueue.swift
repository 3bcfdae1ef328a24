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

    struct Event {
        var time: Micros
        var kind: Kind
        /// The machine on which it happens; negative: outside all of them.
        var machine: Int32
        /// The process that it is meant for; it is dropped when that process is gone. Zero: any.
        var life: UInt32
        /// Nil for a tick.
        var body: (() -> Void)?
    }

    /// When an event is due and where it is kept: what the heap moves about is numbers only.
    private struct Place: Comparable {
        var time: Micros
        var sequence: UInt64
        var slot: Int

        static func < (a: Place, b: Place) -> Bool {
            a.time != b.time ? a.time < b.time : a.sequence < b.sequence
        }

        static func == (a: Place, b: Place) -> Bool { a.sequence == b.sequence }
    }

    private var heap = Heap<Place>()
    private var events: [Event?] = []
    private var freeSlots: [Int] = []
    private var lastSequence: UInt64 = 0

    var isEmpty: Bool { heap.isEmpty }
    var nextTime: Micros? { heap.min?.time }
    var count: Int { heap.count }

    mutating func add(
        at time: Micros, _ kind: Kind, machine: Int, life: UInt32, _ body: (() -> Void)?
    ) {
        lastSequence += 1
        let event = Event(
            time: time, kind: kind, machine: Int32(machine), life: life, body: body)
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            events[slot] = event
        } else {
            slot = events.count
            events.append(event)
        }
        heap.insert(Place(time: time, sequence: lastSequence, slot: slot))
    }

    mutating func next() -> Event? {
        guard let place = heap.popMin() else { return nil }
        freeSlots.append(place.slot)
        var event: Event?
        swap(&event, &events[place.slot])
        return event
    }
}
