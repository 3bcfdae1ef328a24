package import StateMachine

/// Records as one entry left them. By the time that somebody looks at them, later entries of the
/// same batch may have changed them once more, or deleted them.
package struct EntryRecords: Sendable {
    /// By key: the last of each that the entry wrote.
    private var written: [[UInt8]: Record] = [:]

    package init(_ records: [Record]) {
        for record in records { written[record.withKey { Array($0) }] = record }
    }

    /// Nil where the entry did not write it, or deleted it.
    package func task(_ key: TaskKey) -> TaskRecord? {
        live(RecordKeys.task(key))?.withValue { TaskRecord($0) }
    }

    package func instance(_ id: InstanceID) -> InstanceRecord? {
        live(RecordKeys.instance(id))?.withValue { InstanceRecord($0) }
    }

    package func deployment(_ id: DeploymentID) -> DeploymentRecord? {
        live(RecordKeys.deployment(id))?.withValue { DeploymentRecord($0) }
    }

    /// Whether the service is there, behind an entry that wrote its record.
    package func hasService(_ id: ServiceID) -> Bool { live(RecordKeys.service(id)) != nil }

    private func live(_ key: [UInt8]) -> Record? {
        written[key].flatMap { $0.isTombstone ? nil : $0 }
    }
}
