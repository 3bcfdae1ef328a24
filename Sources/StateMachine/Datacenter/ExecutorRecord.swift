/// An executor that a framework brought along: `/keelson/local/executors/AGENT/FRAMEWORK/EXECUTOR`.
/// It holds its own resources from its first launch until its agent says that it ended.
package struct ExecutorRecord: Equatable, Sendable {
    package var key: ExecutorKey
    package var role: ByteText
    package var resources: Resources
    /// mesos.v1.ExecutorInfo, as the framework encoded it first.
    package var info: [UInt8]
    /// Index of the entry that launched it.
    package var sequence: UInt64

    package init(
        key: ExecutorKey, role: ByteText, resources: Resources, info: [UInt8], sequence: UInt64
    ) {
        self.key = key
        self.role = role
        self.resources = resources
        self.info = info
        self.sequence = sequence
    }
}

/// Who acts as the master, and where it serves: `/keelson/local/master`.
package struct MasterRecord: Equatable, Sendable {
    package var member: UInt64
    package var term: UInt64
    /// Where its HTTP surfaces are: `http://host:port`; empty where it serves none.
    package var url: [UInt8]
    /// The leader's time of day when it took office, in milliseconds since 1970.
    package var clock: UInt64 = 0

    package init(member: UInt64, term: UInt64, url: [UInt8]) {
        self.member = member
        self.term = term
        self.url = url
    }
}

/// What operators have said of a role: `/keelson/local/roles/ROLE`.
package struct RoleRecord: Equatable, Sendable {
    package var role: ByteText
    /// In thousandths.
    package var weight: Int64 = 1000
    /// Scalars that the role is to get before others; nil: nothing was said.
    package var guarantee: Resources?
    /// Scalars that the role never gets more of; a resource that is not among them has no limit.
    package var limit: Resources?

    package init(role: ByteText) { self.role = role }
}
