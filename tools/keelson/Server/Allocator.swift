internal import CJemalloc

/// The memory allocator of this binary, linked in the C library's place (decision 0003).
enum Allocator {
    /// Its name and version, as it says itself: proof that it is the one in use.
    static var version: String {
        var text: UnsafePointer<CChar>?
        var size = MemoryLayout<UnsafePointer<CChar>?>.size
        guard mallctl("version", &text, &size, nil, 0) == 0, let text else { return "unknown" }
        return "jemalloc " + String(cString: text).prefix { $0 != "-" }
    }
}
