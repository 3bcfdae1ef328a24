import Primitives

/// Whoever keeps a connection to a node: an agent or a framework's scheduler.
protocol LinkClient: AnyObject {
    /// Of its process: what is meant for an earlier one is refused by the system.
    var life: UInt32 { get }
    /// Nothing gets through between it and a machine, either way.
    func isCut(from machine: Int) -> Bool
    /// Its process takes something up: at once, or when it is not paused any more.
    func deliver(_ body: @escaping () -> Void)
    func closed(_ link: DatacenterLink)
}

/// A connection between a client and one node's process, both ways in order. A cut holds what is on
/// its way, as TCP does; an end that is gone refuses what still comes, and the other one hears of
/// it.
final class DatacenterLink {
    unowned(unsafe) let world: SimulatedCluster
    unowned let client: any LinkClient
    let clientLife: UInt32
    let machine: Int
    let processLife: UInt32
    /// What the node calls it.
    var number: UInt64 = 0
    private(set) var isOpenAtClient = true
    private(set) var isOpenAtNode = true
    private var nextToNode: Micros = 0
    private var nextToClient: Micros = 0
    private var held: [() -> Void] = []
    private var random: SplitMix64

    init(
        world: SimulatedCluster, client: any LinkClient, process: SimulatedProcess,
        random: SplitMix64
    ) {
        self.world = world
        self.client = client
        clientLife = client.life
        machine = process.machine.index
        processLife = process.life
        self.random = random
    }

    // MARK: To the node

    func toNode(_ body: @escaping (SimulatedProcess) -> Void) {
        nextToNode = max(world.now + random.draw(30...800), nextToNode + 1)
        world.schedule(after: nextToNode - world.now, .client, machine: -1, life: 0) { [self] in
            arriveAtNode(body)
        }
    }

    private func arriveAtNode(_ body: @escaping (SimulatedProcess) -> Void) {
        if client.isCut(from: machine) { return held.append { [self] in arriveAtNode(body) } }
        let host = world.machines[machine]
        // Nobody is there to refuse it.
        guard host.isPowered else { return }
        guard isOpenAtNode, let process = host.process, process.life == processLife else {
            return tellClientOfEnd()
        }
        world.schedule(after: 0, .client, machine: machine, life: processLife) { [self] in
            if isOpenAtNode { body(process) }
        }
    }

    /// The client is done with it.
    func closeAtClient() {
        guard isOpenAtClient else { return }
        isOpenAtClient = false
        toNode { [self] process in
            isOpenAtNode = false
            process.master.closed(self)
        }
    }

    // MARK: To the client

    func toClient(_ body: @escaping () -> Void) {
        nextToClient = max(world.now + random.draw(30...800), nextToClient + 1)
        world.schedule(after: nextToClient - world.now, .client, machine: -1, life: 0) { [self] in
            arriveAtClient(body)
        }
    }

    private func arriveAtClient(_ body: @escaping () -> Void) {
        if client.isCut(from: machine) { return held.append { [self] in arriveAtClient(body) } }
        guard isOpenAtClient, client.life == clientLife else { return refuse() }
        client.deliver { [self] in if isOpenAtClient, client.life == clientLife { body() } }
    }

    private func refuse() {
        guard isOpenAtNode else { return }
        isOpenAtClient = true
        closeAtClient()
    }

    /// The node is done with it, or its process has ended; what was sent before comes first.
    func closeAtNode() {
        guard isOpenAtNode else { return }
        isOpenAtNode = false
        tellClientOfEnd()
    }

    private func tellClientOfEnd() {
        toClient { [self] in
            isOpenAtClient = false
            client.closed(self)
        }
    }

    /// What a cut held comes through.
    func heal() {
        let waiting = held
        held = []
        for (place, body) in waiting.enumerated() {
            world.schedule(after: 1 + place, .client, machine: -1, life: 0, body)
        }
    }
}
