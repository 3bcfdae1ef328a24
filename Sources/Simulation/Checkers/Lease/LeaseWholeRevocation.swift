internal import Primitives

/// L3: revocation and expiry delete all attached keys in one revision.
package enum LeaseWholeRevocation {
    package static func check(_ truth: LeaseTruth) -> [CheckViolation] {
        truth.lives.flatMap { life -> [CheckViolation] in
            var found: [CheckViolation] = []
            // A revocation without keys makes no revision, and is answered somebody else's.
            let revocations = Set(life.revocations.map { $0.revision })
                .subtracting(truth.answeredRevisions)
            var whole = (truth.endings[life.lease] ?? []).filter {
                revocations.contains($0.revision)
            }
            if let expiry = life.expiry { whole.append(expiry) }
            for ending in whole where ending.deleted != ending.attached {
                let left = ending.attached.subtracting(ending.deleted).sorted()
                found.append(
                    CheckViolation(
                        "L3", life.name,
                        "revision \(ending.revision) deleted \(ending.deleted.sorted()) and left"
                            + " \(left)"))
            }
            return found
        }
    }
}
