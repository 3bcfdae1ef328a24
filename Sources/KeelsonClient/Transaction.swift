/// A fact about a key that a transaction depends on.
public struct Comparison: Hashable, Sendable {
    public enum Relation: Sendable { case equal, notEqual, less, greater }

    /// What of the key is compared, and with what. A key that does not exist has 0 everywhere and
    /// no value: a comparison of its value is false.
    public enum Target: Hashable, Sendable {
        case version(Int64)
        case createRevision(Int64)
        case modRevision(Int64)
        case lease(Int64)
        case value([UInt8])
    }

    /// The key, or the keys of which every one must fulfil the comparison.
    public var range: KeyRange
    public var relation: Relation
    public var target: Target

    public init(_ range: KeyRange, _ relation: Relation, _ target: Target) {
        self.range = range
        self.relation = relation
        self.target = target
    }
}

/// If every comparison holds, the operations of `success` are carried out, else those of `failure`:
/// in order, as one revision, or not at all.
public struct Transaction: Hashable, Sendable {
    public indirect enum Operation: Hashable, Sendable {
        case get(KeyRange, GetOptions = GetOptions())
        case put([UInt8], [UInt8], PutOptions = PutOptions())
        case delete(KeyRange, returnsPrevious: Bool = false)
        case transaction(Transaction)
    }

    public var comparisons: [Comparison]
    public var success: [Operation]
    public var failure: [Operation]

    public init(
        if comparisons: [Comparison] = [], then success: [Operation] = [],
        else failure: [Operation] = []
    ) {
        self.comparisons = comparisons
        self.success = success
        self.failure = failure
    }

    /// It changes nothing, whichever way it goes, so that it may safely be sent twice.
    var isReadOnly: Bool {
        (success + failure).allSatisfy { operation in
            switch operation {
            case .get: true
            case .put, .delete: false
            case .transaction(let inner): inner.isReadOnly
            }
        }
    }
}

public struct TransactionResult: Hashable, Sendable {
    public enum Answer: Hashable, Sendable {
        case get(GetResult)
        case put(PutResult)
        case delete(DeleteResult)
        case transaction(TransactionResult)
    }

    public var header: AnswerHeader
    /// Every comparison held.
    public var succeeded: Bool
    /// One for each operation that was carried out, in their order.
    public var answers: [Answer]
}
