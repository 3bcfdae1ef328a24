import StateMachine

/// All that want to hear of what a node applies, in their order.
final class NodeObservers: NodeObserver {
    private let all: [any NodeObserver]

    init(_ all: [any NodeObserver]) { self.all = all }

    func applied(_ batch: [Applied]) { for one in all { one.applied(batch) } }
    func leadershipChanged() { for one in all { one.leadershipChanged() } }
    func storeReplaced() { for one in all { one.storeReplaced() } }
    func stopping() { for one in all { one.stopping() } }
}
