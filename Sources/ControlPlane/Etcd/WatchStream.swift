internal import API
internal import Foundation
internal import NIOCore
internal import Primitives
internal import RPC
internal import StateMachine
internal import SwiftProtobuf

/// One `Watch` call: any number of watches that share a connection's stream.
///
/// Confined to the event loop, hence `@unchecked Sendable`. What a client's requests are answered
/// with is bounded by ``bufferedBytesMax``; events are only sent while the stream is writable.
final class WatchStream: ServerStream, @unchecked Sendable {
    private struct Watch {
        var watcher: WatcherID
        var range: KeyRange
        var wantsProgress: Bool
        /// Nothing was sent since the last tick of the progress timer.
        var isQuiet = true
    }

    private let call: ServerCall
    private let service: WatchService
    private let requiresLeader: Bool
    private var watches: [Int64: Watch] = [:]
    private var watchIDs: [WatcherID: Int64] = [:]
    private var nextID: Int64 = 0
    private var heldWatchers: [WatcherID] = []
    private var progressTimer: RepeatedTask?
    private var leaderTimer: Scheduled<Void>?
    private var isOpen = true
    private var keyBytes = 0

    /// A client that asks and asks without reading loses its stream when this much waits for it.
    private static let bufferedBytesMax = 16 << 20
    private static let watchesMax = 100_000
    private static let tooMany = "etcdserver: too many watches"
    /// Bytes of keys that one stream may ask for in all its life.
    private static let keyBytesMax = 64 << 20

    init(call: ServerCall, service: WatchService) {
        self.call = call
        self.service = service
        requiresLeader = call.requiresLeader
        leadershipChanged()
    }

    var isWritable: Bool { isOpen && call.isWritable }

    // MARK: ServerStream

    func received(_ message: [UInt8]) {
        guard isOpen else { return }
        guard let request = try? EtcdWatchRequest(serializedBytes: message) else {
            return end(.malformed)
        }
        guard call.bufferedBytes <= Self.bufferedBytesMax else {
            return end(RPCStatus(.resourceExhausted, "etcdserver: watch responses are not read"))
        }
        switch request.requestUnion {
        case .createRequest(let create): self.create(create)
        case .cancelRequest(let cancel): self.cancel(cancel.watchID)
        case .progressRequest: markProgressOfAll()
        case nil: break
        }
    }

    /// The client may still be told: the stream stays until it is cancelled.
    func halfClosed() {}

    func closed(cancelled: Bool) { close() }

    func writable() {
        guard isOpen, !heldWatchers.isEmpty else { return }
        let ids = heldWatchers
        heldWatchers = []
        service.resume(ids)
    }

    func end(_ status: RPCStatus) {
        guard isOpen else { return }
        close()
        call.finish(status)
    }

    private func close() {
        guard isOpen else { return }
        isOpen = false
        for watch in watches.values { service.remove(watch.watcher) }
        watches = [:]
        watchIDs = [:]
        heldWatchers = []
        progressTimer?.cancel()
        leaderTimer?.cancel()
        service.forget(self)
    }

    // MARK: Requests

    private func create(_ request: EtcdWatchCreateRequest) {
        let revision = service.hub.revision
        func refuse(_ reason: String) {
            var response = WatchResponse(header: service.header(revision: revision))
            response.watchID = WatchResponse.noWatchID
            response.isCreated = true
            response.isCanceled = true
            response.cancelReason = reason
            call.send(response.encode())
        }
        guard request.startRevision >= 0 else {
            return refuse("etcdserver: mvcc: required revision has been compacted")
        }
        keyBytes += request.key.count + request.rangeEnd.count
        guard watches.count < Self.watchesMax, keyBytes <= Self.keyBytesMax else {
            return refuse(Self.tooMany)
        }
        let key = request.key.isEmpty ? [0] : Array(request.key)
        guard let range = WatchRange(key: key, end: Array(request.rangeEnd)) else {
            return refuse("mvcc: watcher range is empty")
        }
        let read = KeyRange(key: key, rangeEnd: Array(request.rangeEnd))
        if let refusal = refusal(reading: read) { return refuse(refusal.asCancelReason) }
        if request.watchID != 0, watches[request.watchID] != nil {
            return refuse("mvcc: duplicate watch ID provided on the WatchStream")
        }
        let spec = WatchSpec(
            range: range, withoutPuts: request.filters.contains(.noput),
            withoutDeletes: request.filters.contains(.nodelete), withPrevious: request.prevKv)
        let watchID = request.watchID == 0 ? freeID() : request.watchID
        let binding = WatchService.Binding(
            stream: self, watchID: watchID, isFragmenting: request.fragment, owner: call.principal)
        guard let watcher = service.add(spec, start: request.startRevision, for: binding) else {
            return refuse(Self.tooMany)
        }
        if request.watchID == 0 { nextID += 1 }
        watches[watchID] = Watch(
            watcher: watcher, range: read, wantsProgress: request.progressNotify)
        watchIDs[watcher] = watchID
        if request.progressNotify { startProgressTimer() }
        var response = WatchResponse(header: service.header(revision: revision))
        response.watchID = watchID
        response.isCreated = true
        call.send(response.encode())
    }

    private func freeID() -> Int64 {
        while watches[nextID] != nil { nextID += 1 }
        return nextID
    }

    private func cancel(_ watchID: Int64) {
        guard let watch = watches.removeValue(forKey: watchID) else { return }
        watchIDs[watch.watcher] = nil
        service.remove(watch.watcher)
        var response = WatchResponse(header: service.header(revision: service.hub.revision))
        response.watchID = watchID
        response.isCanceled = true
        call.send(response.encode())
    }

    // MARK: Events

    func sendEvents(_ message: SharedMessage, for watchID: Int64) {
        guard isOpen else { return }
        watches[watchID]?.isQuiet = false
        call.send(message)
    }

    func held(_ id: WatcherID) { heldWatchers.append(id) }

    /// Compaction took what the watch was to see: it ends with the compact revision, without a
    /// reason and with a header at revision 0, as clients expect it.
    func overtaken(_ watchID: Int64, compacted: Revision) {
        guard isOpen, let watch = watches.removeValue(forKey: watchID) else { return }
        watchIDs[watch.watcher] = nil
        var response = WatchResponse(header: service.header(revision: .zero))
        response.watchID = watchID
        response.isCanceled = true
        response.compactRevision = compacted.rawValue
        call.send(response.encode())
    }

    // MARK: Permissions

    private func refusal(reading range: KeyRange) -> RPCStatus? {
        switch service.node.grants(of: call) {
        case .failure(let status): return status
        case .success(let grants):
            do throws(StoreError) {
                try grants.checkRead(range)
                return nil
            } catch {
                return error.status
            }
        }
    }

    /// Ends the watches whose keys the client may not read any more, before they are told another
    /// event.
    func authorize() {
        for watchID in watches.keys.sorted() {
            guard let watch = watches[watchID], let refusal = refusal(reading: watch.range) else {
                continue
            }
            watches[watchID] = nil
            watchIDs[watch.watcher] = nil
            service.remove(watch.watcher)
            var response = WatchResponse(header: service.header(revision: service.hub.revision))
            response.watchID = watchID
            response.isCanceled = true
            response.cancelReason = refusal.asCancelReason
            call.send(response.encode())
        }
    }

    // MARK: Progress

    /// One mark for the whole stream, only if every watch of it is at the head (W6).
    private func markProgressOfAll() {
        guard !watches.isEmpty,
            watches.values.allSatisfy({ service.mayMarkProgress($0.watcher) })
        else { return }
        var response = WatchResponse(header: service.header(revision: service.hub.revision))
        response.watchID = WatchResponse.noWatchID
        call.send(response.encode())
    }

    /// The interval and up to a tenth more, so that streams do not tick together.
    private func startProgressTimer() {
        guard progressTimer == nil else { return }
        let base = service.progressInterval.nanoseconds
        let interval = TimeAmount.nanoseconds(base + Int64.random(in: 0...max(1, base / 10)))
        progressTimer = call.eventLoop.scheduleRepeatedTask(
            initialDelay: interval, delay: interval
        ) { [weak self] _ in self?.markProgress() }
    }

    private func markProgress() {
        guard isWritable else { return }
        for watchID in watches.keys.sorted() {
            guard let watch = watches[watchID], watch.wantsProgress else { continue }
            if watch.isQuiet, service.mayMarkProgress(watch.watcher) {
                var response = WatchResponse(
                    header: service.header(revision: service.hub.revision))
                response.watchID = watchID
                call.send(response.encode())
            }
            watches[watchID]?.isQuiet = true
        }
    }

    // MARK: Leadership

    /// A stream that requires a leader ends after three election timeouts without one.
    func leadershipChanged() {
        guard requiresLeader, isOpen else { return }
        if service.node.leader != nil {
            leaderTimer?.cancel()
            leaderTimer = nil
        } else if leaderTimer == nil {
            let patience = service.node.electionTimeout * 3
            leaderTimer = call.eventLoop.scheduleTask(
                in: patience
            ) { [weak self] in self?.end(.noLeader) }
        }
    }
}

extension RPCStatus {
    /// As grpc-go prints a status: clients compare a watch's reason with that whole.
    fileprivate var asCancelReason: String {
        let name =
            switch code {
            case .unauthenticated: "Unauthenticated"
            case .permissionDenied: "PermissionDenied"
            default: "InvalidArgument"
            }
        return "rpc error: code = \(name) desc = \(message)"
    }
}
