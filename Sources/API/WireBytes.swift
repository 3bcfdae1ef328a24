#if canImport(FoundationEssentials)
    package import FoundationEssentials
#else
    package import Foundation
#endif

extension Data {
    /// A bytes field's value from an array, for rooms without Foundation: `.init(wire: key)`.
    package init(wire bytes: [UInt8]) { self.init(bytes) }
}
