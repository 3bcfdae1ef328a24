internal import NIOCore
internal import Primitives
internal import RPC
internal import StateMachine

/// keelson.Backup: what `keelson backup` reads.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class BackupService: @unchecked Sendable {
    private unowned let node: any NodeFacade
    private let thread: LargeRanges
    private let wholeReads: WholeReads
    private let kept: KeptSnapshots
    /// Calls that wait for entries, with what wakes them.
    private var waiting: [UInt64: () -> Void] = [:]
    private var nextWaiting: UInt64 = 0
    /// Calls that follow the log, waiting or being read for.
    private var openCount = 0

    /// How many there may be at a time.
    private static let followersMax = 16
    private static let answerBytesMax = 1 << 20
    private static let waitMax: TimeAmount = .seconds(10)
    /// Applied entries may be on this member's own disk a little later.
    private static let durablePause: TimeAmount = .milliseconds(5)

    init(
        node: any NodeFacade, thread: LargeRanges, wholeReads: WholeReads, limits: EtcdLimits
    ) {
        self.node = node
        kept = KeptSnapshots(eventLoop: node.eventLoop, thread: thread, limits: limits)
        self.thread = thread
        self.wholeReads = wholeReads
    }

    func register(in routes: inout RPCRoutes) {
        routes.stream("/keelson.Backup/Snapshot") { call in
            BackupSnapshotCall(
                call: call, node: self.node, thread: self.thread, wholeReads: self.wholeReads,
                kept: self.kept)
        }
        routes.unary("/keelson.Backup/Log") { self.readLog($0, $1) }
    }

    /// Something was applied.
    func applied() {
        guard !waiting.isEmpty else { return }
        let woken = waiting.values
        waiting = [:]
        for wake in woken { wake() }
    }

    /// Backups that are sent, or that can be gone on with.
    var keptCount: Int { kept.count }

    /// What is kept shares nothing with the new state: it would cost as much again.
    func storeReplaced() { kept.removeUnread() }

    private func readLog(_ call: ServerCall, _ body: [UInt8]) {
        guard let request = BackupLogRequest(body) else { return call.finish(.malformed) }
        if let refusal = node.refusal(of: call, onLearners: true) { return call.finish(refusal) }
        do throws(StoreError) { try node.store.requireAdmin(call.principal) } catch {
            return call.finish(error.status)
        }
        guard openCount < Self.followersMax else { return call.finish(.tooManyRequests) }
        openCount += 1
        let patience = min(TimeAmount.milliseconds(Int64(request.waitMilliseconds)), Self.waitMax)
        answer(call, request.first, until: .now() + patience)
    }

    /// Answers with what there is; where that is nothing, waits for more.
    private func answer(_ call: ServerCall, _ first: LogIndex, until deadline: NIODeadline) {
        guard call.isOpen else { return ended() }
        guard first <= node.appliedIndex else { return wait(call, first, until: deadline) }
        node.readLog(from: first, bytesMax: Self.answerBytesMax) { [self] portion in
            guard call.isOpen else { return ended() }
            switch portion {
            case .entries(let entries): respond(call, entries, isGone: false)
            case .gone: respond(call, [], isGone: true)
            case .later:
                node.eventLoop.assumeIsolated().scheduleTask(in: Self.durablePause) { [self] in
                    if NIODeadline.now() >= deadline {
                        respond(call, [], isGone: false)
                    } else {
                        answer(call, first, until: deadline)
                    }
                }
            }
        }
    }

    private func wait(_ call: ServerCall, _ first: LogIndex, until deadline: NIODeadline) {
        guard NIODeadline.now() < deadline else { return respond(call, [], isGone: false) }
        let number = nextWaiting
        nextWaiting += 1
        let timeout = node.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            [self] in
            if waiting.removeValue(forKey: number) != nil { respond(call, [], isGone: false) }
        }
        waiting[number] = { [self] in
            timeout.cancel()
            answer(call, first, until: deadline)
        }
    }

    private func ended() { openCount -= 1 }

    /// BackupLogResponse: entries = 1, applied_index = 2, gone = 3, cluster_id = 4.
    private func respond(_ call: ServerCall, _ entries: [LogEntry], isGone: Bool) {
        ended()
        guard call.isOpen else { return }
        var writer = ProtobufWriter(
            capacity: 64 + entries.reduce(0) { $0 + $1.payload.count + 32 })
        for entry in entries {
            // BackupLogEntry: index = 1, term = 2, kind = 3, payload = 4.
            var message = ProtobufWriter(capacity: entry.payload.count + 32)
            message.field(1, entry.index.rawValue)
            message.field(2, entry.term.rawValue)
            message.field(3, UInt64(entry.kind.rawValue))
            message.field(4, entry.payload)
            writer.field(1, message.bytes)
        }
        writer.field(2, node.appliedIndex.rawValue)
        writer.field(3, isGone)
        writer.field(4, node.clusterID.rawValue)
        call.respond(writer.bytes)
    }
}

/// BackupLogRequest: first_index = 1, wait_milliseconds = 2.
private struct BackupLogRequest {
    var first = LogIndex.zero
    var waitMilliseconds: UInt64 = 0

    /// Nil for what is none.
    init?(_ body: [UInt8]) {
        var first: UInt64 = 0
        var wait: UInt64 = 0
        let isSound = body.withUnsafeBytes { bytes in
            do throws(ProtobufError) {
                var reader = ProtobufReader(bytes)
                while let (number, type) = try reader.nextField() {
                    switch (number, type) {
                    case (1, .varint): first = try reader.varint()
                    case (2, .varint): wait = try reader.varint()
                    default: try reader.skip(type)
                    }
                }
                return true
            } catch { return false }
        }
        guard isSound, first > 0, first < 1 << 62 else { return nil }
        self.first = LogIndex(first)
        waitMilliseconds = min(wait, 3_600_000)
    }
}
