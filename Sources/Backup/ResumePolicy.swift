/// What a backup that stopped half-way does next: ask again, after a pause; begin anew; or give up.
///
/// It is told what happened to each attempt. `endpointCount` is how many members can be asked: the
/// stream can only go on at the one that sent it, and which that is shows in the answers.
package struct ResumePolicy: Sendable {
    package enum Next: Equatable, Sendable {
        /// Asks for the rest after this pause.
        case again(after: Duration)
        /// Asks for the whole: nobody has the rest any more.
        case anew
        case giveUp
    }

    private let endpointCount: Int
    private var failures = 0
    /// Whom has said that it has not got the rest, since the last of it came.
    private var without: Set<String> = []
    private var begins = 0

    /// Failures in a row, without a byte between, after which nothing is tried any more.
    package static let failuresMax = 8
    /// The same, where the members that do answer have not got the rest.
    package static let failuresWithoutMax = 5
    /// How often the whole is asked for.
    package static let beginsMax = 3
    private static let pauseMin: Duration = .milliseconds(250)
    private static let pauseMax: Duration = .seconds(8)

    package init(endpointCount: Int) { self.endpointCount = endpointCount }

    /// The whole was asked for, and its beginning came.
    package mutating func began() { begins += 1 }

    /// Something of the stream came.
    package mutating func progressed() {
        failures = 0
        without = []
    }

    /// The attempt failed, and another one may not.
    /// - Parameter canGoOn: there is something to go on with, and somebody may have the rest.
    package mutating func failed(canGoOn: Bool) -> Next {
        failures += 1
        if failures > Self.failuresMax { return .giveUp }
        if !canGoOn, begins >= Self.beginsMax { return .giveUp }
        return .again(after: pause)
    }

    /// The member at `endpoint` has not got the rest.
    package mutating func isGone(at endpoint: String) -> Next {
        let isNew = without.insert(endpoint).inserted
        if without.count < endpointCount {
            if isNew { return .again(after: .zero) }
            // The others cannot be asked just now.
            failures += 1
            if failures <= Self.failuresWithoutMax { return .again(after: pause) }
        }
        without = []
        failures = 0
        return begins < Self.beginsMax ? .anew : .giveUp
    }

    private var pause: Duration {
        min(Self.pauseMax, Self.pauseMin * (1 << min(failures - 1, 10)))
    }
}
