import Primitives
import Replication

/// A connection between two processes: what goes one way arrives in order, or not at all.
final class Connection {
    let number: Int
    let dialler: Int
    let acceptor: Int
    let diallerLife: UInt32
    let acceptorLife: UInt32
    let kind: PeerChannelKind
    var isOpen = true
    /// The acceptor has taken the hello.
    var isGreeted = false
    /// Who the dialler said that it is.
    var sender = NodeID.none
    /// The acceptor counts it among the open ones.
    var isCounted = false
    /// When the last frame arrives, to the acceptor and back.
    var lastArrival: [Micros] = [0, 0]
    /// Frames that wait for a path, to the acceptor and back.
    var stalled: [[[UInt8]]] = [[], []]
    /// A frame was too large for the path: nothing behind it arrives either.
    var isClogged = [false, false]
    var transfer: SnapshotTransfer?
    var reception: SnapshotReception?
    /// The link of the dialler that this connection is of.
    var link: PeerLink?

    init(
        number: Int, dialler: Int, acceptor: Int, diallerLife: UInt32, acceptorLife: UInt32,
        kind: PeerChannelKind
    ) {
        self.number = number
        self.dialler = dialler
        self.acceptor = acceptor
        self.diallerLife = diallerLife
        self.acceptorLife = acceptorLife
        self.kind = kind
    }

    func other(than machine: Int) -> Int { machine == dialler ? acceptor : dialler }
}

/// One direction between two machines, as it is now.
struct NetworkPath {
    /// How many faults block it at the moment.
    var blocks = 0
    var extraDelay: Micros = 0
    /// Frames out of a thousand that are lost, doubled, or overtaken: more than TCP would do.
    var lossPerMille = 0
    var doublePerMille = 0
    var reorderPerMille = 0
    var holdPerMille = 0
    /// How long a frame is held; another copy of it arrives as usual.
    var holdMicros: ClosedRange<Micros> = 5_000_000...120_000_000
    /// Larger frames do not pass.
    var frameBytesMax = Int.max
    /// Dials are refused although somebody listens.
    var refusesDials = false
}

enum DialResult {
    case connected(Connection)
    case refused
    case failed
}

/// All paths and connections.
final class SimulatedNetwork {
    unowned(unsafe) let world: SimulatedCluster
    private let machineCount: Int
    private(set) var paths: [NetworkPath]
    private(set) var connections: [Connection] = []
    private var nextNumber = 1

    static let dialTimeout: Micros = .seconds(1)

    init(world: SimulatedCluster, machineCount: Int) {
        self.world = world
        self.machineCount = machineCount
        paths = Array(repeating: NetworkPath(), count: machineCount * machineCount)
    }

    private func place(_ from: Int, _ to: Int) -> Int { from * machineCount + to }

    func path(_ from: Int, _ to: Int) -> NetworkPath { paths[place(from, to)] }

    func change(_ from: Int, _ to: Int, _ body: (inout NetworkPath) -> Void) {
        body(&paths[place(from, to)])
    }

    // MARK: Cuts

    func block(_ from: Int, _ to: Int) {
        guard from != to else { return }
        paths[place(from, to)].blocks += 1
    }

    func unblock(_ from: Int, _ to: Int) {
        guard from != to, paths[place(from, to)].blocks > 0 else { return }
        paths[place(from, to)].blocks -= 1
        release()
    }

    /// Everything that makes the network worse than it should be ends.
    func heal() {
        for index in paths.indices { paths[index] = NetworkPath() }
        for connection in connections { connection.isClogged = [false, false] }
        release()
    }

    /// Frames that waited for a path that is open now go on, in their order.
    func release() {
        for connection in connections where connection.isOpen {
            for way in 0...1 {
                let (from, to) = ends(connection, way)
                guard !connection.stalled[way].isEmpty, path(from, to).blocks == 0,
                    !connection.isClogged[way]
                else { continue }
                let frames = connection.stalled[way]
                connection.stalled[way] = []
                for frame in frames { send(connection, fromDialler: way == 0, frame) }
            }
        }
    }

    func unclog(_ from: Int, _ to: Int) {
        for connection in connections {
            for way in 0...1 where ends(connection, way) == (from, to) {
                connection.isClogged[way] = false
            }
        }
        release()
    }

    private func ends(_ connection: Connection, _ way: Int) -> (Int, Int) {
        way == 0
            ? (connection.dialler, connection.acceptor)
            : (connection.acceptor, connection.dialler)
    }

    func delay(_ from: Int, _ to: Int) -> Micros {
        world.random.spread(world.settings.delayMicros, upTo: world.settings.delaySpread)
            + path(from, to).extraDelay
    }

    // MARK: Connections

    func dial(
        _ process: SimulatedProcess, to target: Int, _ kind: PeerChannelKind,
        _ done: @escaping (DialResult) -> Void
    ) {
        let from = process.machine.index
        let there = world.machines[target]
        let roundTrip = delay(from, target) + delay(target, from)
        let isBlocked = path(from, target).blocks > 0 || path(target, from).blocks > 0
        guard !isBlocked, there.isPowered else {
            process.after(Self.dialTimeout, .dial) { done(.failed) }
            return
        }
        let life = process.life
        process.after(roundTrip, .dial) { [unowned self] in
            guard there.isPowered else { return done(.failed) }
            guard let acceptor = there.process, acceptor.isAlive,
                !path(from, target).refusesDials
            else { return done(.refused) }
            let connection = Connection(
                number: nextNumber, dialler: from, acceptor: target, diallerLife: life,
                acceptorLife: acceptor.life, kind: kind)
            nextNumber += 1
            connections.append(connection)
            done(.connected(connection))
        }
    }

    /// Puts a frame on its way.
    func send(_ connection: Connection, fromDialler: Bool, _ frame: [UInt8]) {
        guard connection.isOpen else { return }
        let way = fromDialler ? 0 : 1
        let (from, to) = ends(connection, way)
        let path = path(from, to)
        if path.blocks > 0 || connection.isClogged[way] || !connection.stalled[way].isEmpty {
            connection.stalled[way].append(frame)
            return
        }
        if frame.count > path.frameBytesMax {
            connection.isClogged[way] = true
            connection.stalled[way].append(frame)
            return
        }
        // The handshake, and a snapshot's stream, are what they are; only messages suffer.
        let isMessage = fromDialler && connection.kind != .snapshot && connection.isGreeted
        if isMessage, path.lossPerMille > 0, world.random.chance(path.lossPerMille, in: 1000) {
            return
        }
        var arrival = world.now + delay(from, to)
        var keepsOrder = true
        if isMessage {
            if path.reorderPerMille > 0, world.random.chance(path.reorderPerMille, in: 1000) {
                keepsOrder = false
                arrival += world.random.draw(0...(world.settings.electionMicros / 2))
            }
            sendCopies(connection, way, frame, path)
        }
        if keepsOrder {
            arrival = max(arrival, connection.lastArrival[way])
            connection.lastArrival[way] = arrival
        }
        schedule(connection, way, frame, at: arrival)
    }

    private func sendCopies(
        _ connection: Connection, _ way: Int, _ frame: [UInt8], _ path: NetworkPath
    ) {
        if path.doublePerMille > 0, world.random.chance(path.doublePerMille, in: 1000) {
            let late = world.random.draw(0...(world.settings.electionMicros / 4))
            schedule(connection, way, frame, at: world.now + late)
        }
        if path.holdPerMille > 0, world.random.chance(path.holdPerMille, in: 1000) {
            let late = world.random.draw(path.holdMicros)
            schedule(connection, way, frame, at: world.now + late)
        }
    }

    private func schedule(_ connection: Connection, _ way: Int, _ frame: [UInt8], at time: Micros) {
        let (_, to) = ends(connection, way)
        let life = way == 0 ? connection.acceptorLife : connection.diallerLife
        world.schedule(after: time - world.now, .frame, machine: to, life: life) {
            [unowned(unsafe) self] in
            guard connection.isOpen, let process = world.machines[to].process else { return }
            world.trace.fold(UInt64(Checksum.crc32c(frame)))
            process.received(frame, on: connection, fromDialler: way == 0)
        }
    }

    /// One side closes everything that is between it and another machine, but for connections on
    /// which somebody there has said to be `spared`.
    func closeAll(between a: Int, and b: Int, by machine: Int, sparing spared: NodeID) {
        let pair = [a, b].sorted()
        for connection in connections
        where [connection.dialler, connection.acceptor].sorted() == pair {
            if connection.acceptor == machine, connection.isGreeted, connection.sender == spared {
                continue
            }
            let counted = connection.isCounted && connection.acceptor == machine
            close(connection, by: machine)
            if counted {
                connection.isCounted = false
                world.machines[machine].process?.peers[connection.dialler].inboundOpen -= 1
            }
        }
    }

    /// One side closes: what is on its way still arrives, then the other side learns of it.
    func close(_ connection: Connection, by machine: Int) {
        guard connection.isOpen else { return }
        let other = connection.other(than: machine)
        let way = machine == connection.dialler ? 0 : 1
        let arrival = max(world.now + delay(machine, other), connection.lastArrival[way])
        endLater(connection, at: arrival, telling: [other])
    }

    /// The connection breaks: what is in flight is lost, and both sides learn of it.
    func reset(_ connection: Connection) {
        guard connection.isOpen else { return }
        connection.isOpen = false
        endLater(
            connection, at: world.now + world.random.draw(10...2000),
            telling: [connection.dialler, connection.acceptor])
    }

    private func endLater(_ connection: Connection, at time: Micros, telling sides: [Int]) {
        connections.removeAll { $0 === connection }
        for side in sides {
            let life =
                side == connection.dialler ? connection.diallerLife : connection.acceptorLife
            world.schedule(after: time - world.now, .closed, machine: side, life: life) {
                [unowned self] in
                connection.isOpen = false
                world.machines[side].process?.closed(connection)
            }
        }
    }

    /// The dialler's process is a new one: nothing that an earlier one sent may still arrive.
    func forgetOtherLives(of greeted: Connection) {
        let old = connections.filter {
            $0.dialler == greeted.dialler && $0.acceptor == greeted.acceptor
                && $0.diallerLife != greeted.diallerLife
        }
        for connection in old {
            close(connection, by: greeted.acceptor)
            connection.isOpen = false
            world.machines[greeted.acceptor].process?.closed(connection)
        }
    }

    /// A process is gone. With the power, nobody is told for a while.
    func processEnded(on machine: Int, silently: Bool) {
        let concerned = connections.filter {
            ($0.dialler == machine || $0.acceptor == machine) && $0.isOpen
        }
        for connection in concerned {
            let other = connection.other(than: machine)
            if connection.dialler == machine {
                connection.link?.connection = nil
                connection.link = nil
                connection.transfer = nil
            } else {
                connection.reception = nil
            }
            let isBlocked = path(machine, other).blocks > 0
            if silently || isBlocked {
                connection.isOpen = false
                let late = world.random.draw(500_000...15_000_000)
                endLater(connection, at: world.now + late, telling: [other])
            } else {
                close(connection, by: machine)
            }
        }
    }

    /// Breaks connections between two machines, all of them or some.
    func resetSome(_ a: Int, _ b: Int, all: Bool) {
        for connection in connections
        where [connection.dialler, connection.acceptor].sorted() == [a, b].sorted() {
            if all || world.random.chance(1, in: 2) { reset(connection) }
        }
    }
}
