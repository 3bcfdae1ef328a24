internal import Primitives
internal import RPC
internal import StateMachine

/// etcdserverpb.KV. Requests and answers are read and written by hand: this is the hot path.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class KVService: @unchecked Sendable {
    unowned let node: any NodeFacade
    private let counters: CallCounters
    private let largeRanges: LargeRanges

    init(node: any NodeFacade, counters: CallCounters, largeRanges: LargeRanges) {
        self.node = node
        self.counters = counters
        self.largeRanges = largeRanges
    }

    func register(in routes: inout RPCRoutes) {
        routes.unary("/etcdserverpb.KV/Put") { self.put($0, $1) }
        routes.unary("/etcdserverpb.KV/Range") { self.range($0, $1) }
        routes.unary("/etcdserverpb.KV/Txn") { self.transact($0, $1) }
        routes.unary("/etcdserverpb.KV/DeleteRange") { self.deleteRange($0, $1) }
        routes.unary("/etcdserverpb.KV/Compact") { self.compact($0, $1) }
        routes.stream("/etcdserverpb.KV/RangeStream") { call in
            RangeStreamCall(call: call, service: self)
        }
    }

    // MARK: Writes

    private func put(_ call: ServerCall, _ body: [UInt8]) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        do throws(StoreError) {
            try decoding(body) { bytes throws(ProtobufError) in
                try PutView.decode(bytes)
            }.check()
            if node.store.auth.isEnabled { try authorizePut(call, body) }
        } catch {
            return call.finish(error.requestStatus)
        }
        counters.puts += 1
        propose(.put, call, body)
    }

    private func deleteRange(_ call: ServerCall, _ body: [UInt8]) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        do throws(StoreError) {
            let request = try decoding(body) { bytes throws(ProtobufError) in
                try DeleteRangeRequest.decode(bytes)
            }
            try request.check()
            try node.store.grants(of: call.principal).check(request)
        } catch {
            return call.finish(error.requestStatus)
        }
        counters.deletes += 1
        propose(.deleteRange, call, body)
    }

    private func transact(_ call: ServerCall, _ body: [UInt8]) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        let request: TxnRequest
        do throws(StoreError) {
            request = try decoding(body) { bytes throws(ProtobufError) in
                try TxnRequest.decode(bytes)
            }
            try request.check(operationsMax: node.transactionOperationsMax)
            try node.store.grants(of: call.principal).check(request, in: node.store)
        } catch {
            return call.finish(error.requestStatus)
        }
        counters.transactions += 1
        guard request.isReadOnly else { return propose(.txn, call, body) }
        if request.isSerializable { return read(call, request) }
        node.linearizableRead { failure in
            call.times.readableAt = self.node.turnTime
            if let failure { return call.finish(failure.status) }
            self.read(call, request)
        }
    }

    /// A transaction of ranges only: it is not logged.
    private func read(_ call: ServerCall, _ request: TxnRequest) {
        do throws(StoreError) {
            try node.store.grants(of: call.principal).check(request, in: node.store)
            let result = try node.store.readOnlyTxn(request)
            call.respond(Response.txn(node.header(), result))
        } catch {
            call.finish(error.status)
        }
    }

    private func compact(_ call: ServerCall, _ body: [UInt8]) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        do throws(StoreError) {
            _ = try decoding(body) { bytes throws(ProtobufError) in
                try CompactionRequest.decode(bytes)
            }
        } catch {
            return call.finish(error.requestStatus)
        }
        propose(.compact, call, body)
    }

    /// Nobody fills the log with what apply refuses.
    private func authorizePut(_ call: ServerCall, _ body: [UInt8]) throws(StoreError) {
        let grants = try node.store.grants(of: call.principal)
        let checked: Result<Void, StoreError> = body.withUnsafeBytes { bytes in
            do throws(StoreError) {
                let view = try StoreError.decoding { () throws(ProtobufError) in
                    try PutView.decode(bytes)
                }
                return .success(try grants.check(view, in: node.store))
            } catch {
                return .failure(error)
            }
        }
        try checked.get()
    }

    private func propose(_ kind: CommandKind, _ call: ServerCall, _ body: [UInt8]) {
        guard body.count <= node.requestBytesMax else { return call.finish(.requestTooLarge) }
        node.propose(kind, proposedID: 0, body: body, as: call.principal) { [node] outcome in
            guard let applied = call.applied(outcome) else { return }
            let header = node.header(revision: applied.revision)
            guard let response = applied.outcome.encodeResponse(header) else {
                return call.finish(.unexpectedOutcome)
            }
            call.respond(response)
        }
    }

    // MARK: Reads

    private func range(_ call: ServerCall, _ body: [UInt8]) {
        guard let request = admit(call, body) else { return }
        whenReadable(call, request) { self.execute(call, request) }
    }

    /// The request if it may be served here; nil after the call was ended.
    func admit(_ call: ServerCall, _ body: [UInt8]) -> RangeRequest? {
        do throws(StoreError) {
            let request = try decoding(body) { bytes throws(ProtobufError) in
                try RangeRequest.decode(bytes)
            }
            if let refusal = node.refusal(of: call, onLearners: request.isSerializable) {
                call.finish(refusal)
                return nil
            }
            try request.check()
            counters.ranges += 1
            return request
        } catch {
            call.finish(error.requestStatus)
            return nil
        }
    }

    func whenReadable(
        _ call: ServerCall, _ request: RangeRequest, _ body: @escaping () -> Void
    ) {
        if request.isSerializable { return body() }
        node.linearizableRead { [node] failure in
            call.times.readableAt = node.turnTime
            if let failure { return call.finish(failure.status) }
            body()
        }
    }

    private func execute(_ call: ServerCall, _ request: RangeRequest) {
        evaluate(call, request) { [node] answer in
            let header = node.header(revision: answer.result.revision)
            let byteCount = answer.byteCount(header)
            if byteCount <= Self.wholeBytesMax {
                return call.respond(Response.range(header, answer.result))
            }
            call.send(byteCount: byteCount) { answer.nextPiece(header) }
            call.finish(.ok)
        }
    }

    /// A response up to this size is encoded at once.
    private static let wholeBytesMax = 256 * 1024

    /// Evaluates a range now, or from a snapshot where it is large.
    func evaluate(
        _ call: ServerCall, _ request: RangeRequest, _ done: @escaping (RangeAnswer) -> Void
    ) {
        guard call.isOpen else { return }
        do throws(StoreError) {
            // By the state that is read: what a client may see can have changed since it asked.
            try node.store.grants(of: call.principal).check(request)
            guard node.store.isSmall(request, keysMax: LargeRanges.smallKeysMax) else {
                let scan = try node.store.makeScan(request)
                return largeRanges.evaluate(scan, request, for: call) { answer in
                    if call.isOpen { done(answer) }
                }
            }
            let result = try node.store.range(request)
            let bytes = result.records.reduce(0) { $0 + $1.embeddedByteCount(result.form) }
            done(RangeAnswer(result, recordBytes: bytes, returnTo: nil))
        } catch {
            call.finish(error.status)
        }
    }

    private func decoding<T>(
        _ body: [UInt8], _ decode: (UnsafeRawBufferPointer) throws(ProtobufError) -> T
    ) throws(StoreError) -> T {
        let decoded: Result<T, StoreError> = body.withUnsafeBytes { bytes in
            do throws(ProtobufError) {
                return .success(try decode(bytes))
            } catch {
                return .failure(StoreError(error))
            }
        }
        return try decoded.get()
    }
}

extension StoreError {
    /// The status of a request that was refused before it was proposed: broken bytes are gRPC's
    /// affair.
    var requestStatus: RPCStatus {
        if case .malformed = self { return .malformed }
        return status
    }
}
