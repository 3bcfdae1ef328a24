/// A member's digest of its state, where it was taken.
package struct MemberHash: Hashable, Sendable {
    package var member: Int
    /// How far it had applied.
    package var appliedIndex: UInt64
    package var compactRevision: Int64
    package var hash: UInt64

    package init(member: Int, appliedIndex: UInt64, compactRevision: Int64, hash: UInt64) {
        self.member = member
        self.appliedIndex = appliedIndex
        self.compactRevision = compactRevision
        self.hash = hash
    }
}

/// K8: members that have applied as much and compacted as far have equal hashes.
package enum ReplicaIdentity {
    private struct Place: Hashable {
        var appliedIndex: UInt64
        var compactRevision: Int64
    }

    package static func check(_ hashes: [MemberHash]) -> [CheckViolation] {
        var first: [Place: MemberHash] = [:]
        var found: [CheckViolation] = []
        for hash in hashes {
            let place = Place(
                appliedIndex: hash.appliedIndex, compactRevision: hash.compactRevision)
            guard let other = first[place] else {
                first[place] = hash
                continue
            }
            if other.hash != hash.hash {
                found.append(
                    CheckViolation(
                        "K8", "member \(hash.member)",
                        "at index \(hash.appliedIndex) its hash is "
                            + "\(String(hash.hash, radix: 16)), member \(other.member)'s was "
                            + String(other.hash, radix: 16)))
            }
        }
        return found
    }
}
