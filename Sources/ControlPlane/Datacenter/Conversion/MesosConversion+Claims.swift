package import API

extension MesosConversion {
    /// What a RESERVE or a CREATE names, with whose it is to be: nobody can say that it is somebody
    /// else's. As in Mesos, the topmost reservation and a volume's persistence carry it.
    /// - Parameter principal: for whom the caller was authenticated; nil where nobody asks: then it
    ///   is as it came.
    /// - Throws: where another principal is named.
    package static func claim(
        _ resources: [MesosResource], for principal: String?
    ) throws(MesosConversionError) -> [MesosResource] {
        guard let principal else { return resources }
        var claimed = resources
        for place in claimed.indices {
            let name = claimed[place].name
            func check(_ named: String?) throws(MesosConversionError) {
                guard let named, named != principal else { return }
                throw MesosConversionError(
                    "Resource '\(name)' names the principal '\(named)', and '\(principal)' asks")
            }
            if claimed[place].disk.hasPersistence {
                // Its reservation is there already, whoever made it.
                let persistence = claimed[place].disk.persistence
                try check(persistence.hasPrincipal ? persistence.principal : nil)
                claimed[place].disk.persistence.principal = principal
            } else if let last = claimed[place].reservations.indices.last {
                let reservation = claimed[place].reservations[last]
                try check(reservation.hasPrincipal ? reservation.principal : nil)
                claimed[place].reservations[last].principal = principal
            } else if claimed[place].hasReservation {
                let reservation = claimed[place].reservation
                try check(reservation.hasPrincipal ? reservation.principal : nil)
                claimed[place].reservation.principal = principal
            }
        }
        return claimed
    }
}
