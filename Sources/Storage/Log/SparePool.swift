internal import Synchronization

#if KEELSON_MUTANTS
    internal import Primitives
#endif

/// The files that wait to become segments: zero-filled and durable, so that a write into one
/// changes data only and `fdatasync` has no metadata to journal.
///
/// A recycled file is filled with zeros again before it is offered. That costs a second write of
/// each segment, in the background, and buys the rule by which a torn tail is told from rot: what a
/// sector held before a batch is always zeros.
///
/// ``take()`` and ``add(recycled:)`` belong to the log thread, ``prepare()`` to any one other
/// thread.
final class SparePool: Sendable {
    private struct State {
        var spares: [UInt64]
        var recycled: [UInt64]
        var nextNumber: UInt64
        var isPreparing = false
    }

    private let fileSystem: any FileSystem
    private let directory: String
    private let segmentBytes: Int
    private let sparesMax: Int
    private let state: Mutex<State>

    init(
        fileSystem: any FileSystem, directory: String, options: LogOptions, spares: [UInt64],
        recycled: [UInt64]
    ) {
        self.fileSystem = fileSystem
        self.directory = directory
        segmentBytes = options.segmentBytes
        sparesMax = options.spareSegments
        let last = max(spares.max() ?? 0, recycled.max() ?? 0)
        state = Mutex(State(spares: spares, recycled: recycled, nextNumber: last + 1))
    }

    func path(_ name: LogFileName) -> String { directory + "/" + name.text }

    var spareCount: Int { state.withLock { $0.spares.count } }
    /// Whether ``prepare()`` has something to do: spares are missing, or old files are left.
    var isPreparingDue: Bool {
        state.withLock { $0.spares.count < sparesMax || !$0.recycled.isEmpty }
    }

    /// The path of a file of zeros for the caller to use and rename. Makes one, without stalling
    /// for long, when none is ready: then its blocks are reserved but not written, and syncs cost
    /// more. On a full disk a recycled file does, which takes no room and a second write.
    func take(fillingWithZeros: Bool) throws(StorageError) -> String {
        let (spare, number) = state.withLock { state -> (UInt64?, UInt64) in
            if !state.spares.isEmpty { return (state.spares.removeFirst(), 0) }
            state.nextNumber += 1
            return (nil, state.nextNumber - 1)
        }
        if let spare { return try withdraw(spare) }
        let new = path(.spare(number)) + ".tmp"
        do throws(StorageError) {
            let file = try fileSystem.open(new, .createNew)
            try file.allocate(segmentBytes)
            if fillingWithZeros { try file.fillWithZeros(to: segmentBytes) }
            try file.sync()
        } catch {
            // The room it took is needed by others now.
            try? fileSystem.remove(new)
            guard error.isOutOfSpace, let old = takeRecycled() else { throw error }
            do throws(StorageError) { try fill(old, as: number) } catch {
                try? fileSystem.remove(new)
                throw error
            }
            return try withdraw(number)
        }
        return new
    }

    /// A spare is zeros for whoever finds it. So it loses its name, durably, before anything is
    /// written into it: a crash leaves a temporary file, which the next start removes.
    private func withdraw(_ spare: UInt64) throws(StorageError) -> String {
        let taken = path(.spare(spare)) + ".tmp"
        #if KEELSON_MUTANTS
            if planted(.keepsNamesOfSpares) { return path(.spare(spare)) }
        #endif
        try fileSystem.rename(path(.spare(spare)), to: taken)
        try fileSystem.syncDirectory(directory)
        return taken
    }

    private func takeRecycled() -> UInt64? {
        state.withLock { $0.recycled.isEmpty ? nil : $0.recycled.removeFirst() }
    }

    /// Old files that are kept to become spares. While segments are needed faster than spares can
    /// be made, new files are, and old ones would pile up.
    private static let recycledMax = 4

    /// Takes over a segment that the log no longer needs: renames it, durably, or removes it.
    func add(recycled segment: String) throws(StorageError) {
        let number = state.withLock { state -> UInt64? in
            if state.recycled.count >= Self.recycledMax { return nil }
            state.nextNumber += 1
            return state.nextNumber - 1
        }
        guard let number else {
            try fileSystem.remove(segment)
            return try fileSystem.syncDirectory(directory)
        }
        try fileSystem.rename(segment, to: path(.recycled(number)))
        try fileSystem.syncDirectory(directory)
        state.withLock { $0.recycled.append(number) }
    }

    /// Makes one spare, or removes one recycled file that is not needed. False: nothing to do.
    ///
    /// Cost: writes and syncs one segment.
    func prepare() throws(StorageError) -> Bool {
        enum Work {
            case nothing
            case remove(UInt64)
            case fill(recycled: UInt64?, as: UInt64)
        }
        let work = state.withLock { state -> Work in
            if state.isPreparing { return .nothing }
            let needed = state.spares.count < sparesMax
            let old = state.recycled.isEmpty ? nil : state.recycled.removeFirst()
            if !needed {
                guard let old else { return .nothing }
                return .remove(old)
            }
            state.isPreparing = true
            state.nextNumber += 1
            return .fill(recycled: old, as: state.nextNumber - 1)
        }
        switch work {
        case .nothing: return false
        case .remove(let number):
            try fileSystem.remove(path(.recycled(number)))
            return true
        case .fill(let old, let number):
            defer { state.withLock { $0.isPreparing = false } }
            do throws(StorageError) { try fill(old, as: number) } catch {
                try? fileSystem.remove(path(.spare(number)) + ".tmp")
                throw error
            }
            state.withLock { $0.spares.append(number) }
            return true
        }
    }

    private func fill(_ old: UInt64?, as number: UInt64) throws(StorageError) {
        let temporary = path(.spare(number)) + ".tmp"
        if let old {
            // The old name is gone, durably, before the new one comes: a crash that kept both would
            // have one file twice, to be filled with zeros while a segment is in it.
            try fileSystem.rename(path(.recycled(old)), to: temporary)
            #if KEELSON_MUTANTS
                if !planted(.recyclesFilesTwice) { try fileSystem.syncDirectory(directory) }
            #else
                try fileSystem.syncDirectory(directory)
            #endif
        }
        let file = try fileSystem.open(temporary, .openOrCreate)
        if try file.size() > segmentBytes { try file.truncate(to: segmentBytes) }
        try file.allocate(segmentBytes)
        #if KEELSON_MUTANTS
            if planted(.offersUsedSegments) {
                try fileSystem.rename(temporary, to: path(.spare(number)))
                return try fileSystem.syncDirectory(directory)
            }
        #endif
        file.bypassCache()
        // Synced piece by piece: one sync of the whole would hold up the log's own syncs behind it.
        try file.fillWithZeros(to: segmentBytes) { () throws(StorageError) in try file.sync() }
        try fileSystem.rename(temporary, to: path(.spare(number)))
        try fileSystem.syncDirectory(directory)
    }
}

extension SegmentedLog {
    /// How long nobody should ask ``prepareSpare()`` again after it has failed, in milliseconds:
    /// each try on a full disk makes a file and removes it.
    package static let sparePauseMillis = 5000
}
