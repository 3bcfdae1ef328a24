import Primitives
import Replication
import StateMachine

/// What administrators do to users, roles and permissions while everything else goes wrong.
extension Nemesis {
    /// The administrator, who knows of every change of its own password.
    static let administrator = Principal.user(AuthTable.root, authRevision: .max)

    static func user(_ number: Int) -> [UInt8] { Array("u\(number)".utf8) }
    private static func role(_ number: Int) -> [UInt8] { Array("r\(number)".utf8) }
    private static let hash = Array("a hash of a password".utf8)

    func changeUsers() -> Bool {
        guard let process = anyMachine().process, !process.machine.isPaused else { return false }
        let table = process.replica.store.auth
        if table.user(AuthTable.root) == nil || random.chance(1, in: 8) {
            for command in foundation() { perform(command, through: process) }
            return true
        }
        for _ in 0..<random.draw(1...3) { perform(draw(table.isEnabled), through: process) }
        return true
    }

    private func perform(_ command: AuthCommand, through process: SimulatedProcess) {
        process.proposeOwn(.auth, command.encode(), as: Self.administrator)
    }

    /// Everybody has a role, every role some keys, and it counts.
    private func foundation() -> [AuthCommand] {
        var commands: [AuthCommand] = [
            .addUser(AuthTable.root, hash: Self.hash),
            .grantRole(AuthTable.root, to: AuthTable.root),
        ]
        for number in 0..<world.settings.userCount {
            commands.append(.addUser(Self.user(number), hash: Self.hash))
            commands.append(.addRole(Self.role(number)))
            commands.append(.grantRole(Self.role(number), to: Self.user(number)))
            commands.append(.grantPermission(permission(), to: Self.role(number)))
            commands.append(.grantPermission(permission(), to: Self.role(number)))
            if world.settings.lockerCount > 0 {
                commands.append(.grantPermission(Self.locking, to: Self.role(number)))
            }
        }
        return commands + [.enable]
    }

    private func draw(_ isEnabled: Bool) -> AuthCommand {
        let user = Self.user(random.draw(0...world.settings.userCount - 1))
        let role = Self.role(random.draw(0...world.settings.userCount - 1))
        if world.settings.lockerCount > 0, random.chance(1, in: 4) {
            let locking = Self.locking
            return random.chance(1, in: 3)
                ? .revokePermission(key: locking.key, rangeEnd: locking.rangeEnd, from: role)
                : .grantPermission(locking, to: role)
        }
        switch random.draw(0...15) {
        case 0, 1: return isEnabled && random.chance(1, in: 2) ? .disable : .enable
        case 2: return .addUser(user, hash: Self.hash)
        case 3: return random.chance(1, in: 5) ? .deleteUser(AuthTable.root) : .deleteUser(user)
        case 4: return .changePassword(user, hash: Self.hash)
        case 5: return .changePassword(AuthTable.root, hash: Self.hash)
        case 6, 7: return .grantRole(random.chance(1, in: 6) ? AuthTable.root : role, to: user)
        case 8: return .revokeRole(random.chance(1, in: 3) ? AuthTable.root : role, from: user)
        case 9: return .addRole(role)
        case 10: return .deleteRole(role)
        case 11, 12, 13: return .grantPermission(permission(), to: role)
        case 14:
            let old = permission()
            return .revokePermission(key: old.key, rangeEnd: old.rangeEnd, from: role)
        case _: return .revokeRole(AuthTable.root, from: AuthTable.root)
        }
    }

    /// Over what lockers take and write.
    private static let locking = KeyPermission(
        kind: .readWrite, key: Array("a".utf8), rangeEnd: Array("c".utf8))

    /// Over one key, some keys, or all from one on.
    private func permission() -> KeyPermission {
        let first = random.draw(0...world.settings.keyCount - 1)
        let key = Workload.key(first)
        let end: [UInt8]
        switch random.draw(0...3) {
        case 0: end = []
        case 1: end = [0]
        case _: end = key + [0x7E]
        }
        return KeyPermission(
            kind: random.pick([.read, .write, .readWrite, .readWrite]),
            key: random.chance(1, in: 6) ? [0x6B] : key, rangeEnd: end)
    }
}
