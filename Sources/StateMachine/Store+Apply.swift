package import Primitives

extension Store {
    /// Applies the next committed entry.
    ///
    /// Closed and total: it reads the entry and the state, nothing else, and any bytes give an
    /// outcome. A refused command changes nothing but the applied index and the clocks; one that
    /// the node does not know changes nothing, so that nobody takes it for applied.
    /// - Parameter evaluate: whether this node answers the request, so that the ranges of a
    ///   transaction
    ///   are to be read. Nodes that differ in it have equal states.
    package func apply(_ entry: LogEntry, evaluate: Bool = true) -> Applied {
        invariant(
            entry.index == appliedIndex.next,
            "entry \(entry.index) applied after \(appliedIndex)")
        let before = (appliedIndex, appliedTerm, clock, clusterTime)
        appliedIndex = entry.index
        appliedTerm = entry.term
        switch entry.kind {
        case .noop: return Applied(request: nil, outcome: .none, revision: revision)
        case .configuration:
            var applied = Applied(request: nil, outcome: .none, revision: revision)
            applied.membershipChanged = true
            return applied
        case .command:
            var applied = Applied(request: nil, outcome: .none, revision: revision)
            entry.payload.withUnsafeBytes {
                applyCommand($0, entry.term, evaluate, &applied)
            }
            if applied.mustStop { (appliedIndex, appliedTerm, clock, clusterTime) = before }
            return applied
        }
    }

    private func applyCommand(
        _ payload: UnsafeRawBufferPointer, _ term: Term, _ evaluate: Bool,
        _ applied: inout Applied
    ) {
        do throws(StoreError) {
            let (header, bodyOffset) = try Command.decodeHeader(payload, known: known)
            let body = UnsafeRawBufferPointer(rebasing: payload[bodyOffset...])
            clock = max(clock, header.clock)
            if let time = header.clusterTime { clusterTime = max(clusterTime, time) }
            applied.request = header.request
            if header.kind == .clusterLevel { try refuseUnknownLevel(body) }
            #if KEELSON_MUTANTS
                let isFenced = !planted(.ignoresFences)
            #else
                let isFenced = true
            #endif
            if isFenced, header.fenceTerm != .zero, header.fenceTerm != term {
                throw .fenced(decidedIn: header.fenceTerm.rawValue, committedIn: term.rawValue)
            }
            try refuseUnderAlarm(header.kind)
            if auth.isEnabled { try authorize(header, body) }
            applied.outcome = try perform(header, body, evaluate, &applied)
        } catch {
            if case .unknownCommand = error { applied.mustStop = true }
            if case .unknownLevel = error { applied.mustStop = true }
            applied.outcome = .failed(error)
        }
        applied.revision = revision
    }

    /// CORRUPT refuses every write. What NOSPACE refuses is decided where the cost is known.
    private func refuseUnderAlarm(_ kind: CommandKind) throws(StoreError) {
        #if KEELSON_MUTANTS
            if planted(.ignoresAlarms) { return }
        #endif
        if alarms.raised.isEmpty { return }
        switch kind {
        case .put, .leaseGrant:
            if alarms.isRaised(.corrupt) { throw .corrupt }
            if alarms.isRaised(.noSpace) { throw .noSpace }
        case .deleteRange, .txn, .compact, .leaseRevoke, .leaseExpire:
            if alarms.isRaised(.corrupt) { throw .corrupt }
        case .datacenter:
            if alarms.isRaised(.corrupt) { throw .corrupt }
        case .leaseCheckpoint, .alarm, .clusterLevel, .downgrade, .memberAttributes, .memberRemoval,
            .memberFoundation, .memberAddition, .memberUpdate, .memberPromotion, .memberRejoin,
            .memberSuccession, .auth:
            break
        }
    }

    private func perform(
        _ header: CommandHeader, _ body: UnsafeRawBufferPointer, _ evaluate: Bool,
        _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        switch header.kind {
        case .put: return try put(body, &applied)
        case .deleteRange: return try deleteRange(body, &applied)
        case .txn: return try txn(body, evaluate, &applied)
        case .compact: return try compact(body)
        case .leaseGrant: return try grantLease(header, body, &applied)
        case .leaseRevoke: return try revokeLease(body, &applied)
        case .leaseExpire: return try expireLeases(body, &applied)
        case .leaseCheckpoint: return try checkpointLeases(body, &applied)
        case .alarm: return try alarm(body, &applied)
        case .clusterLevel: return try raiseClusterLevel(body, &applied)
        case .downgrade: return try changeDowngrade(body, &applied)
        case .memberAttributes, .memberRemoval, .memberFoundation, .memberAddition, .memberUpdate,
            .memberPromotion, .memberRejoin, .memberSuccession:
            return try changeMembers(header.kind, body, &applied)
        case .auth: return try authenticate(header, body, &applied)
        case .datacenter: return try changeDatacenter(body, &applied)
        }
    }

    // MARK: - Alarms

    private func alarm(
        _ body: UnsafeRawBufferPointer, _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        let request = try StoreError.decoding { () throws(ProtobufError) in
            try AlarmRequest.decode(body)
        }
        let (answer, changed) = alarms.perform(request)
        applied.alarmsChanged = changed
        if changed {
            digest.fold(.alarm, UInt64(UInt32(bitPattern: request.alarm)) ^ request.member << 8)
        }
        return .alarms(answer)
    }
}

extension StoreError {
    /// Runs a decoder, with its error as the store's.
    package static func decoding<T>(
        _ body: () throws(ProtobufError) -> T
    ) throws(StoreError) -> T {
        do throws(ProtobufError) {
            return try body()
        } catch {
            throw StoreError(error)
        }
    }
}
