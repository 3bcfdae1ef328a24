package import NIOCore

/// Something with a deadline: at most one wheel holds it, and it costs no allocation there.
package protocol DeadlineTarget: AnyObject {
    func deadlineExpired()
}

/// Deadlines of calls, to 10 ms. Adding and removing cost a few assignments, however many there
/// are.
///
/// Confined to one event loop, hence `@unchecked Sendable`. Source: Varghese and Lauck, "Hashed and
/// Hierarchical Timing Wheels", SOSP 1987.
package final class DeadlineWheel: @unchecked Sendable {
    /// The place of one target. It holds the target strongly while it is in the wheel.
    package final class Entry {
        fileprivate(set) var deadline: NIODeadline
        fileprivate var target: (any DeadlineTarget)?
        fileprivate var slot = -1
        fileprivate var position = -1

        fileprivate init(deadline: NIODeadline, target: any DeadlineTarget) {
            self.deadline = deadline
            self.target = target
        }
    }

    private static let tickNanoseconds: UInt64 = 10_000_000
    private static let slotCount = 1024

    private let eventLoop: any EventLoop
    private var slots: [[Entry]] = Array(repeating: [], count: slotCount)
    private var lastTick: UInt64
    package private(set) var count = 0
    private var isScheduled = false

    package init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        lastTick = Self.tick(.now())
    }

    private static func tick(_ time: NIODeadline) -> UInt64 {
        time.uptimeNanoseconds / tickNanoseconds
    }

    package func add(_ target: any DeadlineTarget, deadline: NIODeadline) -> Entry {
        let entry = Entry(deadline: deadline, target: target)
        if count == 0 { lastTick = Self.tick(.now()) }
        // Rounded up, and never into a slot that this tick has passed.
        let tick = max(Self.tick(deadline) &+ 1, lastTick &+ 1)
        entry.slot = Int(tick % UInt64(Self.slotCount))
        entry.position = slots[entry.slot].count
        slots[entry.slot].append(entry)
        count += 1
        if !isScheduled { schedule() }
        return entry
    }

    package func remove(_ entry: Entry) {
        guard entry.slot >= 0 else { return }
        entry.target = nil
        let slot = entry.slot
        entry.slot = -1
        let last = slots[slot].removeLast()
        if last !== entry {
            slots[slot][entry.position] = last
            last.position = entry.position
        }
        count -= 1
    }

    private func schedule() {
        isScheduled = true
        eventLoop.scheduleTask(in: .nanoseconds(Int64(Self.tickNanoseconds))) { self.advance() }
    }

    private func advance() {
        isScheduled = false
        let now = NIODeadline.now()
        let tick = Self.tick(now)
        let steps = min(tick &- lastTick, UInt64(Self.slotCount))
        var expired: [any DeadlineTarget] = []
        for step in 0..<steps {
            let slot = Int((lastTick &+ 1 &+ step) % UInt64(Self.slotCount))
            for entry in slots[slot] where entry.deadline <= now {
                if let target = entry.target { expired.append(target) }
            }
        }
        lastTick = tick
        for target in expired { target.deadlineExpired() }
        if count > 0, !isScheduled { schedule() }
    }
}
