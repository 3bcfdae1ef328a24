/// One resource: a name, a value, and what makes it different from others of that name.
package struct ResourceEntry: Hashable, Sendable {
    package var name: ByteText
    package var value: ResourceValue
    /// From the least to the most refined; empty for unreserved.
    package var reservations: [Reservation]
    package var disk: DiskInformation?
    /// Several may use it at once.
    package var isShared: Bool
    /// How often it is there. More than once only where equal entries cannot be added up.
    package var copies: Int64

    package init(
        _ name: ByteText, _ value: ResourceValue, reservations: [Reservation] = [],
        disk: DiskInformation? = nil, isShared: Bool = false, copies: Int64 = 1
    ) {
        self.name = name
        self.value = value
        self.reservations = reservations
        self.disk = disk
        self.isShared = isShared
        self.copies = copies
    }

    package var isReserved: Bool { !reservations.isEmpty }
    /// Whom it is kept for.
    package var role: ByteText? { reservations.last?.role }
    package var isPersistentVolume: Bool { disk?.persistence != nil }

    /// A volume, or a disk of its own, is taken whole or not at all (Mesos: `MOUNT` disks and
    /// persistent volumes are neither split nor added up). A shared one, too.
    package var isIndivisible: Bool {
        isShared || isPersistentVolume || !(disk?.opaque.isEmpty ?? true)
    }

    /// Whether it may be given to frameworks in `role`: it is unreserved, or reserved to the role
    /// or to one above (Mesos, docs/roles.md).
    package func isAllocatable(to role: ByteText) -> Bool {
        guard let own = self.role else { return true }
        return own == role || own.isAncestorRole(of: role)
    }

    /// Zero for two entries that are added up, or counted as copies, when they meet.
    static func compare(_ a: ResourceEntry, _ b: ResourceEntry) -> Int {
        let byName = ByteText.compare(a.name, b.name)
        if byName != 0 { return byName }
        if a.value.kind != b.value.kind { return Int(a.value.kind) - Int(b.value.kind) }
        let byReservation = Reservation.compare(a.reservations, b.reservations)
        if byReservation != 0 { return byReservation }
        let byDisk = DiskInformation.compare(a.disk, b.disk)
        if byDisk != 0 { return byDisk }
        if a.isShared != b.isShared { return a.isShared ? 1 : -1 }
        return a.isIndivisible ? ResourceValue.compare(a.value, b.value) : 0
    }
}
