import Foundation
import FuzzTargets
import Testing

@Suite("What the fuzzer found and started from (RELIABILITY A21 to A25, A35, A42)")
struct CorpusTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Corpus")

    private static func files(_ target: String) throws -> [URL] {
        let place = folder.appending(path: target)
        // A target that nobody has fuzzed yet has its seeds only.
        guard FileManager.default.fileExists(atPath: place.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(
            at: place, includingPropertiesForKeys: nil
        ).sorted { $0.path < $1.path }
    }

    @Test("every kept input is taken or refused", arguments: FuzzTarget.all.map(\.name))
    func replay(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let seeds = try target.seeds()
        #expect(!seeds.isEmpty)
        for seed in seeds { target.run(seed) }
        for file in try Self.files(name) { target.run(Array(try Data(contentsOf: file))) }
    }

    @Test("the corpus is small, and each folder of it is a target's")
    func size() throws {
        var bytes = 0
        let folders =
            (try? FileManager.default.contentsOfDirectory(
                at: Self.folder, includingPropertiesForKeys: nil)) ?? []
        for folder in folders {
            #expect(FuzzTarget.named(folder.lastPathComponent) != nil)
            for file in try Self.files(folder.lastPathComponent) {
                let count = try Data(contentsOf: file).count
                #expect(count <= 4096, "\(file.path)")
                bytes += count
            }
        }
        #expect(bytes < 2 << 20)
    }

    @Test("each target's name is its own")
    func names() {
        let names = FuzzTarget.all.map(\.name)
        #expect(Set(names).count == names.count && FuzzTarget.named("none") == nil)
    }
}
