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
        _ = control.setRole(isGranted: false, through: helper)
        later(100...1500, nil) { try self.giveBack() }
        return true
    }

    private func giveBack() throws {
        let helper = random.draw(nodes.lowerBound...nodes.upperBound - 1)
        guard control.setRole(isGranted: true, through: helper) else {
            return later(100...400, nil) { try self.giveBack() }
        }
        try note("users", "the clients have their role again")
    }
}
