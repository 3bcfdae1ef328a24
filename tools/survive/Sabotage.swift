internal import ArgumentParser
internal import LocalCluster

/// A violation planted on purpose after the run: the verdict must find it, or it proves nothing.
enum Sabotage: String, ExpressibleByArgument, CaseIterable {
    /// An acknowledged write disappears.
    case lost
    /// An acknowledged write is done a second time.
    case doubled
    /// A write that was done counts as refused.
    case refused
    /// A write's revision is not the acknowledged one.
    case moved

    func plant(
        _ ledger: inout Ledger, _ cluster: ServerCluster, _ control: ControlClient
    ) throws {
        let outcomes = ledger.outcomes[0]
        guard
            let number = outcomes.lastIndex(where: {
                if case .acknowledged = $0 { true } else { false }
            }), case .acknowledged(let revision) = outcomes[number]
        else { return }
        let key = Ledger.key(writer: 0, number: number)
        let node = cluster.nodes[0]
        switch self {
        case .lost:
            _ = try control.call(
                node, EtcdMessages.deleteRange, EtcdMessages.deleteRequest(key: key))
        case .doubled:
            let value = ledger.value(writer: 0, number: number)
            _ = try control.call(
                node, EtcdMessages.put, EtcdMessages.putRequest(key: key, value: value))
        case .refused:
            ledger.fail(writer: 0, number: number, definitely: true, reason: "planted")
        case .moved:
            ledger.acknowledge(writer: 0, number: number, revision: revision + 1, at: 0)
        }
    }
}
