internal import Measuring

/// What one piece was found to cost, an operation.
struct Measurement: Encodable {
    let name: String
    let summary: String
    let operations: Int
    let batches: Int
    /// The median of the batches, and the best and the worst one.
    let nanoseconds: Double
    let nanosecondsMin: Double
    let nanosecondsMax: Double
    /// What the thread that did the work ran of that, the median: without what others did
    /// meanwhile on a busy machine.
    let processorNanoseconds: Double
    /// In user mode, the median; nil where they were not counted.
    let instructions: Double?
    /// Nil where the allocator does not tell, or was not asked.
    let allocations: Double?
    let allocatedBytes: Double?
    /// Of what the piece takes in or gives out; nil where it has no such figure.
    let itemsPerSecond: Double?
    let noun: String?
    let bytes: Double?
    let bytesPerSecond: Double?

    private enum CodingKeys: String, CodingKey {
        case name, summary, operations, batches, instructions, allocations, bytes
        case nanoseconds = "ns"
        case nanosecondsMin = "ns_min"
        case nanosecondsMax = "ns_max"
        case processorNanoseconds = "cpu_ns"
        case allocatedBytes = "allocated_bytes"
        case itemsPerSecond = "items_per_second"
        case noun = "items"
        case bytesPerSecond = "bytes_per_second"
    }

    init(
        _ piece: Piece, _ batches: [Batch], _ allocated: Allocated?, _ volume: Volume?
    ) {
        name = piece.name
        summary = piece.summary
        operations = batches.reduce(0) { $0 + $1.operations }
        self.batches = batches.count
        let times = batches.map(\.nanosecondsEach)
        nanoseconds = Figures.median(times)
        nanosecondsMin = times.min() ?? 0
        nanosecondsMax = times.max() ?? 0
        processorNanoseconds = Figures.median(batches.map(\.processorNanosecondsEach))
        let counts = batches.compactMap(\.instructionsEach)
        instructions = counts.isEmpty ? nil : Figures.median(counts)
        allocations = allocated?.requestsEach
        allocatedBytes = allocated?.bytesEach
        let perSecond = nanoseconds > 0 ? 1e9 / nanoseconds : 0
        itemsPerSecond = volume.map { $0.items * perSecond }
        noun = volume?.noun
        bytes = volume?.bytes
        bytesPerSecond = volume.map { $0.bytes * perSecond }
    }
}

/// One batch of operations.
struct Batch {
    let operations: Int
    let nanoseconds: UInt64
    let processorNanoseconds: Double
    let instructions: UInt64?

    var nanosecondsEach: Double { Double(nanoseconds) / Double(max(1, operations)) }
    var processorNanosecondsEach: Double { processorNanoseconds / Double(max(1, operations)) }
    var instructionsEach: Double? { instructions.map { Double($0) / Double(max(1, operations)) } }
}

/// What a batch allocated, an operation.
struct Allocated {
    let requestsEach: Double
    let bytesEach: Double
}
