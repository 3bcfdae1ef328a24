internal import Scheduling
internal import StateMachine

/// The records of services as of one revision, off the event loop.
enum MarathonSnapshot {
    /// - Parameter withExplanations: why instances wait, too, where this node is the master.
    static func view(
        of facade: any DatacenterFacade, withExplanations: Bool = false
    ) -> MarathonView {
        let explanations = withExplanations ? facade.explainServices() : [:]
        // An agent describes itself in a message: it is read once, not with each of its tasks.
        let known = LockedValue<[AgentID: AllocatorAgent]>([:])
        return MarathonView(
            table: facade.table, clusterTime: facade.clusterTime,
            traits: { record in
                known.with { known in
                    if let agent = known[record.id] { return agent }
                    let agent = RecordReading.mesos.agent(record)
                    known[record.id] = agent
                    return agent
                }
            },
            explain: { explanations[$0] })
    }

    /// `host:port` of whoever leads; nil where nobody is known to.
    static func leader(of facade: any DatacenterFacade, here: ServicePlace) -> String? {
        switch facade.leadership {
        case .leading: here.authority
        case .following(let url): ServicePlace(url)?.authority
        case .unknown: nil
        }
    }
}
