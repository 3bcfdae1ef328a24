package import Primitives
import Replication
import StateMachine

/// Builds of several feature levels in one scenario.
extension Stage {
    /// The node is down from now on, and has another build when it is started. One that is older
    /// than the cluster's level is right to refuse to run.
    package func install(_ level: FeatureLevel, on node: Int) {
        kill(node)
        let machine = world.machines[node]
        machine.known = level
        machine.isOutdated = level < world.rules.clusterLevel
    }

    /// The cluster's level as a node has applied it.
    package func clusterLevel(seenBy node: Int) -> FeatureLevel? {
        world.machines[node].process?.replica.store.members.clusterLevel
    }

    package func clusterTime(seenBy node: Int) -> UInt64? {
        world.machines[node].process?.replica.store.clusterTime
    }

    package func knows(_ node: Int) -> FeatureLevel { world.machines[node].known }
}
