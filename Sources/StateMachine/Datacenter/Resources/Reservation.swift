/// For whom a resource is kept: Mesos's `Resource.ReservationInfo`. Several on top of each other
/// refine it: each is for a role under the one below (docs/reservation.md).
package struct Reservation: Hashable, Sendable {
    package enum Kind: UInt8, Sendable {
        /// Set by the agent's operator when the agent starts.
        case fixed = 0
        /// Made and taken back while the agent runs.
        case dynamic = 1
    }

    package struct Label: Hashable, Sendable {
        package var key: ByteText
        package var value: ByteText?
        package init(key: ByteText, value: ByteText?) {
            self.key = key
            self.value = value
        }
    }

    package var kind: Kind
    package var role: ByteText
    package var principal: ByteText?
    /// Sorted: their order means nothing.
    package private(set) var labels: [Label]

    package init(
        _ kind: Kind, role: ByteText, principal: ByteText? = nil, labels: [Label] = []
    ) {
        self.kind = kind
        self.role = role
        self.principal = principal
        self.labels = labels.sorted { Label.compare($0, $1) < 0 }
    }

    static func compare(_ a: Reservation, _ b: Reservation) -> Int {
        let byRole = ByteText.compare(a.role, b.role)
        if byRole != 0 { return byRole }
        if a.kind != b.kind { return Int(a.kind.rawValue) - Int(b.kind.rawValue) }
        let byPrincipal = ByteText.compare(a.principal, b.principal)
        if byPrincipal != 0 { return byPrincipal }
        for (left, right) in zip(a.labels, b.labels) {
            let order = Label.compare(left, right)
            if order != 0 { return order }
        }
        return a.labels.count - b.labels.count
    }

    static func compare(_ a: [Reservation], _ b: [Reservation]) -> Int {
        if a.isEmpty || b.isEmpty { return a.count - b.count }
        for (left, right) in zip(a, b) {
            let order = compare(left, right)
            if order != 0 { return order }
        }
        return a.count - b.count
    }
}

extension Reservation.Label {
    static func compare(_ a: Reservation.Label, _ b: Reservation.Label) -> Int {
        let byKey = ByteText.compare(a.key, b.key)
        return byKey != 0 ? byKey : ByteText.compare(a.value, b.value)
    }
}

/// What is special about a piece of disk: Mesos's `Resource.DiskInfo`.
package struct DiskInformation: Hashable, Sendable {
    package struct Persistence: Hashable, Sendable {
        /// Unique for its role on its agent.
        package var id: ByteText
        package var principal: ByteText?
        package init(id: ByteText, principal: ByteText? = nil) {
            self.id = id
            self.principal = principal
        }
    }

    package enum Mode: UInt8, Sendable {
        case readWrite = 0
        case readOnly = 1
    }

    /// Makes it a persistent volume.
    package var persistence: Persistence?
    package var containerPath: ByteText?
    package var mode: Mode
    /// Whatever else the wire carries (a source, a host path): kept, compared, not looked into.
    package var opaque: [UInt8]

    package init(
        persistence: Persistence? = nil, containerPath: ByteText? = nil, mode: Mode = .readWrite,
        opaque: [UInt8] = []
    ) {
        self.persistence = persistence
        self.containerPath = containerPath
        self.mode = mode
        self.opaque = opaque
    }

    /// Says nothing, as if it were not there.
    var isEmpty: Bool {
        persistence == nil && containerPath == nil && mode == .readWrite && opaque.isEmpty
    }

    static func compare(_ a: DiskInformation?, _ b: DiskInformation?) -> Int {
        guard let a else { return b == nil ? 0 : -1 }
        guard let b else { return 1 }
        let byID = ByteText.compare(a.persistence?.id, b.persistence?.id)
        if byID != 0 { return byID }
        let byPrincipal = ByteText.compare(a.persistence?.principal, b.persistence?.principal)
        if byPrincipal != 0 { return byPrincipal }
        let byPath = ByteText.compare(a.containerPath, b.containerPath)
        if byPath != 0 { return byPath }
        if a.mode != b.mode { return Int(a.mode.rawValue) - Int(b.mode.rawValue) }
        if a.opaque == b.opaque { return 0 }
        return a.opaque.lexicographicallyPrecedes(b.opaque) ? -1 : 1
    }
}
