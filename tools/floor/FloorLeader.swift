internal import DequeModule
internal import NIOCore
internal import NIOPosix
internal import Primitives
internal import RPC

/// The process that takes the puts: each is answered once two of three have made it durable.
///
/// What one turn of the event loop brings is sent and written as one. Confined to the loop, hence
/// `@unchecked Sendable`.
final class FloorLeader: @unchecked Sendable {
    static let method = "/etcdserverpb.KV/Put"

    private let loop: any EventLoop
    private var journal: Journal?
    private var followers: [any Channel] = []
    /// The puts that wait for two of three, in their order: the first is number `answered + 1`.
    private var waiting: Deque<ServerCall> = []
    private var answered: UInt64 = 0
    private var batch: [UInt8] = []
    /// The last put that each of the three has made durable, this process first.
    private var durable: [UInt64] = [0, 0, 0]

    private init(_ loop: any EventLoop) { self.loop = loop }

    static func serve(folder: String, followers ports: [Int]) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let leader = FloorLeader(loop)
        let journal = try Journal(folder: folder, loop: loop) { leader.isDurable(0, through: $0) }
        var channels: [any Channel] = []
        for (position, port) in ports.enumerated() {
            channels.append(try leader.connect(to: port, as: position + 1, group).wait())
        }
        let followers = channels
        let server = try loop.submit {
            leader.journal = journal
            leader.followers = followers
            var routes = RPCRoutes()
            routes.unary(Self.method) { leader.put($0, $1) }
            return RPCServer(eventLoop: loop, routes: routes)
        }.wait()
        let address = try server.listen(host: "127.0.0.1", port: 0).wait()
        FloorProcess.serve(port: address.port ?? 0)
    }

    private func connect(
        to port: Int, as member: Int, _ group: MultiThreadedEventLoopGroup
    ) -> EventLoopFuture<any Channel> {
        ClientBootstrap(group: group)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        AcknowledgementReceiver(self, member))
                }
            }
            .connect(host: "127.0.0.1", port: port)
    }

    // MARK: - Puts

    private func put(_ call: ServerCall, _ body: [UInt8]) {
        if batch.isEmpty { loop.execute { self.passOn() } }
        withUnsafeBytes(of: UInt32(body.count).littleEndian) { batch.append(contentsOf: $0) }
        batch.append(contentsOf: body)
        waiting.append(call)
    }

    /// The followers first: their disks work while this one's thread wakes up.
    private func passOn() {
        var puts: [UInt8] = []
        swap(&puts, &batch)
        let last = answered + UInt64(waiting.count)
        let frame = PeerFrame.encode(puts, through: last)
        for follower in followers { follower.writeAndFlush(frame, promise: nil) }
        journal?.append(puts, through: last)
    }

    fileprivate func isDurable(_ member: Int, through last: UInt64) {
        durable[member] = last
        // Of three, the middle one is what two have reached.
        let reached = durable.sorted()[1]
        while answered < reached, let call = waiting.popFirst() {
            call.respond(Self.answer)
            answered += 1
        }
    }

    /// A PutResponse: as large as the server's, whose header has two ids, a revision and a term.
    private static let answer: [UInt8] = {
        var header = ProtobufWriter()
        header.field(1, 0xCDF8_1818_E3A0_C21D as UInt64)
        header.field(2, 0x8E9E_05C5_2164_694D as UInt64)
        header.field(3, 1_000_000 as UInt64)
        header.field(4, 2 as UInt64)
        var answer = ProtobufWriter()
        answer.field(1, header.bytes)
        return answer.bytes
    }()
}

private final class AcknowledgementReceiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let leader: FloorLeader
    private let member: Int
    private var received = ByteBuffer()

    init(_ leader: FloorLeader, _ member: Int) {
        self.leader = leader
        self.member = member
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        received.writeBuffer(&bytes)
        let last = PeerFrame.lastAcknowledgement(in: &received)
        received.discardReadBytes()
        if let last { leader.isDurable(member, through: last) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        FloorProcess.fail("the connection to follower \(member) was closed")
    }
}
