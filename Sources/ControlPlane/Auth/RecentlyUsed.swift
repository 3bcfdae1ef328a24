/// Values by key, of which those that were not used for long go first.
///
/// Two halves: whatever was added or used since one was full last, and what was before. When the
/// first is full, the other one goes.
package struct RecentlyUsed<Key: Hashable, Value> {
    private let halfMax: Int
    private var recent: [Key: Value] = [:]
    private var older: [Key: Value] = [:]

    package init(countMax: Int) { halfMax = max(1, countMax / 2) }

    package var count: Int { recent.count + older.count }

    package mutating func add(_ value: Value, _ key: Key) {
        older[key] = nil
        if recent.count >= halfMax, recent[key] == nil {
            older = recent
            recent = [:]
        }
        recent[key] = value
    }

    package mutating func use(_ key: Key) -> Value? {
        if let value = recent[key] { return value }
        guard let value = older[key] else { return nil }
        add(value, key)
        return value
    }
}
