internal import Primitives
internal import RPC
internal import StateMachine

extension AgentService {
    /// The service of a node's client port.
    ///
    /// Where authentication is on, an agent calls as a user who may write below `/keelson/local/
    /// agents/`: nobody can write there with the etcd API, so that this permission says nothing
    /// but "may be an agent". `root` may.
    package convenience init(
        facade: any DatacenterFacade, node: any NodeFacade, settings: Settings = Settings()
    ) {
        self.init(
            facade: facade, settings: settings,
            leaderURLs: { [unowned node] in
                guard let leader = node.leader else { return [] }
                return node.members().first { $0.id == leader }?.clientURLs ?? []
            },
            authorize: { [unowned node] in node.refusalToBeAgent($0) })
    }
}

extension NodeFacade {
    /// Why a call may not be an agent's; nil where it may.
    func refusalToBeAgent(_ call: ServerCall) -> RPCStatus? {
        switch grants(of: call) {
        case .failure(let status): return status
        case .success(let grants):
            do throws(StoreError) {
                try grants.checkWrite(KeyRange.agents)
                return nil
            } catch {
                return error.status
            }
        }
    }
}

extension KeyRange {
    /// Everything below ``RecordKeys/agents``.
    fileprivate static var agents: KeyRange {
        let prefix = RecordKeys.agents.storage
        // '0' follows '/'.
        return KeyRange(key: prefix, rangeEnd: prefix.dropLast() + [0x30])
    }
}
