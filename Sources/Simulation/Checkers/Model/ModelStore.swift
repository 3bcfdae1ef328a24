internal import Primitives

/// What the store would answer and become, written from etcd's documented semantics and from
/// nothing else: every version of every key in an array of its own, sorted by revision.
///
/// Every change can be taken back (``mark``, ``undo(to:)``): searches try one order after another.
struct ModelStore {
    struct Version {
        var value: Bytes
        var create: Int64
        var mod: Int64
        var version: Int64
        var lease: Int64
        /// False: the key was deleted here.
        var isLive: Bool
        /// Of everything that happened to the key so far.
        var hash: UInt64
    }

    struct Lease {
        var seconds: Int64
        /// Start of the last answered grant or renewal, in nanoseconds.
        var renewedAt: Int64
        /// The slots of the attached keys, ascending.
        var slots: [Int] = []
    }

    struct Mark {
        fileprivate var undos: Int
        fileprivate var revision: Int64
        fileprivate var floor: Int64
        fileprivate var hash: UInt64
    }

    private enum Undo {
        case version(slot: Int, wasLive: Bool)
        case lease(Int64, Lease?)
        case attached(Int64, slot: Int)
        case detached(Int64, slot: Int)
    }

    /// Every key that may ever be put, ascending; a slot is a position in it.
    let keys: [Bytes]
    private let slotOfKey: [Bytes: Int]
    /// Whether two states are equal only if their pasts are.
    private let hashesHistory: Bool

    private(set) var revision: Int64 = 1
    /// The compacted revision; it can still be read.
    private(set) var floor: Int64 = -1
    private(set) var leases: [Int64: Lease] = [:]
    /// Of the whole state; equal states have equal hashes.
    private(set) var hash: UInt64 = 0
    private var histories: [[Version]]
    private var live: SlotSet
    private var undos: [Undo] = []
    /// What the last ``apply(_:at:)`` changed, in order.
    private(set) var changes: [(slot: Int, place: Int)] = []

    init(keys: Set<Bytes>, hashesHistory: Bool = true) {
        self.keys = keys.sorted()
        slotOfKey = Dictionary(
            uniqueKeysWithValues: self.keys.enumerated().map { ($0.element, $0.offset) })
        self.hashesHistory = hashesHistory
        histories = Array(repeating: [], count: self.keys.count)
        live = SlotSet(capacity: self.keys.count)
    }

    // MARK: - Taking back

    var mark: Mark { Mark(undos: undos.count, revision: revision, floor: floor, hash: hash) }

    mutating func undo(to mark: Mark) {
        while undos.count > mark.undos, let last = undos.popLast() {
            switch last {
            case .version(let slot, let wasLive):
                histories[slot].removeLast()
                live.set(slot, wasLive)
            case .lease(let id, let old): leases[id] = old
            case .attached(let id, let slot): leases[id]?.remove(slot)
            case .detached(let id, let slot): leases[id]?.insert(slot)
            }
        }
        revision = mark.revision
        floor = mark.floor
        hash = mark.hash
        changes.removeAll(keepingCapacity: true)
    }

    mutating func clearChanges() { changes.removeAll(keepingCapacity: true) }

    /// The last call's changes as a watch would see them.
    var changedEvents: [RecordedEvent] {
        changes.map { change in event(histories[change.slot][change.place], change.slot) }
    }

    private func event(_ version: Version, _ slot: Int) -> RecordedEvent {
        guard version.isLive else { return .delete(keys[slot], at: version.mod) }
        return RecordedEvent(.put, pair(version, slot))
    }

    func pair(_ version: Version, _ slot: Int) -> RecordedPair {
        RecordedPair(
            key: keys[slot], value: version.value, createRevision: version.create,
            modRevision: version.mod, version: version.version, lease: version.lease)
    }

    // MARK: - Looking

    func slot(_ key: Bytes) -> Int? { slotOfKey[key] }

    /// The live version of a key; revision nil for the newest.
    func version(_ slot: Int, at revision: Int64? = nil) -> Version? {
        let history = histories[slot]
        guard let revision else {
            guard let last = history.last, last.isLive else { return nil }
            return last
        }
        var low = 0
        var high = history.count
        while low < high {
            let middle = (low + high) / 2
            if history[middle].mod <= revision { low = middle + 1 } else { high = middle }
        }
        guard low > 0, history[low - 1].isLive else { return nil }
        return history[low - 1]
    }

    private func firstSlot(from key: Bytes) -> Int {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Visits live keys of an interval in order until `visit` says false.
    func forEachLive(
        _ interval: KeyInterval, at revision: Int64? = nil, _ visit: (Int, Version) -> Bool
    ) {
        if interval.isSingleKey {
            if let slot = slotOfKey[interval.key], let found = version(slot, at: revision) {
                _ = visit(slot, found)
            }
            return
        }
        var slot = firstSlot(from: interval.key)
        while slot < keys.count {
            if revision == nil {
                guard let next = live.next(from: slot) else { return }
                slot = next
            }
            if !interval.hasNoEnd, keys[slot] >= interval.end { return }
            if let found = version(slot, at: revision), !visit(slot, found) { return }
            slot += 1
        }
    }

    // MARK: - Changing

    mutating func setRevision(_ new: Int64) {
        hash ^= Mix.pair(1, UInt64(bitPattern: revision)) ^ Mix.pair(1, UInt64(bitPattern: new))
        revision = new
    }

    mutating func setFloor(_ new: Int64) {
        hash ^= Mix.pair(2, UInt64(bitPattern: floor)) ^ Mix.pair(2, UInt64(bitPattern: new))
        floor = new
    }

    mutating func setLease(_ id: Int64, _ new: Lease?) {
        let old = leases[id]
        undos.append(.lease(id, old))
        hash ^= ModelStore.hash(id, old) ^ ModelStore.hash(id, new)
        leases[id] = new
    }

    private static func hash(_ id: Int64, _ lease: Lease?) -> UInt64 {
        guard let lease else { return 0 }
        return Mix.pair(
            Mix.pair(3 ^ UInt64(bitPattern: id), UInt64(bitPattern: lease.seconds)),
            UInt64(bitPattern: lease.renewedAt))
    }

    mutating func append(
        _ slot: Int, value: Bytes, create: Int64, mod: Int64, version: Int64, lease: Int64,
        isLive: Bool
    ) {
        let old = histories[slot].last
        var fresh = Mix.pair(UInt64(slot), Mix.bytes(value.storage))
        fresh = Mix.pair(fresh, UInt64(bitPattern: version))
        fresh = Mix.pair(fresh, UInt64(bitPattern: lease) << 1 | (isLive ? 1 : 0))
        if hashesHistory {
            fresh = Mix.pair(Mix.pair(fresh, UInt64(bitPattern: mod)), old?.hash ?? 0)
        } else if !isLive {
            fresh = 0
        }
        hash ^= (old?.hash ?? 0) ^ fresh
        undos.append(.version(slot: slot, wasLive: old?.isLive ?? false))
        changes.append((slot, histories[slot].count))
        histories[slot].append(
            Version(
                value: value, create: create, mod: mod, version: version, lease: lease,
                isLive: isLive, hash: fresh))
        live.set(slot, isLive)
    }

    mutating func attach(_ slot: Int, to lease: Int64) {
        leases[lease]?.insert(slot)
        undos.append(.attached(lease, slot: slot))
    }

    mutating func detach(_ slot: Int, from lease: Int64) {
        leases[lease]?.remove(slot)
        undos.append(.detached(lease, slot: slot))
    }
}

extension ModelStore.Lease {
    private func place(_ slot: Int) -> Int {
        var low = 0
        var high = slots.count
        while low < high {
            let middle = (low + high) / 2
            if slots[middle] < slot { low = middle + 1 } else { high = middle }
        }
        return low
    }

    mutating func insert(_ slot: Int) { slots.insert(slot, at: place(slot)) }

    mutating func remove(_ slot: Int) {
        let place = place(slot)
        if place < slots.count, slots[place] == slot { slots.remove(at: place) }
    }
}

/// Hashes that are the same in every run: a memory of visited states must not depend on the seed of
/// the process. Source of the constants: SplitMix64's finalizer.
enum Mix {
    static func one(_ word: UInt64) -> UInt64 {
        var z = word &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    static func pair(_ a: UInt64, _ b: UInt64) -> UInt64 { one(one(a) &+ b) }

    static func bytes(_ bytes: [UInt8]) -> UInt64 {
        bytes.withUnsafeBytes { raw in
            var hash = UInt64(raw.count)
            var at = 0
            while at + 8 <= raw.count {
                hash = pair(hash, raw.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                at += 8
            }
            var tail: UInt64 = 0
            while at < raw.count {
                tail = tail << 8 | UInt64(raw[at])
                at += 1
            }
            return pair(hash, tail)
        }
    }
}
