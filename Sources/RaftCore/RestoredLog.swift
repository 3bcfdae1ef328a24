package import Primitives

/// A configuration and the index of the entry that brought it.
package struct PlacedConfiguration: Equatable, Sendable {
    package var index: LogIndex
    package var configuration: ClusterConfiguration

    package init(index: LogIndex, configuration: ClusterConfiguration) {
        self.index = index
        self.configuration = configuration
    }
}

/// What the disk said at start. All of it must be durable.
package struct RestoredLog: Sendable {
    package var hardState: HardState
    /// The entry before the log's first; zero for a log that starts at 1.
    package var snapshotIndex: LogIndex
    package var snapshotTerm: Term
    /// In force at `configurationIndex`, the newest at or below `committed` that is not in
    /// `laterConfigurations`.
    package var configuration: ClusterConfiguration
    package var configurationIndex: LogIndex
    /// Configuration entries found behind `configurationIndex`, in the log's order.
    package var laterConfigurations: [PlacedConfiguration]
    /// Of the entries after `snapshotIndex`.
    package var termRuns: [TermRun]
    package var lastIndex: LogIndex
    /// A suffix of the log, possibly empty.
    package var recentEntries: [LogEntry]
    /// Known to be committed and applied (the checkpoint's index); at least `snapshotIndex`.
    package var committed: LogIndex

    package init(
        hardState: HardState, snapshotIndex: LogIndex, snapshotTerm: Term,
        configuration: ClusterConfiguration, configurationIndex: LogIndex,
        laterConfigurations: [PlacedConfiguration] = [], termRuns: [TermRun] = [],
        lastIndex: LogIndex, recentEntries: [LogEntry] = [], committed: LogIndex
    ) {
        self.hardState = hardState
        self.snapshotIndex = snapshotIndex
        self.snapshotTerm = snapshotTerm
        self.configuration = configuration
        self.configurationIndex = configurationIndex
        self.laterConfigurations = laterConfigurations
        self.termRuns = termRuns
        self.lastIndex = lastIndex
        self.recentEntries = recentEntries
        self.committed = committed
    }

    /// A disk on which nothing was ever written, in a cluster that starts with `configuration`.
    package static func fresh(_ configuration: ClusterConfiguration) -> RestoredLog {
        RestoredLog(
            hardState: .initial, snapshotIndex: .zero, snapshotTerm: .zero,
            configuration: configuration, configurationIndex: .zero, lastIndex: .zero,
            committed: .zero)
    }
}
