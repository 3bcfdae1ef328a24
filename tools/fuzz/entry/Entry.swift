internal import Foundation
internal import FuzzTargets

/// What libFuzzer calls: `KEELSON_FUZZ_TARGET` names the target.
private let target: FuzzTarget = {
    let name = ProcessInfo.processInfo.environment["KEELSON_FUZZ_TARGET"] ?? ""
    guard let target = FuzzTarget.named(name) else {
        print(FuzzTarget.all.map(\.name).joined(separator: "\n"))
        exit(name.isEmpty ? 0 : 64)
    }
    return target
}()

@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzOne(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

/// Writes the target's seeds into the folder that `KEELSON_FUZZ_SEEDS` names, and ends.
@_cdecl("LLVMFuzzerInitialize")
package func initialize(
    _ count: UnsafeMutableRawPointer?, _ arguments: UnsafeMutableRawPointer?
) -> CInt {
    let target = target
    guard let folder = ProcessInfo.processInfo.environment["KEELSON_FUZZ_SEEDS"] else { return 0 }
    do {
        for (number, seed) in try target.seeds().enumerated() {
            let path = "\(folder)/seed-\(number)"
            try Data(seed).write(to: URL(filePath: path))
        }
        exit(0)
    } catch {
        print("no seeds of \(target.name): \(error)")
        exit(1)
    }
}
