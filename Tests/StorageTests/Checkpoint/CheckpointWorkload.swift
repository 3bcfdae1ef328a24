import Primitives
import Storage
import Testing

/// A run of checkpoints, some of everything and some of changes, and what each of them holds.
struct CheckpointWorkload {
    var states: [[Row]] = []

    init() {
        var rows = CheckpointFixture.rows(8, byteCount: 12_000)
        for step in 0..<5 {
            for number in rows.indices where number % 5 == step {
                rows[number].value = CheckpointFixture.bytes(
                    5_000 * (step + 1), seed: UInt64(step), repeats: step % 2 == 0)
            }
            if step == 3 { rows.removeFirst(3) }
            states.append(rows)
        }
    }

    /// Writes the first `count`, or until the disk dies, and returns those of which the write
    /// returned.
    func run(
        _ fileSystem: any FileSystem, _ path: String, count: Int = .max
    ) -> [CheckpointHeader] {
        var written: [CheckpointHeader] = []
        do {
            let store = try CheckpointFixture.open(fileSystem, path)
            for number in 0..<min(count, states.count) { written.append(try write(number, store)) }
        } catch {}
        return written
    }

    /// Writes one. Number 3 replaces everything, the others change what is there.
    @discardableResult
    func write(
        _ number: Int, _ store: CheckpointStore
    ) throws(StorageError) -> CheckpointHeader {
        let rows = states[number]
        let base = store.nextBase.map { states[Int($0.index.rawValue) - 1] }
        let upserts = rows.filter { !(base?.contains($0) ?? false) }
        let deletes = (base ?? []).filter { old in !rows.contains { $0.id == old.id } }
        let replacingAll = number == 3
        return try store.write(
            CheckpointFixture.header(UInt64(number + 1)),
            upserts: replacingAll ? rows : upserts, deletes: deletes.map { ($0.table, $0.key) },
            replacingAll: replacingAll)
    }

    /// What the directory holds now is what was written, or that and the checkpoint under way.
    func check(
        _ fileSystem: any FileSystem, _ path: String, _ written: [CheckpointHeader],
        _ what: Comment
    ) throws {
        let store = try CheckpointFixture.open(fileSystem, path)
        let last = Int(written.last?.index.rawValue ?? 0)
        let newest = Int(store.newest?.index.rawValue ?? 0)
        #expect(newest == last || newest == last + 1, what)
        #expect(Int(store.previous?.index.rawValue ?? 0) == max(newest - 1, 0), what)
        #expect(store.damage == [], what)
        for header in [store.newest, store.previous].compactMap(\.self) {
            let rows = try CheckpointFixture.load(store, header)
            #expect(rows == states[Int(header.index.rawValue) - 1], what)
        }
        let next = try store.write(
            CheckpointFixture.header(9), upserts: states[0], deletes: [], replacingAll: true)
        #expect(try CheckpointFixture.load(store, next) == states[0], what)
    }
}
