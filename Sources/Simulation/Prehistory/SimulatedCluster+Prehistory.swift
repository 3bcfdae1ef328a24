import Primitives
import RaftCore
import Replication
import Storage

extension SimulatedCluster {
    /// Puts on every founder's disk what it is to begin with, as its process would have.
    func layPrehistory() {
        guard settings.prehistoryRounds > 0 else { return }
        let prehistory = Prehistory(settings)
        if prehistory.hasConflict { counters.count(CoverageMark.logsDifferAtFirst) }
        for (machine, member) in zip(machines, prehistory.members) {
            do {
                var storage = try NodeStorage.open(place(of: machine), fileSystem: machine.disk) {
                    _ in
                }
                for write in member.writes {
                    rules.persisting(write, on: machine)
                    try storage.writer.take([.write(write)]) { _ in }
                    try storage.writer.sync()
                    _ = storage.writer.complete()
                    rules.persisted(write, on: machine)
                }
            } catch {
                violated("V5 a disk without damage can be opened", "before the run: \(error)")
            }
            machine.disk.killProcess()
            trace.note(
                now, machine.index, "begins with, term", UInt64(member.log.count),
                member.state.term.rawValue)
        }
        rules.begin(with: prehistory)
    }
}
