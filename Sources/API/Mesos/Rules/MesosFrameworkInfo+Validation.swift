extension MesosFrameworkInfo {
    package var isMultiRole: Bool { has(.multiRole) }

    package func has(_ capability: Capability.TypeEnum) -> Bool {
        capabilities.contains { $0.hasType && $0.type == capability }
    }

    /// Those that it takes offers for: `roles` with MULTI_ROLE, otherwise the one of `role`, which
    /// is `*` where it is not set.
    package var effectiveRoles: [String] { isMultiRole ? roles : [role] }

    /// Why a framework with this cannot be subscribed, which a SUBSCRIBE that is well formed is
    /// told in an ERROR event; nil where it can.
    package var problem: String? {
        rolesProblem ?? idProblem ?? filtersProblem ?? timeoutProblem
    }

    private var rolesProblem: String? {
        if isMultiRole, hasRole {
            return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
        }
        if !isMultiRole, !roles.isEmpty {
            return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE "
                + "capable"
        }
        var sorted = effectiveRoles.sorted()[...]
        while let role = sorted.popFirst() {
            if role == sorted.first {
                return "'FrameworkInfo.roles' contains duplicate items: '\(role)'"
            }
        }
        for role in effectiveRoles {
            guard let problem = MesosName.problem(ofRole: role) else { continue }
            return isMultiRole
                ? "'FrameworkInfo.roles' contains invalid role: \(problem)"
                : "'FrameworkInfo.role' is not a valid role: \(problem)"
        }
        return nil
    }

    private var idProblem: String? {
        id.value.isEmpty ? nil : MesosName.problem(ofID: id.value)
    }

    private var filtersProblem: String? {
        for role in offerFilters.keys.sorted() {
            let filters = offerFilters[role]?.minAllocatableResources.quantities ?? []
            for filter in filters {
                for (name, quantity) in filter.quantities.sorted(by: { $0.key < $1.key })
                where !(quantity.value.isFinite && quantity.value >= 0) {
                    return "Invalid quantity of '\(name)' in the offer filters of '\(role)'"
                }
            }
        }
        return nil
    }

    private var timeoutProblem: String? {
        // A duration is a count of nanoseconds in 64 bits, as Mesos keeps it.
        let seconds = failoverTimeout
        guard seconds.isFinite, seconds >= 0, seconds < Double(Int64.max) / 1e9 else {
            return "The framework failover_timeout (\(seconds)) is invalid"
        }
        return nil
    }
}
