internal import NIOCore
internal import Primitives
internal import RPC

/// Makes the leases that are then renewed. Confined to one event loop, hence
/// `@unchecked Sendable`.
final class LeaseGrantSource: MessageSource, @unchecked Sendable {
    let paths = ["/etcdserverpb.Lease/LeaseGrant"]
    private let firstID: Int64
    private var count: Int64 = 0
    /// Seconds; longer than any run, so that only renewals are measured.
    private static let timeToLiveSeconds: Int64 = 3600

    init(firstID: Int64) { self.firstID = firstID }

    func nextCall() -> (method: Int, message: [UInt8]) {
        var writer = ProtobufWriter(capacity: 24)
        writer.field(1, LeaseGrantSource.timeToLiveSeconds)
        writer.field(2, firstID + count)
        count += 1
        return (0, writer.bytes)
    }

    func complaint(about answer: [UInt8], of method: Int) -> String? { nil }
}

/// Renewals on streams that stay open, one stream for each slot.
final class LeaseLane: ReconnectingLane, LoadLane, @unchecked Sendable {
    private let number: Int
    private let driver: LoadDriver
    private let firstID: Int64
    private var chooser: KeyChooser
    private var random: SplitMix64
    private var streams: [ClientStream?]
    private var isBusy: [Bool]

    init(
        number: Int, driver: LoadDriver, endpoints: [BenchPlace], first: Int,
        slotCount: Int, firstID: Int64, chooser: KeyChooser, random: SplitMix64
    ) {
        self.number = number
        self.driver = driver
        self.firstID = firstID
        self.chooser = chooser
        self.random = random
        streams = Array(repeating: nil, count: slotCount)
        isBusy = Array(repeating: false, count: slotCount)
        super.init(loop: driver.loop, endpoints: endpoints, first: first)
    }

    override func connected(_ client: RPCClient) { driver.laneIsReady(number) }

    func start(slot: Int) -> Bool {
        guard let client, client.isUsable else { return false }
        if streams[slot] == nil {
            streams[slot] = client.stream(
                "/etcdserverpb.Lease/LeaseKeepAlive",
                onMessage: { [unowned self] in answered(slot, $0) },
                onEnd: { [unowned self] in ended(slot, $0) })
        }
        guard let stream = streams[slot] else { return false }
        isBusy[slot] = true
        var writer = ProtobufWriter(capacity: 16)
        writer.field(1, firstID + Int64(chooser.next(&random)))
        stream.send(writer.bytes)
        return true
    }

    private func answered(_ slot: Int, _ answer: [UInt8]) {
        guard isBusy[slot] else { return }
        isBusy[slot] = false
        if LeaseLane.timeToLive(answer) > 0 {
            driver.finished(lane: number, slot: slot, nil)
        } else {
            driver.finished(lane: number, slot: slot, (.notFound, "the lease is gone"))
        }
    }

    private func ended(_ slot: Int, _ status: RPCStatus) {
        streams[slot] = nil
        guard isBusy[slot] else { return }
        isBusy[slot] = false
        driver.finished(lane: number, slot: slot, (status.code, status.message))
    }

    /// Field 3 of a LeaseKeepAliveResponse; 0 if it is not there.
    private static func timeToLive(_ answer: [UInt8]) -> UInt64 {
        answer.withUnsafeBytes { raw in
            var reader = ProtobufReader(raw)
            do throws(ProtobufError) {
                while let field = try reader.nextField() {
                    if field.number == 3, field.type == .varint { return try reader.varint() }
                    try reader.skip(field.type)
                }
            } catch {}
            return 0
        }
    }
}
