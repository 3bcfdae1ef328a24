import Replication
package import StateMachine

/// What administrators do to users and roles in a scenario.
extension Stage {
    @discardableResult
    package func perform(_ command: AuthCommand, through node: Int) -> Change {
        change(.auth, command.encode(), through: node, as: Nemesis.administrator)
    }

    /// The name of one of the users whom clients may be, and of the role that scenarios give it.
    package func user(_ number: Int) -> [UInt8] { Nemesis.user(number) }

    /// Whether authentication counts, as the node knows.
    package func asksWho(_ node: Int) -> Bool {
        world.machines[node].process?.replica.store.auth.isEnabled ?? false
    }
}
