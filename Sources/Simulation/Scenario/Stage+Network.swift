import Primitives

/// What a scenario does to the network. Cuts are counted: each is to be mended once, or all are
/// with ``healNetwork()``.
extension Stage {
    package func cut(from: Int, to: Int) { world.network.block(from, to) }

    package func cut(_ a: Int, _ b: Int) {
        cut(from: a, to: b)
        cut(from: b, to: a)
    }

    package func mend(_ a: Int, _ b: Int) {
        world.network.unblock(a, b)
        world.network.unblock(b, a)
    }

    package func isolate(_ node: Int) {
        for other in others(than: node) { cut(node, other) }
    }

    /// Nothing reaches the node; what it sends arrives.
    package func deafen(_ node: Int) {
        for other in others(than: node) { cut(from: other, to: node) }
    }

    /// Only these pairs reach each other.
    package func leaveOnly(_ pairs: [(Int, Int)]) {
        for a in world.machines.indices {
            for b in world.machines.indices where b > a {
                if !pairs.contains(where: { ($0.0, $0.1) == (a, b) || ($0.1, $0.0) == (a, b) }) {
                    cut(a, b)
                }
            }
        }
    }

    package func healNetwork() { world.network.heal() }

    /// Larger frames than this do not leave the node.
    package func limitFrames(from node: Int, bytes: Int) {
        for other in others(than: node) {
            world.network.change(node, other) { $0.frameBytesMax = bytes }
        }
    }

    /// Every way between two nodes delays by `extra`, doubles and reorders so many of a thousand
    /// frames.
    package func worsen(extraDelay: Micros, doublePerMille: Int, reorderPerMille: Int) {
        changeAll {
            $0.extraDelay = extraDelay
            $0.doublePerMille = doublePerMille
            $0.reorderPerMille = reorderPerMille
        }
    }

    /// A copy of every message arrives once more after `delay`.
    package func holdCopies(for delay: Micros) {
        changeAll {
            $0.holdPerMille = 1000
            $0.holdMicros = delay...delay
        }
    }

    package func holdNoMore() { changeAll { $0.holdPerMille = 0 } }

    package func others(than node: Int) -> [Int] {
        world.machines.indices.filter { $0 != node }
    }

    private func changeAll(_ body: (inout NetworkPath) -> Void) {
        for a in world.machines.indices {
            for b in others(than: a) { world.network.change(a, b, body) }
        }
    }
}
