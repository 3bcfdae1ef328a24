internal import Foundation
internal import FuzzTargets

/// libFuzzer's own main function, which calls back with each input and answers with the status to
/// exit with. Source: llvm.org/docs/LibFuzzer.html, "Using libFuzzer as a library".
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Fuzzes the target that `KEELSON_FUZZ_TARGET` names; without one, prints the names of all.
@main
enum Entry {
    private static let target: FuzzTarget = {
        let name = ProcessInfo.processInfo.environment["KEELSON_FUZZ_TARGET"] ?? ""
        guard let target = FuzzTarget.named(name) else {
            print(FuzzTarget.all.map(\.name).joined(separator: "\n"))
            exit(name.isEmpty ? 0 : 64)
        }
        return target
    }()

    static func main() {
        if let folder = ProcessInfo.processInfo.environment["KEELSON_FUZZ_SEEDS"] {
            exit(writeSeeds(folder))
        }
        _ = target
        var count = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        exit(
            runFuzzer(&count, &arguments) { bytes, count in
                Entry.target.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
                return 0
            })
    }

    /// Writes the target's seeds into `folder`; the status to exit with.
    private static func writeSeeds(_ folder: String) -> CInt {
        do {
            for (number, seed) in try target.seeds().enumerated() {
                try Data(seed).write(to: URL(filePath: "\(folder)/seed-\(number)"))
            }
            return 0
        } catch {
            print("no seeds of \(target.name): \(error)")
            return 1
        }
    }
}
