internal import Measuring

/// Why a piece cannot be measured as it was asked for.
struct RunnerError: Error, CustomStringConvertible {
    let description: String
}

/// Runs pieces batch by batch.
struct Runner {
    /// How long the batches of a piece take together, about.
    let seconds: Double
    /// Exactly so many operations in one batch and nothing else, for tools that count what a whole
    /// process does; zero gets ready only.
    let operations: Int?
    let countsInstructions: Bool

    /// Below this many the median says little.
    private static let batchesMin = 5
    /// A batch takes this part of the time that is there.
    private static let batchShare = 0.05
    /// Operations of the batch in which allocations are counted: it begins with an empty cache.
    private static let countedOperations = 2000

    func measure(_ piece: Piece, _ place: Workplace) throws -> Measurement {
        let work = try piece.make(place)
        if let operations { return try measureOnce(piece, work, operations) }
        let counter =
            countsInstructions ? try work.onItsThread { try InstructionCounter() } : nil
        let count = try sizeOfBatch(work)
        var batches: [Batch] = []
        var spent = 0.0
        while spent < seconds || batches.count < Self.batchesMin {
            let batch = try run(work, count, counter)
            spent += Double(batch.nanoseconds) / 1e9
            batches.append(batch)
        }
        let allocated = try countAllocations(work)
        return Measurement(piece, batches, allocated, work.volume())
    }

    private func measureOnce(
        _ piece: Piece, _ work: Work, _ operations: Int
    ) throws -> Measurement {
        guard operations % work.step == 0, operations <= work.operationsMax else {
            let most = work.operationsMax / work.step * work.step
            throw RunnerError(
                description: "\(piece.name) takes --operations in multiples of \(work.step), up to"
                    + " \(most), not \(operations)")
        }
        let batch = try run(work, operations, nil)
        return Measurement(piece, [batch], nil, work.volume())
    }

    private func run(
        _ work: Work, _ operations: Int, _ counter: InstructionCounter?
    ) throws -> Batch {
        try work.prepare()
        let instructionsBefore = counter?.count ?? 0
        let processorBefore = try work.onItsThread { ProcessorTime.ofThisThread }
        let start = monotonicNanoseconds()
        if operations > 0 { try work.run(operations) }
        let end = monotonicNanoseconds()
        let processorAfter = try work.onItsThread { ProcessorTime.ofThisThread }
        return Batch(
            operations: operations, nanoseconds: max(1, end - start),
            processorNanoseconds: (processorAfter - processorBefore) * 1e9,
            instructions: counter.map { $0.count - instructionsBefore })
    }

    /// Grows batches until one takes its share of the time: short ones would measure the clock.
    private func sizeOfBatch(_ work: Work) throws -> Int {
        let most = max(1, work.operationsMax / work.step)
        let share = seconds * Self.batchShare * 1e9
        var steps = 1
        while true {
            let batch = try run(work, steps * work.step, nil)
            let taken = Double(batch.nanoseconds)
            if taken >= share || steps == most { return steps * work.step }
            let wanted = Double(steps) * share / taken * 1.1
            steps = min(most, max(steps + 1, Int(min(wanted, Double(steps) * 10))))
        }
    }

    private func countAllocations(_ work: Work) throws -> Allocated? {
        let steps = max(1, min(Self.countedOperations, work.operationsMax) / work.step)
        let operations = steps * work.step
        try work.prepare()
        guard let before = try work.onItsThread({ Allocator.counts() }) else { return nil }
        try work.run(operations)
        guard let after = try work.onItsThread({ Allocator.counts() }) else { return nil }
        return Allocated(
            requestsEach: Double(after.requests - before.requests) / Double(operations),
            bytesEach: Double(after.bytes - before.bytes) / Double(operations))
    }
}
