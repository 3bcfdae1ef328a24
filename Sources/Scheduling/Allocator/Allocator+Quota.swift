internal import Primitives
package import StateMachine

/// What operators say about roles.
extension Allocator {
    /// In thousandths; nil for the default. Changes the order of what follows, and nobody's rights.
    /// - Throws: `invalidWeight`, `tooManyWeights`, `resources` for an invalid role.
    package mutating func setWeight(
        _ weight: Int64?, of role: ByteText
    ) throws(AllocatorError) {
        try Allocator.validate(role)
        if let weight {
            guard weight >= 1, weight <= AllocatorLimits.weightMax else {
                throw .invalidWeight(weight)
            }
            guard tree.hasWeight(role) || tree.weightCount < AllocatorLimits.weightsMax else {
                throw .tooManyWeights(limit: AllocatorLimits.weightsMax)
            }
        }
        tree.setWeight(weight, of: role)
    }

    /// An empty quota takes it away.
    /// - Throws: `quotaOfNestedRole`, `negativeQuota`, `limitBelowGuarantee`, `tooManyQuotas`,
    ///   `resources`.
    package mutating func setQuota(_ quota: RoleQuota, of role: ByteText) throws(AllocatorError) {
        try Allocator.validate(role)
        guard role.parentRole == nil else { throw .quotaOfNestedRole(role) }
        try Allocator.validate(quota)
        let known = ledgerPlaces[role]
        let isNew = known.map { ledgers[$0].quota.isEmpty } ?? true
        guard quota.isEmpty || !isNew || quotaLedgers.count < AllocatorLimits.quotasMax else {
            throw .tooManyQuotas(limit: AllocatorLimits.quotasMax)
        }
        if quota.isEmpty, known == nil { return }
        let place = ledger(of: role)
        changeLedger(place) { $0.quota = quota }
        ledgers[place].settle()
        quotaLedgers.removeAll { $0 == place }
        if !quota.isEmpty {
            let next = quotaLedgers.firstIndex { ledgers[$0].role > role }
            quotaLedgers.insert(place, at: next ?? quotaLedgers.count)
        }
        for client in ledgers[place].clients { wake(client) }
        dropLedgerIfUnused(place)
    }

    private static func validate(_ quota: RoleQuota) throws(AllocatorError) {
        for element in quota.guarantees.elements + quota.limits.elements {
            guard element.amount >= 0 else { throw .negativeQuota(element.name) }
            guard element.amount <= ResourceLimits.amountMax else {
                throw .resources(.amountTooLarge)
            }
        }
        for element in quota.guarantees.elements {
            if let limit = quota.limit(element.name), limit < element.amount {
                throw .limitBelowGuarantee(element.name)
            }
        }
    }
}
