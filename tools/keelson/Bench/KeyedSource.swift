internal import Measuring
internal import Primitives

/// Messages about one key each, from a template. Confined to one event loop, hence
/// `@unchecked Sendable`.
final class KeyedSource: MessageSource, @unchecked Sendable {
    let paths: [String]
    private let template: RequestTemplate
    private let values: ValuePool?
    private let valueByteCount: Int
    private var chooser: KeyChooser
    private var random: SplitMix64
    /// Each value begins with the moment at which it was made.
    private let isStamped: Bool
    /// An answer that is shorter than this lacks the pair that it should hold.
    private let answerBytesMin: Int

    init(
        path: String, template: RequestTemplate, chooser: KeyChooser, values: ValuePool?,
        valueByteCount: Int, random: SplitMix64, isStamped: Bool = false, answerBytesMin: Int = 0
    ) {
        paths = [path]
        self.template = template
        self.chooser = chooser
        self.values = values
        self.valueByteCount = valueByteCount
        self.random = random
        self.isStamped = isStamped
        self.answerBytesMin = answerBytesMin
    }

    func nextCall() -> (method: Int, message: [UInt8]) { (0, nextMessage()) }

    func nextMessage() -> [UInt8] {
        let key = chooser.next(&random)
        let stamp = isStamped ? monotonicNanoseconds() : nil
        guard let values else { return template.message(key: key, value: nil, stamp: stamp) }
        return values.withValue(byteCount: valueByteCount, &random) {
            template.message(key: key, value: $0, stamp: stamp)
        }
    }

    func complaint(about answer: [UInt8], of method: Int) -> String? {
        answer.count < answerBytesMin ? "the answer does not hold what was asked for" : nil
    }
}

/// Messages of two sources, one of them in so many of a hundred calls. Confined to one event loop,
/// hence `@unchecked Sendable`.
final class MixedSource: MessageSource, @unchecked Sendable {
    let paths: [String]
    private let reads: KeyedSource
    private let writes: KeyedSource
    private let readPercent: UInt64
    private var random: SplitMix64

    init(reads: KeyedSource, writes: KeyedSource, readPercent: Int, random: SplitMix64) {
        paths = reads.paths + writes.paths
        self.reads = reads
        self.writes = writes
        self.readPercent = UInt64(readPercent)
        self.random = random
    }

    func nextCall() -> (method: Int, message: [UInt8]) {
        random.next(below: 100) < readPercent
            ? (0, reads.nextMessage()) : (1, writes.nextMessage())
    }

    func complaint(about answer: [UInt8], of method: Int) -> String? {
        (method == 0 ? reads : writes).complaint(about: answer, of: 0)
    }
}
