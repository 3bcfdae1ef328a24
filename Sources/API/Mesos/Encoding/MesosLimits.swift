/// Bounds on what is read from Mesos clients. Mesos itself has none of them.
package struct MesosLimits: Sendable, Equatable {
    /// Bytes of a request's body or of a record.
    package var bodyBytesMax: Int
    /// How deep messages, objects and arrays may be nested. The deepest message that a framework
    /// needs has about 15 levels; a container's parents may add to them.
    package var depthMax: Int
    /// A body above this many bytes is refused without a search for the field that is wrong.
    package var searchBytesMax: Int

    package init(
        bodyBytesMax: Int = 16 << 20, depthMax: Int = 64, searchBytesMax: Int = 64 << 10
    ) {
        self.bodyBytesMax = bodyBytesMax
        self.depthMax = depthMax
        self.searchBytesMax = searchBytesMax
    }

    package static let standard = MesosLimits()
}
