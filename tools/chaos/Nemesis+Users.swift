internal import Glibc
internal import LocalCluster

/// What administrators do to the users whom clients are.
extension Nemesis {
    func changeUsers() throws -> Bool {
        let helper = random.draw(nodes.lowerBound...nodes.upperBound - 1)
        guard states[helper] == .up else { return false }
        if random.chance(1, in: 2) {
            // The same one: all who have logged in have to do so again.
            try note("users", "the clients' password is set")
            _ = control.setPassword(through: helper)
            return true
        }
        try note("users", "the clients' role is taken away")
        let isTaken = control.setRole(isGranted: false, through: helper)
        later(100...1500, nil) { try self.giveBack() }
        // A call whose end nobody knows may lie in a paused server's socket, or be sent once more
        // when a cut is over: it can overtake the one that gives the role back.
        if !isTaken { later(3000...6000, nil) { try self.giveBack() } }
        return true
    }

    private func giveBack() throws {
        let helper = random.draw(nodes.lowerBound...nodes.upperBound - 1)
        guard control.setRole(isGranted: true, through: helper) else {
            return later(100...400, nil) { try self.giveBack() }
        }
        try note("users", "the clients have their role again")
    }

    /// So many seconds in peace, in which a call that came late does not keep the role.
    func rest(seconds: Int) throws {
        let end = Recorder.now + Int64(seconds) * Self.second
        while Recorder.now < end {
            restoreRole()
            _ = poll(nil, 0, 200)
        }
    }

    /// A role that was taken away by a call whose end nobody knew, in an entry that was committed
    /// after the call that gave the role back, is nobody's to give back.
    func restoreRole() {
        guard kinds.contains(.users) else { return }
        _ = control.setRole(isGranted: true, through: nodes.lowerBound)
    }
}
