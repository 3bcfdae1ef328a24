internal import Foundation
internal import LocalCluster
internal import Primitives

extension Nemesis {
    /// Changes a byte of an old file of a node that is down. One node at a time, and only while all
    /// others are whole: what is spoilt there is good on a majority.
    func corrupt(_ node: Int) throws -> Bool {
        guard states[node] == .up, !isRotten, impairments.allSatisfy({ $0 == 0 }) else {
            return false
        }
        states[node] = .down
        cluster.nodes[node].killHard()
        defer { later(200...1000, node) { try self.start(node) } }
        guard let path = oldFile(of: node), let place = flipByte(in: path) else { return false }
        isRotten = true
        try note("corrupt", "\(cluster.nodes[node].name): byte \(place) of \(path)")
        return true
    }

    /// A log segment before the last one, or a checkpoint.
    private func oldFile(of node: Int) -> String? {
        let folder = cluster.nodes[node].dataDirectory
        let all = (FileManager.default.enumerator(atPath: folder)?.allObjects ?? [])
            .compactMap { $0 as? String }.sorted()
        let segments = all.filter { $0.hasSuffix(".log") }
        let checkpoints = all.filter { $0.hasSuffix(".sqlite") }
        let old = segments.dropLast() + checkpoints
        return old.isEmpty ? nil : folder + "/" + random.pick(Array(old))
    }

    /// The byte's place, or nil where the file cannot be changed.
    private func flipByte(in path: String) -> Int? {
        guard let file = FileHandle(forUpdatingAtPath: path),
            let size = try? file.seekToEnd(), size > 0
        else { return nil }
        defer { try? file.close() }
        let place = random.next(below: size)
        guard (try? file.seek(toOffset: place)) != nil,
            let byte = (try? file.read(upToCount: 1))?.first,
            (try? file.seek(toOffset: place)) != nil,
            (try? file.write(contentsOf: Data([byte ^ 0x40]))) != nil
        else { return nil }
        return Int(place)
    }
}
