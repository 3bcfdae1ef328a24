package import API
package import Scheduling
package import StateMachine

extension MesosConversion {
    /// What a scheduler says when it subscribes, or of itself later (`isUpdate`).
    ///
    /// - Parameters:
    ///   - newID: for a framework that has none yet.
    ///   - principal: who the connection was authenticated for; empty where nobody asks.
    /// - Throws: what a SUBSCRIBE that is well formed is told in an ERROR event.
    package static func subscription(
        _ info: MesosFrameworkInfo, suppressedRoles: [String],
        constraints: MesosSchedulerOfferConstraints, newID: FrameworkID, principal: [UInt8] = [],
        isUpdate: Bool = false
    ) throws(MesosConversionError) -> Subscription {
        if let problem = info.problem { throw MesosConversionError(problem) }
        let id = FrameworkID(info.id.value)
        guard id.isEmpty || id.isValid else {
            throw MesosConversionError("'\(id)' contains white space")
        }
        let roles = info.effectiveRoles.map { ByteText($0) }.sorted()
        for role in roles {
            do throws(ResourcesError) {
                try role.validateRole()
            } catch {
                throw MesosConversionError("'FrameworkInfo.roles' contains invalid role '\(role)'")
            }
        }
        guard roles.count <= AllocatorLimits.rolesPerFrameworkMax else {
            throw MesosConversionError(
                "A framework has at most \(AllocatorLimits.rolesPerFrameworkMax) roles")
        }
        let suppressed = Set(suppressedRoles.map { ByteText($0) }).sorted()
        for role in suppressed where !roles.contains(role) {
            throw MesosConversionError(
                "Suppressed role '\(role)' is not among the framework's roles")
        }
        try check(constraints, of: roles)
        var kept = info
        // The record has it.
        kept.clearID()
        if !principal.isEmpty {
            let name = String(decoding: principal, as: UTF8.self)
            guard !info.hasPrincipal || info.principal == name else {
                throw MesosConversionError(
                    "Principal '\(info.principal)' set in `FrameworkInfo` is not '\(name)', whose "
                        + "the framework is")
            }
            kept.principal = name
        }
        var subscription = Subscription(id: id, newID: newID, info: encoded(kept), roles: roles)
        guard subscription.info.count <= DatacenterLimits.infoBytesMax else {
            throw MesosConversionError("FrameworkInfo is too large")
        }
        subscription.principal = principal
        subscription.suppressedRoles = suppressed
        subscription.capabilities = capabilities(info)
        // `problem` has seen to it that it is finite and fits.
        subscription.failoverMilliseconds = UInt64(info.failoverTimeout * 1_000)
        subscription.offerConstraints = encoded(constraints)
        subscription.isUpdate = isUpdate
        return subscription
    }

    private static func capabilities(_ info: MesosFrameworkInfo) -> UInt32 {
        var bits: UInt32 = 0
        for capability in info.capabilities where capability.hasType {
            let number = capability.type.rawValue
            if (1..<32).contains(number) { bits |= 1 << UInt32(number) }
        }
        return bits
    }

    static func has(
        _ capability: MesosFrameworkInfo.Capability.TypeEnum, in record: FrameworkRecord
    ) -> Bool {
        record.capabilities & 1 << UInt32(capability.rawValue) != 0
    }

    /// What the framework knows to read.
    static func format(for record: FrameworkRecord?) -> ReservationFormat {
        guard let record, has(.reservationRefinement, in: record) else { return .roles }
        return .refined
    }

    // MARK: - Constraints on offers

    private static func check(
        _ constraints: MesosSchedulerOfferConstraints, of roles: [ByteText]
    ) throws(MesosConversionError) {
        for values in try offerConstraints(constraints) {
            guard roles.contains(values.role) else {
                throw MesosConversionError(
                    "Offer constraints for role '\(values.role)', which the framework is not "
                        + "subscribed to")
            }
            do throws(AllocatorError) {
                try values.validate()
            } catch {
                throw MesosConversionError("Offer constraints are invalid: \(error)")
            }
        }
    }

    /// Of a framework on record; what it says was checked when it came.
    static func constraints(_ record: FrameworkRecord) -> [OfferConstraints] {
        if record.offerConstraints.isEmpty { return [] }
        let message = decoded(MesosSchedulerOfferConstraints.self, record.offerConstraints)
        return (try? offerConstraints(message)) ?? []
    }

    static func offerConstraints(
        _ message: MesosSchedulerOfferConstraints
    ) throws(MesosConversionError) -> [OfferConstraints] {
        var result: [OfferConstraints] = []
        for (role, constraints) in message.roleConstraints.sorted(by: { $0.key < $1.key }) {
            var groups: [[OfferConstraints.Constraint]] = []
            for group in constraints.groups {
                var values: [OfferConstraints.Constraint] = []
                for constraint in group.attributeConstraints {
                    values.append(try self.constraint(constraint))
                }
                groups.append(values)
            }
            result.append(OfferConstraints(role: ByteText(role), groups: groups))
        }
        return result
    }

    private static func constraint(
        _ message: MesosSchedulerAttributeConstraint
    ) throws(MesosConversionError) -> OfferConstraints.Constraint {
        OfferConstraints.Constraint(
            try selector(message.selector), try predicate(message.predicate))
    }

    private static func selector(
        _ message: MesosSchedulerAttributeConstraint.Selector
    ) throws(MesosConversionError) -> OfferConstraints.Selector {
        switch message.selector {
        case .attributeName(let name): return .attribute(ByteText(name))
        case .pseudoattributeType(let type):
            switch type {
            case .hostname: return .hostname
            case .region: return .region
            case .zone: return .zone
            case .unknown: break
            }
        case nil: break
        }
        throw MesosConversionError("An offer constraint selects nothing that is known")
    }

    private static func predicate(
        _ message: MesosSchedulerAttributeConstraint.Predicate
    ) throws(MesosConversionError) -> OfferConstraints.Predicate {
        switch message.predicate {
        case .exists: return .exists
        case .notExists: return .notExists
        case .textEquals(let text): return .textEquals(ByteText(text.value))
        case .textNotEquals(let text): return .textNotEquals(ByteText(text.value))
        case .textMatches, .textNotMatches:
            throw MesosConversionError(
                "Offer constraints by regular expression are not served: use text_equals")
        case nil: throw MesosConversionError("An offer constraint has no known predicate")
        }
    }
}

extension RecordReading {
    /// Records whose messages are Mesos'.
    package static let mesos = RecordReading(
        agent: { MesosConversion.traits($0) }, constraints: { MesosConversion.constraints($0) })
}
