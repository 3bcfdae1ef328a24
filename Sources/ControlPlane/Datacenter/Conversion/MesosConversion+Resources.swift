package import API
package import StateMachine
internal import SwiftProtobuf

extension MesosConversion {
    /// How reservations are told: Mesos changed that in 1.4, and clients say by a capability which
    /// way they know.
    package enum ReservationFormat: Sendable {
        /// `reservations`, for those with RESERVATION_REFINEMENT.
        case refined
        /// `role` and `reservation`.
        case roles
        /// Both, where one reservation is all there is.
        case both
    }

    // MARK: - From messages

    /// - Throws: the first resource that is not one, by its name.
    package static func resources(
        _ messages: [MesosResource]
    ) throws(MesosConversionError) -> Resources {
        var entries: [ResourceEntry] = []
        entries.reserveCapacity(messages.count)
        for message in messages { entries.append(try entry(message)) }
        do throws(ResourcesError) {
            return try Resources(entries)
        } catch {
            throw MesosConversionError("Invalid resources: \(error)")
        }
    }

    private static func entry(
        _ message: MesosResource
    ) throws(MesosConversionError) -> ResourceEntry {
        func wrong(_ reason: String) -> MesosConversionError {
            MesosConversionError("Invalid resource '\(message.name)': \(reason)")
        }
        if message.hasRevocable { throw wrong("revocable resources are not offered here") }
        if message.hasProviderID { throw wrong("there are no resource providers here") }
        let value: ResourceValue?
        do throws(ResourcesError) {
            value = try self.value(of: message)
        } catch {
            throw wrong("\(error)")
        }
        guard let value else { throw wrong("it has no value of its type") }
        return ResourceEntry(
            ByteText(message.name), value, reservations: try reservations(of: message),
            disk: try disk(of: message), isShared: message.hasShared)
    }

    private static func value(of message: MesosResource) throws(ResourcesError) -> ResourceValue? {
        switch message.type {
        case .scalar:
            guard message.hasScalar else { return nil }
            return .scalar(try Thousandths.amount(message.scalar.value))
        case .ranges:
            guard message.hasRanges else { return nil }
            return .ranges(
                try ResourceRanges(message.ranges.range.map { ($0.begin, $0.end) }))
        case .set:
            guard message.hasSet else { return nil }
            return .items(message.set.item.map { ByteText($0) }.sorted())
        case .text: return nil
        }
    }

    private static func reservations(
        of message: MesosResource
    ) throws(MesosConversionError) -> [Reservation] {
        let name = message.name
        if !message.reservations.isEmpty {
            let reservations = message.reservations.map { reservation($0, role: $0.role) }
            guard message.role == "*" || message.role == message.reservations.last?.role else {
                throw MesosConversionError(
                    "Invalid resource '\(name)': 'role' differs from its last reservation's")
            }
            return reservations
        }
        if message.role == "*" {
            guard !message.hasReservation else {
                throw MesosConversionError(
                    "Invalid resource '\(name)': it cannot be reserved to role '*'")
            }
            return []
        }
        guard message.hasReservation else {
            return [Reservation(.fixed, role: ByteText(message.role))]
        }
        var dynamic = message.reservation
        dynamic.type = .dynamic
        return [reservation(dynamic, role: message.role)]
    }

    private static func reservation(
        _ message: MesosResource.ReservationInfo, role: String
    ) -> Reservation {
        Reservation(
            message.type == .static ? .fixed : .dynamic, role: ByteText(role),
            principal: message.hasPrincipal ? ByteText(message.principal) : nil,
            labels: message.labels.labels.map {
                Reservation.Label(
                    key: ByteText($0.key), value: $0.hasValue ? ByteText($0.value) : nil)
            })
    }

    private static func disk(
        of message: MesosResource
    ) throws(MesosConversionError) -> DiskInformation? {
        guard message.hasDisk else { return nil }
        func wrong(_ reason: String) -> MesosConversionError {
            MesosConversionError("Invalid resource '\(message.name)': \(reason)")
        }
        var rest = message.disk
        var disk = DiskInformation()
        if rest.hasPersistence {
            guard rest.hasVolume else { throw wrong("a persistent volume needs 'volume'") }
            disk.persistence = .init(
                id: ByteText(rest.persistence.id),
                principal: rest.persistence.hasPrincipal
                    ? ByteText(rest.persistence.principal) : nil)
        }
        if rest.hasVolume {
            guard rest.hasPersistence else { throw wrong("a volume that is not persistent") }
            guard !rest.volume.hasHostPath else {
                throw wrong("'host_path' of a persistent volume is not the framework's to say")
            }
            disk.containerPath = ByteText(rest.volume.containerPath)
            disk.mode = rest.volume.mode == .ro ? .readOnly : .readWrite
        }
        rest.clearPersistence()
        rest.clearVolume()
        disk.opaque = encoded(rest)
        return disk
    }

    /// The roles that resources say that they are allocated to: none twice, sorted.
    static func allocationRoles(_ messages: [MesosResource]) -> [String] {
        Set(
            messages.filter { $0.hasAllocationInfo && $0.allocationInfo.hasRole }.map {
                $0.allocationInfo.role
            }
        ).sorted()
    }

    // MARK: - To messages

    /// - Parameter role: what they are allocated to; nil where that is not to be said.
    package static func messages(
        _ resources: Resources, allocatedTo role: ByteText? = nil,
        _ format: ReservationFormat = .refined
    ) -> [MesosResource] {
        var messages: [MesosResource] = []
        messages.reserveCapacity(resources.entries.count)
        for entry in resources.entries {
            var message = self.message(entry, format)
            if let role { message.allocationInfo.role = role.text }
            // Bounded by ResourceLimits.copiesMax, and in practice by the shares of a volume.
            for _ in 0..<entry.copies { messages.append(message) }
        }
        return messages
    }

    private static func message(
        _ entry: ResourceEntry, _ format: ReservationFormat
    ) -> MesosResource {
        var message = MesosResource()
        message.name = entry.name.text
        switch entry.value {
        case .scalar(let amount):
            message.type = .scalar
            message.scalar.value = Double(amount) / 1_000
        case .ranges(let ranges):
            message.type = .ranges
            message.ranges.range = ranges.ranges.map { range in
                var message = MesosValue.Range()
                message.begin = range.lowerBound
                message.end = range.upperBound
                return message
            }
        case .items(let items):
            message.type = .set
            message.set.item = items.map(\.text)
        }
        tell(entry.reservations, in: &message, format)
        if let disk = entry.disk { message.disk = self.disk(disk) }
        if entry.isShared { message.shared = .init() }
        return message
    }

    private static func tell(
        _ reservations: [Reservation], in message: inout MesosResource,
        _ format: ReservationFormat
    ) {
        let messages = reservations.map { reservation in
            var message = MesosResource.ReservationInfo()
            message.type = reservation.kind == .fixed ? .static : .dynamic
            message.role = reservation.role.text
            if let principal = reservation.principal { message.principal = principal.text }
            for label in reservation.labels {
                var told = MesosLabel()
                told.key = label.key.text
                if let value = label.value { told.value = value.text }
                message.labels.labels.append(told)
            }
            return message
        }
        let isPlain: Bool
        switch format {
        case .refined: isPlain = false
        case .roles, .both: isPlain = messages.count <= 1
        }
        if isPlain {
            message.role = messages.first?.role ?? "*"
            if var only = messages.first, only.type == .dynamic {
                only.clearRole()
                only.clearType()
                message.reservation = only
            }
        }
        switch format {
        case .refined, .both: message.reservations = messages
        case .roles: if !isPlain { message.reservations = messages }
        }
    }

    private static func disk(_ disk: DiskInformation) -> MesosResource.DiskInfo {
        var message = decoded(MesosResource.DiskInfo.self, disk.opaque)
        if let persistence = disk.persistence {
            message.persistence.id = persistence.id.text
            if let principal = persistence.principal {
                message.persistence.principal = principal.text
            }
            message.volume.containerPath = disk.containerPath?.text ?? ""
            message.volume.mode = disk.mode == .readOnly ? .ro : .rw
        }
        return message
    }

    // MARK: - Quantities

    /// Scalars by name, without what is special about them.
    static func quantities(_ resources: Resources?) -> [String: MesosValue.Scalar] {
        var sums: [String: MesosValue.Scalar] = [:]
        for entry in resources?.entries ?? [] where entry.amount > 0 {
            sums[entry.name.text, default: .init()].value += Double(entry.amount) / 1_000
        }
        return sums
    }
}
