internal import API

extension Cluster {
    /// Reads a range. Linearizable unless the options say `serializable`.
    public func get(
        _ range: KeyRange, _ options: GetOptions = GetOptions(), timeout: Duration? = nil
    ) async throws(ClusterError) -> GetResult {
        let answer: EtcdRangeResponse = try await call(
            "/etcdserverpb.KV/Range", EtcdRangeRequest(range, options), isRead: true,
            timeout: timeout)
        return GetResult(answer)
    }

    /// Reads one key; nil if there is none.
    public func get(
        _ key: String, timeout: Duration? = nil
    ) async throws(ClusterError) -> KeyValue? {
        try await get(.key(key), timeout: timeout).keyValues.first
    }

    /// Writes a key.
    @discardableResult
    public func put(
        _ key: [UInt8], _ value: [UInt8], _ options: PutOptions = PutOptions(),
        timeout: Duration? = nil
    ) async throws(ClusterError) -> PutResult {
        let answer: EtcdPutResponse = try await call(
            "/etcdserverpb.KV/Put", EtcdPutRequest(key, value, options), isRead: false,
            timeout: timeout)
        return PutResult(answer)
    }

    /// Writes a key of text.
    @discardableResult
    public func put(
        _ key: String, _ value: String, _ options: PutOptions = PutOptions(),
        timeout: Duration? = nil
    ) async throws(ClusterError) -> PutResult {
        try await put(Array(key.utf8), Array(value.utf8), options, timeout: timeout)
    }

    /// Deletes every key of a range.
    @discardableResult
    public func delete(
        _ range: KeyRange, returnsPrevious: Bool = false, timeout: Duration? = nil
    ) async throws(ClusterError) -> DeleteResult {
        let answer: EtcdDeleteRangeResponse = try await call(
            "/etcdserverpb.KV/DeleteRange",
            EtcdDeleteRangeRequest(range, returnsPrevious: returnsPrevious), isRead: false,
            timeout: timeout)
        return DeleteResult(answer)
    }

    /// Carries out a transaction.
    public func commit(
        _ transaction: Transaction, timeout: Duration? = nil
    ) async throws(ClusterError) -> TransactionResult {
        let answer: EtcdTxnResponse = try await call(
            "/etcdserverpb.KV/Txn", EtcdTxnRequest(transaction), isRead: transaction.isReadOnly,
            timeout: timeout)
        return TransactionResult(answer)
    }

    /// Forgets what was superseded before `revision`. With `physical` the answer comes only when it
    /// is gone from the member's storage too.
    @discardableResult
    public func compact(
        to revision: Int64, physical: Bool = false, timeout: Duration? = nil
    ) async throws(ClusterError) -> AnswerHeader {
        var request = EtcdCompactionRequest()
        request.revision = revision
        request.physical = physical
        let answer: EtcdCompactionResponse = try await call(
            "/etcdserverpb.KV/Compact", request, isRead: false, timeout: timeout)
        return AnswerHeader(answer.header)
    }
}
