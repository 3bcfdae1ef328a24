internal import Primitives

/// Messages about one key each, from a template. Confined to one event loop, hence
/// `@unchecked Sendable`.
final class KeyedSource: MessageSource, @unchecked Sendable {
    let path: String
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
        self.path = path
        self.template = template
        self.chooser = chooser
        self.values = values
        self.valueByteCount = valueByteCount
        self.random = random
        self.isStamped = isStamped
        self.answerBytesMin = answerBytesMin
    }

    func nextMessage() -> [UInt8] {
        let key = chooser.next(&random)
        let stamp = isStamped ? monotonicNanoseconds() : nil
        guard let values else { return template.message(key: key, value: nil, stamp: stamp) }
        return values.withValue(byteCount: valueByteCount, &random) {
            template.message(key: key, value: $0, stamp: stamp)
        }
    }

    func complaint(about answer: [UInt8]) -> String? {
        answer.count < answerBytesMin ? "the answer does not hold the key" : nil
    }
}
