internal import RPC

/// The version that `Downgrade` names: `major.minor`, or a whole version whose patch does not
/// count, as in etcd.
struct DowngradeTarget: Equatable {
    let major: Int64
    let minor: Int64

    /// Nil for what is no version.
    init?(_ text: String) {
        let rest = text.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)[0]
        let core = rest.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)[0]
        let parts = core.split(separator: ".", omittingEmptySubsequences: false)
        let isShort = parts.count == 2 && core.utf8.count == text.utf8.count
        let numbers = parts.compactMap { part in
            part.utf8.allSatisfy { (48...57).contains($0) } ? Int64(part) : nil
        }
        guard isShort || parts.count == 3, numbers.count == parts.count else { return nil }
        major = numbers[0]
        minor = numbers[1]
    }

    var description: String { "\(major).\(minor).0" }

    /// One minor version below the cluster's is all that can be gone back to.
    func isBelow(_ cluster: DowngradeTarget) -> Bool {
        major == cluster.major && minor == cluster.minor - 1
    }

    /// The target where it can be one, or why not.
    static func checked(_ text: String, clusterVersion: String) -> Result<
        DowngradeTarget, RPCStatus
    > {
        guard let target = DowngradeTarget(text) else {
            return .failure(
                RPCStatus(.invalidArgument, "etcdserver: wrong downgrade target version format"))
        }
        guard let cluster = DowngradeTarget(clusterVersion) else {
            return .failure(
                RPCStatus(
                    .failedPrecondition, "etcdserver: cluster version not found during downgrade"))
        }
        guard target.isBelow(cluster) else {
            return .failure(
                RPCStatus(.invalidArgument, "etcdserver: invalid downgrade target version"))
        }
        return .success(target)
    }
}
